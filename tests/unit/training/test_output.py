"""The checkpoint's folder: it loads as it is, it stops where a turn ends, its card says what it was made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentflan import templates
from agentflan.cli import main
from agentflan.files import read_json, sha256_of, write_json
from agentflan.training.checkpoint import generation_config, padding_id

Train = Callable[..., Path]


@pytest.fixture
def tokenizer(corpus: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(corpus / "t")


def test_a_checkpoint_loads_and_answers_as_it_is(train: Train) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = train("as_it_is")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template == templates.source("llama2")
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id
    assert model.generation_config.do_sample is False
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "say w1"}], return_tensors="pt", return_dict=True)
    reply = model.generate(**ids, max_new_tokens=5)
    assert 1 <= reply.shape[1] - ids["input_ids"].shape[1] <= 5


def test_weights_are_cut_into_shards(train: Train) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    whole, cut = train("whole"), train("cut", max_shard_size="40KB")
    shards = sorted(cut.glob("model-*.safetensors"))
    assert len(shards) > 1 and (cut / "model.safetensors.index.json").is_file()
    assert not list(cut.glob("*.bin"))
    loaded = AutoModelForCausalLM.from_pretrained(cut).state_dict()
    for name, tensor in load_file(whole / "model.safetensors").items():
        assert tensor.equal(loaded[name]), name


def test_the_end_of_a_turn_stops_a_reply(tokenizer: Any) -> None:
    assert templates.end_sign("llama2", "<s>", "</s>") == "</s>"
    assert templates.end_sign("agent_flan", "<s>", "</s>") == "ി"
    assert generation_config(tokenizer, "llama2").eos_token_id == tokenizer.eos_token_id
    sign = tokenizer.backend_tokenizer.encode("ി", add_special_tokens=False).ids
    assert len(sign) > 1  # bytes: this tokenizer has no token of it
    found = generation_config(tokenizer, "agent_flan")
    assert (found.eos_token_id, found.stop_strings) == (tokenizer.eos_token_id, ["ി"])
    tokenizer.add_tokens(["ി"])
    found = generation_config(tokenizer, "agent_flan")
    assert (found.eos_token_id, found.stop_strings) == ([len(tokenizer) - 1, tokenizer.eos_token_id], None)


def test_without_a_padding_token_the_end_pads(tokenizer: Any) -> None:
    tokenizer.pad_token = "<unk>"
    assert padding_id(tokenizer) == tokenizer.unk_token_id
    tokenizer.pad_token = None
    assert padding_id(tokenizer) == tokenizer.eos_token_id


def test_the_card_tells_condition_hashes_recipe_and_versions(corpus: Path, train: Train, command: Any) -> None:
    base = train("base")
    data = corpus / "data.jsonl"
    write_json(corpus / "record.json", {"condition": "toy", "settings": {"fraction": 0.5}, "sha256": sha256_of(data)})
    line = command("tuned", "--record", str(corpus / "record.json"))
    place = line.index("--from-scratch")
    line[place : place + 4] = ["--model", str(base)]
    assert main(line) == 0
    card = (corpus / "tuned" / "README.md").read_text()
    assert "Condition: toy; chat template: llama2" in card
    assert f"| `{data}` | `{sha256_of(data)}` |" in card
    assert f"| `model.safetensors` | `{sha256_of(base / 'model.safetensors')}` |" in card
    assert "`throughput/tuned.json`" in card and '"fraction": 0.5' in card
    assert '"lr": 0.001' in card and '"torch": ' in card and '"conversations": 12' in card
    assert "none: trained from scratch" in (base / "README.md").read_text()


def test_a_mixture_has_its_hash_on_record(tmp_path: Path) -> None:
    from agentflan.files import write_jsonl
    from agentflan.mixed import FILES

    (tmp_path / "decomposed").mkdir()
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi", "loss": True}]
    for name in FILES:
        rows = [{"id": "1", "dataset": "sharegpt", "stream": "general", "turns": turns}] if name == "general" else []
        write_jsonl(tmp_path / "decomposed" / f"{name}.jsonl", rows)
    condition = json.dumps({"form": "none"})
    arguments = ["--condition", condition, "--decomposed", str(tmp_path / "decomposed")]
    out = [f"--{name}={tmp_path / name}" for name in ("out", "tree", "counts")]
    assert main(["mix_training_set", *arguments, *out]) == 0
    assert read_json(tmp_path / "counts")["sha256"] == sha256_of(tmp_path / "out")


def test_the_card_names_no_hidden_file_of_the_base_model(train: Train, command: Callable[..., list[str]]) -> None:
    base = train("marked")
    (base / ".snakemake_timestamp").touch()  # Snakemake's, in a folder that a rule made; a copy has none
    line = command("from_marked")
    assert main(["train_checkpoint", "--model", str(base), *line[5:]]) == 0
    card = (Path(line[line.index("--out") + 1]) / "README.md").read_text()
    assert "model.safetensors" in card and ".snakemake_timestamp" not in card
