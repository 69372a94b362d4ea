"""Our side of the vLLM backend, on an engine of the same calls in whose place a tiny model writes."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_model import make_checkpoint

from agentflan import backends
from agentflan.backends._history import History
from agentflan.backends.transformers_local import LocalModel
from agentflan.backends.vllm_local import VllmModel, _parts
from agentflan.benchmarks._protocol import COMMON_DEFAULTS, Request
from agentflan.errors import FileError, NotAvailable

CHAT = Request(messages=(("system", "be kind"), ("user", "rain in Oslo?")), max_new_tokens=6)


@dataclass
class SamplingParams:
    """As vLLM's: only these fields are set by us."""

    temperature: float
    max_tokens: int
    top_p: float = 1.0
    seed: int | None = None
    stop: list[str] | None = None
    stop_token_ids: list[int] = field(default_factory=list)
    allowed_token_ids: list[int] | None = None


class Engine:
    """vLLM's ``LLM``: prompts of token ids, one `SamplingParams` each, outputs in order.

    Attributes:
        local: what writes.
        last: the engine that was made last.
        asked: all prompts and parameters.
    """

    local: LocalModel
    last: Engine

    def __init__(self, model: str, **options: Any) -> None:
        self.options, self.asked = options, []
        Engine.last = self

    def generate(self, prompts: list[dict[str, list[int]]], parameters: list[Any], use_tqdm: bool) -> list[Any]:
        rows = [(prompt["prompt_token_ids"], one) for prompt, one in zip(prompts, parameters, strict=True)]
        self.asked += rows
        return [SimpleNamespace(outputs=[self._write(*row)]) for row in rows]

    def _write(self, prompt: list[int], parameters: SamplingParams) -> Any:
        import torch

        ids = torch.tensor([prompt])
        if parameters.allowed_token_ids:
            logits = self.local.model(input_ids=ids).logits[0, -1, parameters.allowed_token_ids]
            return SimpleNamespace(token_ids=[parameters.allowed_token_ids[int(logits.argmax())]])
        limit, ends = parameters.max_tokens, parameters.stop_token_ids
        whole = self.local.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False, pad_token_id=0,
            eos_token_id=ends,
        )  # fmt: skip
        tokens = whole[0, len(prompt) :].tolist()  # like vLLM's, they end with the sign that ended them
        for count in range(1, len(tokens) + 1):
            if any(stop in self.local.decode(tokens[:count]) for stop in parameters.stop or []):
                return SimpleNamespace(token_ids=tokens[:count], finish_reason="stop")
        return SimpleNamespace(token_ids=tokens, finish_reason="stop" if tokens[-1] in ends else "length")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("model") / "tiny", "agent_flan")


@pytest.fixture
def served(folder: Path, local: LocalModel, monkeypatch: pytest.MonkeyPatch) -> VllmModel:
    import torch

    monkeypatch.setattr(Engine, "local", local, raising=False)
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=Engine, SamplingParams=SamplingParams))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    return VllmModel(folder)


@pytest.fixture(scope="module")
def local(folder: Path) -> LocalModel:
    return LocalModel(folder)


def test_the_engine_caches_prefixes_and_is_greedy(served: VllmModel) -> None:
    served.generate([replace(CHAT, stop=("\n",))])
    engine = Engine.last
    prompt, parameters = engine.asked[0]

    assert engine.options["enable_prefix_caching"] and engine.options["dtype"] == "bfloat16"
    assert (parameters.temperature, parameters.max_tokens) == (0, 6)
    assert parameters.stop[0] == "\n" and served.tokenizer.eos_token_id in parameters.stop_token_ids
    assert prompt == served.encode(CHAT)


