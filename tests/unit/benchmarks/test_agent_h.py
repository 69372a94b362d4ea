"""Agent-H: strata, keywords, and the two rates behind H_Score."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_examples import TOOLS, Bench, say

from agentflan.benchmarks import agent_h
from agentflan.formulas import h_score


@pytest.mark.parametrize(
    ("react", "general", "printed"), [(9.9, 11.9, 89.10), (15.6, 13.5, 85.45), (18.1, 14.0, 83.95), (21.7, 21.0, 78.65)]
)
def test_h_score_of_table_3(react: float, general: float, printed: float) -> None:
    assert h_score(react, general) == pytest.approx(printed)


def test_a_call_sample_without_its_tools_wants_a_plain_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {task["id"]: task for task in Bench.of("agent_h", monkeypatch, limit=None).tasks}
    calls = [task for key, task in tasks.items() if key.startswith("call")]
    derived = [task for task in calls if task["derived"]]

    assert 0 < len(derived) < len(calls)
    assert all((task["circumstance"], task["tools"], task["call"]) == ("c", [], None) for task in derived)
    assert all(task["circumstance"] == "d" and task["call"] for task in calls if not task["derived"])
    assert {tasks["plain_0"]["circumstance"], tasks["tools_0"]["circumstance"]} == {"a", "b"}


def test_samples_that_show_the_same_text_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(name: str, query: str) -> dict[str, object]:
        turns = [{"role": "user", "content": query}, {"role": "assistant", "content": "Hello."}]
        return {"id": name, "system": "", "tools": [], "turns": turns}

    rows = [row("x", "Good  day"), row("y", "good day"), row("z", "Bye")]

    assert [task["id"] for task in Bench.of("agent_h", monkeypatch, rows).tasks] == ["x", "z"]


def test_quotas_add_up_to_the_limit() -> None:
    shares = {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}

    assert sum(agent_h._quotas(1845, shares).values()) == 1845
    assert agent_h._quotas(9, shares) == {"a": 2, "b": 2, "c": 3, "d": 2}


def test_react_keywords_mind_the_case_and_general_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Bench.of("agent_h", monkeypatch).settings

    assert agent_h.signs_of_calling("Well. Action: rain_report", settings) == ["react"]
    assert agent_h.signs_of_calling("action: none", settings) == []
    assert agent_h.signs_of_calling("I WILL USE a map", settings) == ["general"]
    assert agent_h.signs_of_calling("Thought: I need to call", settings) == ["react", "general"]


def test_one_manner_of_calling_in_every_reply_leaves_half(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agent_h", monkeypatch)
    score = bench.score(bench.play(say("Thought: hm")))

    assert score["value"] == score["parts"]["H_Score"] == 50
    assert (score["parts"]["H_ReAct"], score["parts"]["H_General"]) == (100, 0)
    assert score["n"] == sum(task["call"] is None for task in bench.tasks)
    ((react,), (general,)) = (score["part_samples"][part] for part in ("H_ReAct", "H_General"))
    assert react == {"weight": 1.0, "values": [1.0] * score["n"]}
    assert general == {"weight": 1.0, "values": [0.0] * score["n"]}


def test_never_calling_scores_100_but_recalls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agent_h", monkeypatch)
    silent, knowing = bench.score(bench.play(say("Hello."))), bench.score(bench.play_oracle())

    assert (silent["value"], silent["parts"]["call_recall"]) == (100, 0)
    assert (knowing["value"], knowing["parts"]["call_recall"]) == (100, 100)


def test_the_floor_is_what_the_gold_texts_score(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "I will use this to say hello."}]
    bench = Bench.of("agent_h", monkeypatch, [{"id": "x", "system": "", "tools": TOOLS, "turns": turns}])

    assert bench.score(bench.play(say("Hello.")))["parts"]["gold_floor"]["H_General"] == 100


def test_the_score_lists_its_samples_with_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agent_h", monkeypatch)
    samples = bench.score(bench.play_oracle())["parts"]["samples"]

    assert list(samples) == [task["id"] for task in bench.tasks]
    assert len(set(samples.values())) == len(samples)


def test_real_rows_fall_into_their_circumstances(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").symlink_to(shared_data / "glaive" / "raw_rows.jsonl")
    tasks = Bench("agent_h", tmp_path, limit=None).tasks
    first = tasks[[task["id"] for task in tasks].index("glaive_1")]

    assert len(tasks) == 5
    assert (first["circumstance"], first["tools"][0]["name"]) == ("b", "get_exchange_rate")
    assert {task["circumstance"] for task in tasks if task["derived"] or task["call"]} <= {"c", "d"}


def test_a_call_that_cannot_be_read_is_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [{"role": "user", "content": "Rain?"}, {"role": "assistant", "content": "<functioncall> broken"}]
    tasks = Bench.of("agent_h", monkeypatch, [{"id": "x", "system": "", "tools": TOOLS, "turns": turns}]).tasks

    assert tasks[0]["circumstance"] in ("c", "d")
