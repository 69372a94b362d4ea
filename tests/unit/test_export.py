"""Export and token counts: the released schema, loaded by `datasets`, and both counts of Table 2."""

from __future__ import annotations

import json
from pathlib import Path

from agentflan.export import export
from agentflan.records import INSTRUCTION, REASONING, Trajectory, Turn, turn_of
from agentflan.tokens import count_tokens

REPLY = turn_of("assistant", [("Thought: ", INSTRUCTION, True), ("hello", REASONING, False)])
ROWS = [
    Trajectory("os_1", "os", (Turn("user", "q"), REPLY), "chat"),
    Trajectory("os_2", "os", (Turn("user", "q"), REPLY), "react"),
    Trajectory("t_1", "toolbench", (Turn("system", "s"), Turn("user", "q"), Turn("assistant", "a")), "chat"),
    Trajectory("t_2", "toolbench", (Turn("user", "q"), REPLY), "negative"),
    Trajectory("g_1", "sharegpt", (Turn("user", "q"), Turn("assistant", "a", True)), "general"),
]


def test_seven_files_in_the_released_schema(tmp_path: Path) -> None:
    counts = export(ROWS, tmp_path)
    assert len(counts) == 7
    assert {name: count for name, count in counts.items() if count} == {
        "agent_instruct_tflan.jsonl": 1,
        "agent_instruct_react.jsonl": 1,
        "toolbench_tflan.jsonl": 1,
        "toolbench_negative.jsonl": 1,
    }
    row = json.loads((tmp_path / "toolbench_tflan.jsonl").read_text())
    assert row["id"] == "toolbench/t_1"
    assert row["conversation"][2] == {"role": "assistant", "content": "a", "loss": False}


def test_datasets_loads_the_export(tmp_path: Path) -> None:
    from datasets import load_dataset

    export(ROWS, tmp_path / "out")
    for name in ("agent_instruct_react", "toolbench_negative"):
        path = str(tmp_path / "out" / f"{name}.jsonl")
        table = load_dataset("json", data_files=path, cache_dir=str(tmp_path / "cache"), split="train")
        assert table.num_rows == 1 and table.column_names == ["conversation", "id"]


def test_tokens_are_counted_both_ways(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    from agentflan.training.tokenizer import train_tokenizer

    train_tokenizer(["hello q Thought:"], 300, "llama2", tmp_path / "t")
    counts = count_tokens(ROWS, PreTrainedTokenizerFast.from_pretrained(tmp_path / "t"), "llama2")
    assert counts["all"] > counts["loss"] > 0
    assert counts["loss"] == sum(counts["capabilities"].values()) == sum(counts["format"].values())
    assert sum(stream["all"] for stream in counts["streams"].values()) == counts["all"]
    assert counts["format"]["format"] > 0 and counts["capabilities"]["reasoning"] > 0