def test_replies_are_those_of_the_local_backend(served: VllmModel, local: LocalModel) -> None:
    stop = str(local.generate([CHAT])[0])[2:4]
    long = replace(CHAT, messages=(("user", "rain " * 300),))
    filler = next(count for count in range(1, 300) if len(local.encode(Request(prompt="rain " * count))) > 250)
    requests = [
        CHAT,
        replace(CHAT, max_new_tokens=20),
        replace(CHAT, stop=(stop,)),
        replace(CHAT, prefix="Thought:"),
        Request(prompt="the rain", max_new_tokens=9),
        long,
        Request(prompt="rain " * filler, max_new_tokens=20),
    ]

    ours, theirs = local.generate(requests), served.generate(requests)

    assert theirs == ours
    assert [reply.fault for reply in theirs] == [reply.fault for reply in ours]
    assert [reply.fault for reply in theirs][-2:] == ["context_limit", "context_limit"]
    assert [reply.prompt_tokens for reply in theirs] == [reply.prompt_tokens for reply in ours]


def test_choices_are_those_of_the_local_backend(served: VllmModel, local: LocalModel) -> None:
    """Where they differ in one token; the engine cannot weigh longer ones, and replies freely."""
    letters = [
        Request(prompt=f"the rain {word}\nAnswer:", choices=(" 1", " 2", " m")) for word in ("in", "town", "go", "on")
    ]
    long = Request(prompt="rain " * 300 + "Answer:", choices=(" 1", " 2", " m"))
    words = Request(prompt="the rain", choices=("in a town", "Thought: go on"), max_new_tokens=5)

    asked = [*letters, CHAT, long]
    assert served.generate(asked) == local.generate(asked)
    assert served.generate([words]) == local.generate([replace(words, choices=())])


def test_a_later_turn_begins_with_the_tokens_of_the_earlier_one(served: VllmModel) -> None:
    turns = CHAT.messages
    for question in ("and in Bergen?", "and here?"):
        reply = served.generate([replace(CHAT, messages=turns)])[0]
        turns = (*turns, ("assistant", str(reply)), ("user", question))
    served.generate([replace(CHAT, messages=turns)])
    first, second, third = (prompt for prompt, _ in Engine.last.asked)

    assert second[: len(first)] == first
    assert third[: len(second)] == second


def test_history_repeats_what_was_written_and_not_what_the_text_would_be_read_as(local: LocalModel) -> None:
    history = History(local)
    prompt = history.encode(CHAT)
    usual = local.tokenizer.encode("rain", add_special_tokens=False)
    letters = [token for letter in "rain" for token in local.tokenizer.encode(letter, add_special_tokens=False)]
    assert usual != letters and local.decode(letters) == "rain"

    history.keep(CHAT, prompt, letters, "rain")
    later = replace(CHAT, messages=(*CHAT.messages, ("assistant", "rain"), ("user", "sure?")))

    assert history.encode(later)[: len(prompt) + 4] == prompt + letters
    assert local.decode(history.encode(later)) == local.decode(local.encode(later))


def test_a_reply_that_was_cut_is_read_anew(local: LocalModel) -> None:
    history = History(local)
    written = local.tokenizer.encode("rain in a town", add_special_tokens=False)
    history.keep(CHAT, history.encode(CHAT), written, "rain in")
    later = replace(CHAT, messages=(*CHAT.messages, ("assistant", "rain in"), ("user", "sure?")))

    assert history.encode(later) == local.encode(later)


def test_what_is_missing_is_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vllm, benchmark = backends.load("vllm"), SimpleNamespace(NAME="b")
    with pytest.raises(FileError, match=r"no config\.json"):
        vllm.start(str(tmp_path), benchmark, COMMON_DEFAULTS)
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(NotAvailable, match="needs the package vllm"):
        vllm.start(str(folder), benchmark, COMMON_DEFAULTS)
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=Engine, SamplingParams=SamplingParams))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(NotAvailable, match="needs a GPU"):
        vllm.start(str(folder), benchmark, COMMON_DEFAULTS)


@pytest.mark.parametrize(("heads", "gpus", "parts"), [(32, 8, 8), (32, 3, 2), (40, 8, 8), (2, 8, 2), (32, 1, 1)])
def test_heads_are_shared_evenly(heads: int, gpus: int, parts: int) -> None:
    assert _parts(heads, gpus) == parts
