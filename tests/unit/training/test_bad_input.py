"""Bad input ends a fine-tune before any weight is read, with a sentence that says where and what was expected."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentflan.cli import main
from agentflan.errors import ConfigError, NotAvailable
from agentflan.files import sha256_of, write_json, write_jsonl
from agentflan.training.checks import check_kernels, check_tokenizer
from agentflan.training.recipe import Settings

Line = Callable[..., list[str]]


@pytest.fixture
def refused(command: Line, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """``refused(*more, **settings)``: the error of a run that must end before a model is made."""
    from agentflan.training import model

    def never(*_: Any) -> None:
        raise AssertionError("the model was made before the input was checked")

    monkeypatch.setattr(model, "model_from_scratch", never)

    def error(*more: str, **settings: Any) -> str:
        assert main(command("refused", *more, **settings)) == 1
        return capsys.readouterr().err

    return error


def test_a_mixture_with_another_hash_than_its_record_is_refused(corpus: Path, refused: Callable[..., str]) -> None:
    data, record = corpus / "data.jsonl", corpus / "other.counts.json"
    write_json(record, {"condition": "toy", "settings": {}, "sha256": "0" * 64})
    message = refused("--record", str(record))
    assert f"{data}: found SHA-256 {sha256_of(data)}; expected SHA-256 {'0' * 64}" in message
    assert f"not the mixture that {record} tells of" in message


def test_a_record_without_a_hash_is_refused(corpus: Path, refused: Callable[..., str]) -> None:
    record = corpus / "old.counts.json"
    write_json(record, {"condition": "toy", "settings": {}})
    assert f"{record}: found no field sha256" in refused("--record", str(record))


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([[2, "reasonnig", 0]], "turns[1].spans: found 'reasonnig'; expected one of reasoning, retrieval"),
        ([[2, "reasoning"]], "expected a list of [length, capability, 0 or 1]"),
        ([["2", "reasoning", 0]], "expected a list of [length, capability, 0 or 1]"),
        ([[3, "reasoning", 0]], "lengths that do not cover the content"),
    ],
)
def test_a_broken_capability_tag_is_refused(
    corpus: Path, refused: Callable[..., str], spans: list[Any], message: str
) -> None:
    reply = {"role": "assistant", "content": "hi", "loss": True, "spans": spans}
    turns = [{"role": "user", "content": "hello"}, reply]
    write_jsonl(corpus / "broken.jsonl", [{"id": "one", "dataset": "toy", "turns": turns}])
    found = refused("--data", str(corpus / "broken.jsonl"))
    assert f"{corpus / 'broken.jsonl'}: record 1 (one), field turns[1].spans" in found
    assert message in found


def test_a_tokenizer_that_cannot_write_the_template_is_refused(corpus: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "INST": 2}, "<unk>"))
    poor = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="</s>", bos_token="</s>")
    with pytest.raises(ConfigError, match=r"cannot write U\+002F.*template 'llama2'"):
        check_tokenizer(poor, "llama2")
    with pytest.raises(ConfigError, match=r"U\+0D3F.*template 'agent_flan'"):
        check_tokenizer(poor, "agent_flan")
    poor.eos_token = None
    with pytest.raises(ConfigError, match="has no eos_token; template 'llama2' needs one"):
        check_tokenizer(poor, "llama2")


def test_conversations_longer_than_the_models_context_are_refused(refused: Callable[..., str]) -> None:
    assert "max_length: found 4096; expected at most the model's 128 positions" in refused(max_length=4096)


def test_a_tokenizer_with_more_entries_than_the_model_is_refused(corpus: Path) -> None:
    from transformers import AutoTokenizer, LlamaConfig

    from agentflan.training.checks import check_model

    tokenizer = AutoTokenizer.from_pretrained(corpus / "t")
    with pytest.raises(ConfigError, match=r"entries; expected at most the model's vocab_size, 7"):
        check_model(LlamaConfig(vocab_size=7), tokenizer, Settings(max_length=64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sliding_window": 32}, "max_length: found 64; expected at most the model's attention window, 32"),
        ({"logit_scale": 0.5}, "logit_scale: found 0.5; expected a model without it"),
    ],
    ids=str,
)
def test_a_model_that_computes_otherwise_is_refused(corpus: Path, change: dict[str, Any], message: str) -> None:
    from transformers import AutoTokenizer, LlamaConfig

    from agentflan.training.checks import check_model

    tokenizer = AutoTokenizer.from_pretrained(corpus / "t")
    check_model(LlamaConfig(vocab_size=300, sliding_window=64), tokenizer, Settings(max_length=64))
    with pytest.raises(ConfigError, match=message):
        check_model(LlamaConfig(vocab_size=300, **change), tokenizer, Settings(max_length=64))


def test_kernels_that_are_not_there_are_named(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert "fused_layers: found no GPU; expected one, or false" in refused(fused_layers=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("agentflan.training.checks.find_spec", lambda _: None)
    with pytest.raises(NotAvailable, match="liger-kernel is not installed; install the extra `gpu`"):
        check_kernels(Settings(fused_layers=True))


def test_what_is_cut_and_what_is_skipped_is_counted(
    corpus: Path, command: Line, caplog: pytest.LogCaptureFixture
) -> None:
    """A conversation keeps its first tokens; one without a loss-bearing token, or that lost them, is left out."""
    asked = {"role": "user", "content": "say w1"}
    replied = {"role": "assistant", "content": "w1 w2 " * 20, "loss": True}
    turns = {
        "short": [asked, replied | {"content": "w1"}],
        "long": [asked, replied],
        "silent": [asked, replied | {"content": "w1", "loss": False}],
        "late": [asked | {"content": "w1 " * 80}, replied],
    }
    rows = [{"id": name, "dataset": "toy", "stream": "general", "turns": each} for name, each in turns.items()]
    write_jsonl(corpus / "uneven.jsonl", rows)
    caplog.set_level("INFO")
    assert main(command("uneven", "--data", str(corpus / "uneven.jsonl"), max_length=32)) == 0
    assert "2 cut at 32 tokens, 2 without loss skipped" in caplog.text
    card = (corpus / "uneven" / "README.md").read_text()
    counts = json.loads(card.split("What happened to the conversations")[1].split("```")[1].removeprefix("json"))
    assert (counts["cut"], counts["without_loss"]) == (["long", "late"], ["silent", "late"])
    assert counts["conversations"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1}, "lr: impossible value -1; expected a number over 0"),
        ({"lr": float("nan")}, "lr: impossible value nan"),
        ({"lr": "fast"}, "lr: impossible value 'fast'"),
        ({"beta2": 1}, "beta2: impossible value 1; expected a decay between 0 and 1"),
        ({"warmup_share": 1.5}, "warmup_share: impossible value 1.5; expected a share of the steps"),
        ({"warmup_lr": 1.0}, "warmup_lr: impossible value 1.0; expected at most lr, 2e-05"),
        ({"batch": 0}, "batch: impossible value 0; expected a whole number of at least 1"),
        ({"batch": 1.5}, "batch: impossible value 1.5"),
        ({"epochs": 0}, "epochs: impossible value 0"),
        ({"rows_per_pass": -1}, "rows_per_pass: impossible value -1"),
        ({"row_length": 100}, "row_length: impossible value 100; expected 0, or at least max_length, 4096"),
        ({"weight_decay": -0.1}, "weight_decay: impossible value -0.1"),
        ({"dtype": "float16"}, "dtype: impossible value 'float16'; expected float32 or bfloat16"),
        ({"offload": "optimizer"}, "offload: impossible value 'optimizer'; expected none where zero is 0"),
        ({"dtype": "bfloat16"}, "dtype: impossible value 'bfloat16'; expected float32 where zero is 0"),
        ({"lora_rank": 8, "zero": 3}, "zero: impossible value 3; expected at most 2 with lora_rank"),
        ({"lora_alpha": 0}, "lora_alpha: impossible value 0; expected a number over 0"),
        ({"packing": "yes"}, "packing: impossible value 'yes'; expected true or false"),
        ({"max_shard_size": "big"}, "max_shard_size: impossible value 'big'"),
    ],
    ids=str,
)
def test_an_impossible_setting_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.from_json(change)
    assert f"--settings: {message}" in str(caught.value)


def test_all_impossible_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.from_json({"lr": 0, "batch": 0, "clip": -1})
    assert [line.split(":")[1].strip() for line in str(caught.value).splitlines()] == ["lr", "batch", "clip"]
