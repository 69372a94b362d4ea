"""Held-in tool use: the prompt of Fig. 9, the pass rule, and the two hallucinations of Fig. 4."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from benchmark_examples import TOOLS, Bench, say

from agentflan import datasets
from agentflan.benchmarks import toolbench_eval
from agentflan.errors import FileError


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


def test_giving_up_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = react("Finish", '{"return_type": "give_up_and_restart", "final_answer": "4 mm"}')
    row = Bench.of("toolbench_eval", monkeypatch).play(say(RIGHT, given_up))[0]

    assert (row["passed"], row["prediction"], row["outcome"]) == (False, "", "completed")


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


# ---- ToolBench's own records -----------------------------------------------------------------------------------------

WORKED = '{"error": "", "response": "rain = 4 mm"}'
BROKE = '{"error": "Timeout error...", "response": ""}'


def record(query: str, *calls: tuple[str, str]) -> dict:
    """A record of ToolBench's files: calls of one tool for cities, each with its reply, and a final answer."""
    listed = f"Specifically, you have access to the following APIs: {[*TOOLS, {'name': 'Finish'}]!r}"
    turns = [("system", listed), ("user", f"\n{query}\nBegin!\n")]
    for tool, reply in calls:
        turns += [("assistant", f"\n{react(tool, '{}')}"), ("function", reply)]
    turns.append(("assistant", f"\n{DONE}"))
    said = [{"from": role, "value": text} for role, text in turns]
    return {"id": f"Step {len(turns) - 1}: {query}", "conversations": said}


def upstream(folder: Path, *records: dict) -> list[dict]:
    (folder / "data").mkdir()
    (folder / "data" / "toolllama_G123_dfs_eval.json").write_text(json.dumps(records))
    return list(datasets.load("toolbench_eval").read(folder))


def test_a_solution_of_toolbench_is_a_task(tmp_path: Path) -> None:
    unfinished = record("How cold is it?", ("rain_report", WORKED))
    del unfinished["conversations"][-1]
    [task] = upstream(tmp_path, unfinished, record("Does it rain?", ("snow_report", BROKE), ("rain_report", WORKED)))

    assert (task["id"], task["query"], task["answer"], task["tools"]) == ("toolbench_2", "Does it rain?", "4 mm", TOOLS)
    assert [(step["action"], step["observation"], step["failed"]) for step in task["steps"]] == [
        ("snow_report", BROKE, True),
        ("rain_report", WORKED, False),
    ]


def test_a_call_that_failed_need_not_be_made(tmp_path: Path) -> None:
    task = upstream(tmp_path, record("Does it rain?", ("price_report", BROKE), ("rain_report", WORKED)))[0]
    made = [{"action": "rain_report", "arguments": {}}]

    assert toolbench_eval.passes(made, "4 mm", task)
    assert not toolbench_eval.passes([{"action": "price_report", "arguments": {}}], "4 mm", task)


def test_a_query_is_one_task_and_needs_a_call_that_worked(tmp_path: Path) -> None:
    twice = [record("Does it rain?", (tool, WORKED)) for tool in ("rain_report", "price_report")]
    lost = [record("Does it snow?", ("rain_report", BROKE)), record("Is it cold?", ("snow_report", WORKED))]

    assert [task["id"] for task in upstream(tmp_path, *lost, *twice)] == ["toolbench_3"]


def test_a_folder_without_tasks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="neither the training file nor answer trees"):
        list(datasets.load("toolbench_eval").read(tmp_path))


@pytest.mark.parametrize("form", ["trees", "records"])
def test_solutions_of_the_real_trees_can_be_replayed(shared_data: Path, tmp_path: Path, form: str) -> None:
    """The same seven trees, as they are and in the schema of ToolBench's training and evaluation files."""
    if form == "trees":
        shutil.copytree(shared_data / "toolbench" / "answer", tmp_path / "answer")
    else:
        shutil.copy(shared_data / "toolbench" / "toolllama_format_from_examples.json", tmp_path)
    bench = Bench("toolbench_eval", tmp_path, max_steps=12)
    played = bench.play_oracle()
    score = bench.score(played)

    assert [len(task["steps"]) for task in bench.tasks] == [2, 3, 3, 2, 3]
    assert [[step["failed"] for step in task["steps"]].count(True) for task in bench.tasks] == [0, 1, 0, 1, 2]
    assert (score["value"], score["parts"]["gold_answer"], score["outcomes"]["completed"]) == (100, 100, 5)
    assert bench.score(bench.play_random())["value"] == 0
