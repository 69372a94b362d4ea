"""Export: the released schema, names that tell the shares, and files that `datasets` loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentflan.export import export
from agentflan.files import write_jsonl
from agentflan.records import INSTRUCTION, REASONING, RETRIEVAL, UNDERSTANDING, Trajectory, Turn, to_json, turn_of

VIEWS = (REASONING, RETRIEVAL, UNDERSTANDING)
REPLY = turn_of("assistant", [("Thought: ", INSTRUCTION, True), ("hello", REASONING, False)])


def _dialogue(number: int, views: tuple[str, ...]) -> Trajectory:
    turns = (turn_of("assistant", [(view, view, False)], loss=view in views) for view in VIEWS)
    return Trajectory(f"t_{number}", "toolbench", (Turn("user", "q"), *turns), "chat")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """ToolBench in the shares of the release: 60 dialogues at 1 : 0.5 : 0.7, 10 in ReAct form, 30 thought-and-call."""
    dialogues = [_dialogue(n, VIEWS[: 1 + (n < 30)] + ((UNDERSTANDING,) if n < 42 else ())) for n in range(60)]
    talk = (Turn("system", "s"), Turn("user", "q"), REPLY)
    others = [("toolbench", "react", 10), ("toolbench", "cot", 30), ("toolbench", "instruction", 2000)]
    others += [("toolbench", "negative", 3), ("os", "chat", 2), ("os", "react", 1), ("sharegpt", "general", 5)]
    rest = [Trajectory(f"{name}_{n}", dataset, talk, name) for dataset, name, count in others for n in range(count)]
    path = tmp_path / "mixed.jsonl"
    write_jsonl(path, map(to_json, [*rest, *dialogues]))
    return path


def test_seven_files_whose_names_tell_the_shares(mixed: Path, tmp_path: Path) -> None:
    assert export(mixed, tmp_path / "out") == {
        "agent_instruct_react.jsonl": 1,
        "agent_instruct_tflan.jsonl": 2,
        "toolbench_instruct_j1s1_2k.jsonl": 2000,
        "toolbench_negative.jsonl": 3,
        "toolbench_react_10p.jsonl": 10,
        "toolbench_tflan_60p_r10r5u7.jsonl": 60,
        "toolbench_tflan_cot_30p.jsonl": 30,
    }


def test_rows_have_the_released_schema(mixed: Path, tmp_path: Path) -> None:
    export(mixed, tmp_path / "out")
    lines = (tmp_path / "out" / "toolbench_tflan_60p_r10r5u7.jsonl").read_text().splitlines()
    row = json.loads(lines[59])
    assert list(row) == ["conversation", "id"] and row["id"] == "toolbench/t_59"
    assert row["conversation"][0] == {"role": "user", "content": "q", "loss": False}
    assert [turn["loss"] for turn in row["conversation"][1:]] == [True, False, False]


def test_weights_that_are_drawn_read_as_the_halves_of_tenths(tmp_path: Path) -> None:
    dialogues = [_dialogue(n, (REASONING, RETRIEVAL, UNDERSTANDING) if n < 249 else (REASONING,)) for n in range(1000)]
    write_jsonl(tmp_path / "mixed.jsonl", map(to_json, dialogues))
    assert list(export(tmp_path / "mixed.jsonl", tmp_path)) == ["toolbench_tflan_100p_r10r2.5u2.5.jsonl"]


def test_datasets_loads_every_file(mixed: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    for name, count in export(mixed, tmp_path / "out").items():
        path = str(tmp_path / "out" / name)
        table = load_dataset("json", data_files=path, cache_dir=str(tmp_path / "cache"), split="train")
        assert table.num_rows == count and table.column_names == ["conversation", "id"]
