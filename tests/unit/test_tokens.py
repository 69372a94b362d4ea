"""Tokens: both counts of Table 2, by stream, capability and format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentflan import templates
from agentflan.records import INSTRUCTION, REASONING, Trajectory, Turn, turn_of
from agentflan.tokens import count_tokens

REPLY = turn_of("assistant", [("Thought: ", INSTRUCTION, True), ("hello", REASONING, False)])
ROWS = [
    Trajectory("os_1", "os", (Turn("user", "q"), REPLY), "chat"),
    Trajectory("t_1", "toolbench", (Turn("user", "q"), Turn("assistant", "a")), "react"),
    Trajectory("g_1", "sharegpt", (Turn("user", "q"), Turn("assistant", "a", True)), "general"),
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import PreTrainedTokenizerFast

    from agentflan.training.tokenizer import train_tokenizer

    folder: Path = tmp_path_factory.mktemp("tokenizer") / "t"
    train_tokenizer([" hello q Thought:"], 300, "llama2", folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.mark.parametrize("template", templates.names())
def test_tokens_are_counted_both_ways(tokenizer: Any, template: str) -> None:
    counts = count_tokens(ROWS, tokenizer, template)
    alone = {row.stream: templates.encode(row, tokenizer, template) for row in ROWS}
    wanted = {name: {"all": len(each.input_ids), "loss": sum(each.loss)} for name, each in sorted(alone.items())}
    assert counts["streams"] == wanted
    assert counts["all"] == sum(stream["all"] for stream in wanted.values())
    assert counts["loss"] == sum(counts["capabilities"].values()) == sum(counts["format"].values())
    assert counts["streams"]["react"]["loss"] == 0


def test_capabilities_and_format_by_hand(tokenizer: Any) -> None:
    counts = count_tokens(ROWS[:1], tokenizer, "llama2")
    marker = len(tokenizer.encode(" Thought:"))
    thought = len(tokenizer.encode(" hello"))
    assert counts["capabilities"] == {INSTRUCTION: marker, REASONING: thought + 2}  # with the end sign: a space, </s>
    assert counts["format"] == {"content": thought, "format": marker + 2}


def test_nothing_has_no_tokens(tokenizer: Any) -> None:
    assert count_tokens([], tokenizer, "llama2") == {
        "all": 0,
        "loss": 0,
        "streams": {},
        "capabilities": {},
        "format": {},
    }
