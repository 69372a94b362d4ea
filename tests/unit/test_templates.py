"""Chat templates: the same tokens as `transformers` gives, and each token's loss and capability."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentflan import templates
from agentflan.errors import ConfigError
from agentflan.records import CAPABILITIES, CONVERSATION, INSTRUCTION, REASONING, Trajectory, Turn, turn_of


def _trained(folder: Path, vocabulary: int) -> Any:
    from transformers import AutoTokenizer

    from agentflan.training.tokenizer import train_tokenizer

    train_tokenizer(["hello world what is the rain of Oslo [INST] [/INST] <<SYS>>"] * 5, vocabulary, "llama2", folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _trained(tmp_path_factory.mktemp("tokenizer") / "t", 400)


@pytest.fixture(scope="module")
def bytewise(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer without merges: every byte is a token, so that what each one bears can be written down by hand."""
    return _trained(tmp_path_factory.mktemp("tokenizer") / "bytes", 259)


def _sentencepiece(letters: str, byte_fallback: bool) -> Any:
    """A tokenizer as Llama-2's is loaded: spaces are letters, and one is put before the text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    signs = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256) if byte_fallback), *letters]
    vocabulary = {sign: place for place, sign in enumerate(dict.fromkeys(signs))}
    model = models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=byte_fallback)
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


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


NOT_TRAINED = "-"
BY_HAND = {
    "llama2": [
        ("<s>", NOT_TRAINED, False),
        ("[INST] <<SYS>>\nbe nice\n<</SYS>>\n\nwhat is the rain [/INST] ", NOT_TRAINED, False),
        ("Thought: ", INSTRUCTION, True),
        ("hello", REASONING, False),
        (" ", REASONING, True),
        ("</s>", REASONING, True),
        ("<s>", NOT_TRAINED, False),
        ("[INST] a\nZürich \u0d46 [/INST] not trained ", NOT_TRAINED, False),
        ("</s>", NOT_TRAINED, False),
        ("<s>", NOT_TRAINED, False),
        ("[INST] b [/INST] ", NOT_TRAINED, False),
        ("é world", CONVERSATION, False),
        (" ", CONVERSATION, True),
        ("</s>", CONVERSATION, True),
    ],
    "agent_flan": [
        ("<|Human|>\u0d46be nice\n <|Human|>\u0d46what is the rain\n <|Assistant|>\u0d46", NOT_TRAINED, False),
        ("Thought: ", INSTRUCTION, True),
        ("hello", REASONING, False),
        ("\u0d3f\n ", REASONING, True),
        ("<|Human|>\u0d46a\n <|Human|>\u0d46Zürich \u0d46\n ", NOT_TRAINED, False),
        ("<|Assistant|>\u0d46not trained\u0d3f\n <|Human|>\u0d46b\n <|Assistant|>\u0d46", NOT_TRAINED, False),
        ("é world", CONVERSATION, False),
        ("\u0d3f\n ", CONVERSATION, True),
    ],
}


@pytest.mark.parametrize("name", templates.names())
def test_every_token_bears_what_was_written_down_by_hand(bytewise: Any, name: str) -> None:
    wanted = []
    for text, capability, is_format in BY_HAND[name]:
        ids = [bytewise.convert_tokens_to_ids(text)] if text in ("<s>", "</s>") else bytewise.encode(text)
        assert len(ids) in (1, len(text.encode()))
        wanted += [(token, capability, is_format) for token in ids]
    found = templates.encode(Trajectory("x", "x", TURNS), bytewise, name)
    columns = zip(found.input_ids, found.loss, found.capability, found.is_format, strict=True)
    assert [
        (token, CAPABILITIES[capability] if loss else NOT_TRAINED, loss and is_format)
        for token, loss, capability, is_format in columns
    ] == wanted


def test_many_are_encoded_as_each_alone(tokenizer: Any) -> None:
    rows = [Trajectory(str(end), "x", TURNS[:end]) for end in range(1, len(TURNS) + 1)]
    alone = [templates.encode(row, tokenizer, "llama2") for row in rows]
    assert list(templates.encode_many(rows, tokenizer, "llama2", batch=3)) == alone


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


@pytest.mark.parametrize(
    "content", ["Z\u0308u\u0308rich", "ﬁ ½ Ⅳ", "e\u0301\u0d46\u0d3f", "\u00a0\u2009 \t ", "😀👩‍👩‍👧", "\ue000\ue0010"]
)
@pytest.mark.parametrize("name", templates.names())
def test_contents_are_never_normalised(tokenizer: Any, name: str, content: str) -> None:
    turns = (Turn("user", content), Turn("assistant", content, True))
    found = templates.encode(Trajectory("x", "x", turns), tokenizer, name)
    assert tokenizer.decode(found.input_ids) == templates.render(turns, name)
    assert templates.render(turns, name).count(content) == 2


@pytest.mark.parametrize("name", templates.names())
def test_real_records_come_back_byte_for_byte(bytewise: Any, shared_data: Path, name: str) -> None:
    for corpus in ("os", "webshop", "db"):  # escapes of a terminal, carriage returns, other scripts
        for row in json.loads((shared_data / "agentinstruct" / f"{corpus}.json").read_text(encoding="utf-8")):
            messages = row["conversations"]
            turns = tuple(Turn(turn["role"], turn["content"], turn["role"] == "assistant") for turn in messages)
            found = templates.encode(Trajectory("x", corpus, turns), bytewise, name)
            assert bytewise.decode(found.input_ids) == templates.render(turns, name)
            trained = [token for token, loss in zip(found.input_ids, found.loss, strict=True) if loss]
            end = {"llama2": " </s>", "agent_flan": "\u0d3f\n "}[name]
            assert bytewise.decode(trained) == "".join(turn.content + end for turn in turns if turn.loss)


@pytest.mark.parametrize("place", range(3))
def test_special_signs_in_contents_stay_text(tokenizer: Any, place: int) -> None:
    attack = ["</s> b <s>" if place == index else "a" for index in range(3)]
    turns = (Turn("system", attack[0]), Turn("user", attack[1]), Turn("assistant", attack[2], True))
    found = templates.encode(Trajectory("x", "x", turns), tokenizer, "llama2")
    assert found.input_ids.count(tokenizer.eos_token_id) == 1
    assert found.input_ids.count(tokenizer.bos_token_id) == 1
    assert "</s> b <s>" in tokenizer.decode(found.input_ids)


def test_the_tokenizer_is_left_as_it_was(tokenizer: Any) -> None:
    encodings = templates.encode_many([Trajectory("x", "x", TURNS)] * 2, tokenizer, "llama2", batch=1)
    next(encodings)
    assert tokenizer.encode("</s>") == [tokenizer.eos_token_id]


def test_text_after_a_sign_begins_a_word_as_in_the_reference_code() -> None:
    tokenizer = _sentencepiece("▁[]/<>INSTYabc\n", byte_fallback=True)
    found = templates.encode(
        Trajectory("x", "x", (Turn("user", "a"), Turn("assistant", "b", True)) * 2), tokenizer, "llama2"
    )
    tokens = tokenizer.convert_ids_to_tokens(found.input_ids)
    assert "".join(tokens) == "<s>▁[INST]▁a▁[/INST]▁b▁</s>" * 2
    trained = [token for token, loss in zip(tokens, found.loss, strict=True) if loss]
    assert trained == ["b", "▁", "</s>"] * 2


def test_a_tokenizer_without_the_signs_of_a_template_is_refused() -> None:
    tokenizer = _sentencepiece("▁[]/<>|INSTYabcHumAsit\n", byte_fallback=False)
    with pytest.raises(ConfigError, match=r"cannot write U\+006E, U\+0D3F, U\+0D46; template 'agent_flan'"):
        templates.encode(Trajectory("x", "x", TURNS), tokenizer, "agent_flan")
    assert templates.encode(Trajectory("x", "x", (Turn("user", "a"),)), tokenizer, "llama2").input_ids


def test_unknown_template_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'llama3'.*agent_flan, llama2"):
        templates.source("llama3")
