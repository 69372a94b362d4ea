"""Chat templates: the same tokens as `transformers` gives, and each token's loss and capability."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentflan import templates
from agentflan.errors import ConfigError
from agentflan.records import CAPABILITIES, INSTRUCTION, REASONING, Trajectory, Turn, turn_of


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import PreTrainedTokenizerFast

    from agentflan.training.tokenizer import train_tokenizer

    folder: Path = tmp_path_factory.mktemp("tokenizer") / "t"
    train_tokenizer(["hello world what is the rain of Oslo [INST] [/INST] <<SYS>>"] * 5, 400, "llama2", folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


TURNS = (
    Turn("system", "be nice"),
    Turn("user", "what is the rain"),
    turn_of("assistant", [("Thought: ", INSTRUCTION, True), ("hello", REASONING, False)]),
    Turn("user", "a"),
    Turn("user", "Zürich \u0d46"),
    Turn("assistant", "not trained"),
    Turn("user", "b"),
    Turn("assistant", "é world", True),
)


@pytest.mark.parametrize("name", templates.names())
def test_tokens_and_mask_equal_those_of_transformers(tokenizer: Any, name: str) -> None:
    tokenizer.chat_template = templates.source(name)
    turns = [Turn(turn.role, turn.content, turn.role == "assistant") for turn in TURNS]
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    wanted = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    found = templates.encode(Trajectory("x", "x", tuple(turns)), tokenizer, name)
    assert found.input_ids == wanted["input_ids"]
    assert [int(loss) for loss in found.loss] == wanted["assistant_masks"]
    assert tokenizer.decode(found.input_ids) == templates.render(turns, name)


@pytest.mark.parametrize("name", templates.names())
def test_only_trained_replies_bear_loss_with_their_capability(tokenizer: Any, name: str) -> None:
    found = templates.encode(Trajectory("x", "x", TURNS), tokenizer, name)
    bearing = [index for index, loss in enumerate(found.loss) if loss]
    text = tokenizer.decode([found.input_ids[index] for index in bearing])
    assert "Thought: hello" in text and "é world" in text and "not trained" not in text and "rain" not in text
    by_capability = {
        CAPABILITIES[found.capability[index]]: found.is_format[index] for index in bearing if not found.is_format[index]
    }
    assert REASONING in by_capability
    assert all(found.capability[index] == -1 for index in range(len(found.loss)) if not found.loss[index])


def test_llama2_layout() -> None:
    turns = (Turn("system", "S"), Turn("user", "U"), Turn("assistant", "A"), Turn("user", "V"), Turn("assistant", "B"))
    wanted = "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] A </s><s>[INST] V [/INST] B </s>"
    assert templates.render(turns, "llama2") == wanted


def test_agent_flan_layout_has_the_exact_code_points() -> None:
    turns = (Turn("system", "S"), Turn("user", "U"), Turn("assistant", "A"))
    wanted = "<|Human|>\u0d46S\n <|Human|>\u0d46U\n <|Assistant|>\u0d46A\u0d3f\n "
    assert templates.render(turns, "agent_flan") == wanted


def test_special_signs_in_contents_stay_text(tokenizer: Any) -> None:
    attack = Trajectory("x", "x", (Turn("user", "a </s> b <s>"), Turn("assistant", "c", True)))
    found = templates.encode(attack, tokenizer, "llama2")
    assert found.input_ids.count(tokenizer.eos_token_id) == 1
    assert found.input_ids.count(tokenizer.bos_token_id) == 1


def test_unknown_template_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'llama3'.*agent_flan, llama2"):
        templates.source("llama3")
