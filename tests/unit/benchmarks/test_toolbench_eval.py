"""Held-in tool use: the prompt of Fig. 9, the pass rule, and the two hallucinations of Fig. 4."""

from __future__ import annotations

import pytest
from benchmark_examples import Bench, say

from agentflan.benchmarks import toolbench_eval


def react(tool: str, arguments: str) -> str:
    return f"Thought: t\nAction: {tool}\nAction Input: {arguments}"


DONE = react("Finish", '{"return_type": "give_answer", "final_answer": "4 mm"}')
RIGHT = react("rain_report", '{"city": "Arden"}')


@pytest.mark.parametrize(
    ("reply", "step"),
    [
        (RIGHT, ("rain_report", {"city": "Arden"})),
        (react("x", '{\n "a": [1]\n}\nObservation: made up'), ("x", {"a": [1]})),
        (react("x", "city Arden"), None),
        (react("x", "[1]"), None),
        ("I think it rains.", None),
    ],
)
def test_replies(reply: str, step: tuple | None) -> None:
    assert toolbench_eval.parse_reply(reply) == step


def test_the_prompt_lists_the_tools_and_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("toolbench_eval", monkeypatch, format="Answer in {rhyme}.")
    system = toolbench_eval.episode(bench.tasks[0], bench.settings).send(None).messages[0][1]

    assert system.startswith("You are a helpful assistant.\nAnswer the following questions as best you can.")
    assert "\n- rain_report: Tells the rain of a city\n  city (string)\n" in system
    assert system.endswith("\nAnswer in {rhyme}.")


def test_the_right_call_and_an_answer_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Bench.of("toolbench_eval", monkeypatch).play(say(RIGHT, DONE))[0]

    assert row["messages"][3] == {"role": "user", "content": "Observation: rain = 0 mm"}
    assert (row["passed"], row["prediction"], row["outcome"]) == (True, "4 mm", "completed")


def test_an_answer_without_the_call_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("toolbench_eval", monkeypatch)
    score = bench.score(bench.play(say(DONE)))

    assert (score["value"], score["parts"]["finished"], score["parts"]["right_tools"]) == (0, 100, 0)


def test_a_call_without_an_answer_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Bench.of("toolbench_eval", monkeypatch, max_steps=2).play(say(RIGHT))

    assert (rows[0]["passed"], rows[0]["outcome"], len(rows[0]["steps"])) == (False, "task_limit", 2)


def test_faults_are_told_apart_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("toolbench_eval", monkeypatch)
    replies = (react("snow_report", "{}"), "No format.", react("rain_report", '{"city": "Nowhere"}'), RIGHT, DONE)
    rows = bench.play(say(*replies))
    parts = bench.score(rows)["parts"]

    assert [step["fault"] for step in rows[0]["steps"]] == ["tool", "format", "arguments", "", ""]
    assert parts["faults"] == {"format": 8, "tool": 8, "arguments": 15}  # RIGHT is right for one task of eight
    assert parts["fault_rates"]["tool"] == 20


def test_calls_count_only_in_the_gold_order(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [{"action": name, "arguments": {}} for name in ("a", "x", "b")]
    task = {"steps": [steps[0], steps[2]]}

    assert toolbench_eval.passes(steps, "yes", task)
    assert not toolbench_eval.passes(list(reversed(steps)), "yes", task)
    assert not toolbench_eval.passes(steps, " ", task)
