"""The local backend: greedy batches of a tiny model, tokens as in training, and what does not fit its context."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_model import make_checkpoint

from agentflan import backends, templates
from agentflan.backends.transformers_local import LocalModel
from agentflan.benchmarks._protocol import COMMON_DEFAULTS, Request
from agentflan.errors import ConfigError, FileError
from agentflan.records import Trajectory, Turn

BENCHMARK = SimpleNamespace(NAME="b")
QUESTION = Request(messages=(("system", "be kind </s>"), ("user", "rain in </s> Oslo?")), max_new_tokens=6)


@pytest.fixture(scope="module", params=["llama2", "agent_flan"])
def local(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalModel, str]:
    folder = make_checkpoint(tmp_path_factory.mktemp("model") / request.param, request.param)
    return LocalModel(folder, rows=4), request.param


def test_backends_are_found_by_name() -> None:
    assert backends.names() == ["local", "openai", "oracle", "random", "vllm"]
    with pytest.raises(ConfigError, match="backend 'vlm': no such backend"):
        backends.load("vlm")


def test_a_prompt_is_tokenized_as_in_training(local: tuple[LocalModel, str]) -> None:
    model, template = local
    turns = (
        Turn("system", "be kind </s>"),
        Turn("user", "rain?"),
        Turn("assistant", "4 mm <s>", True),
        Turn("user", "</s> Oslo?"),
    )
    messages = tuple((turn.role, turn.content) for turn in turns)
    reply = Turn("assistant", "the rain", True)
    trained = templates.encode(Trajectory("t", "d", (*turns, reply)), model.tokenizer, template).input_ids

    given = model.encode(Request(messages=messages))

    assert trained[: len(given)] == given
    assert len(given) < len(trained)


def test_text_never_becomes_a_special_token(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    end = model.tokenizer.eos_token_id

    assert end not in model.encode(QUESTION)
    assert end not in model.encode(Request(prompt="a </s> b"))
    assert model.encode(Request(prompt="a"))[0] == model.tokenizer.bos_token_id


def test_batches_do_not_change_replies(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    requests = [
        replace(QUESTION, messages=(("user", "rain " * count),), max_new_tokens=count) for count in (9, 2, 5, 7, 1, 3)
    ]

    together = model.generate(requests)

    assert together == [model.generate([request])[0] for request in requests]
    assert len(set(together)) > 1


def test_replies_are_those_of_generate(local: tuple[LocalModel, str]) -> None:
    import torch

    model, _ = local
    ids = torch.tensor([model.encode(QUESTION)])
    output = model.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False, pad_token_id=0
    )
    expected = model.tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)

    assert model.generate([QUESTION]) == [backends.cut(expected, model.stops(QUESTION)).strip()]


def test_a_reply_is_cut_at_the_first_stop_string(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    raw = Request(prompt="the rain", max_new_tokens=20)
    whole = model.generate([raw])[0]
    stop = whole[3:5]

    assert model.generate([replace(raw, stop=("never there", stop))]) == [whole[: whole.index(stop)]]


def test_a_prefix_is_given_to_the_model_and_not_returned(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    begun = replace(QUESTION, prefix="Thought: go")

    assert model.tokenizer.decode(model.encode(begun)).endswith("Thought: go")
    assert not model.generate([begun])[0].startswith("Thought")


def test_a_folder_without_a_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no config\.json"):
        backends.load("local").start(str(tmp_path), BENCHMARK, COMMON_DEFAULTS)


def test_a_prompt_that_fills_the_context_is_marked_and_not_cut(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    long = replace(QUESTION, messages=(("user", "rain " * 300),))

    replies = model.generate([QUESTION, long])

    assert [reply.fault for reply in replies] == ["", "context_limit"]
    assert (replies[1], replies[1].prompt_tokens) == ("", len(model.encode(long)))
    assert len(model.encode(long)) >= model.context == 256
    assert replies[0] == model.generate([QUESTION])[0]


def test_a_reply_that_the_context_cuts_off_is_marked(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    filler = next(count for count in range(1, 300) if len(model.encode(Request(prompt="rain " * count))) > 250)
    request = Request(prompt="rain " * filler, max_new_tokens=20)
    room = model.context - len(model.encode(request))

    reply, whole = model.generate([request, replace(request, max_new_tokens=room)])

    assert (str(reply), reply.fault, reply.reply_tokens) == (str(whole), "context_limit", room)
    assert whole.fault == ""


def test_a_choice_is_the_likeliest_of_the_texts(local: tuple[LocalModel, str]) -> None:
    import torch

    model, _ = local
    choices = (" rain", " go on", " mm", "x")
    prompts = [Request(prompt=f"the {text}", choices=choices) for text in ("rain", "rain in a town", "12", "go " * 30)]
    requests = [*prompts, replace(QUESTION, choices=choices), QUESTION]

    replies = model.generate(requests)

    for request, reply in zip(requests[:-1], replies, strict=False):
        scores = []
        for tokens in model.encode_choices(request):
            with torch.inference_mode():
                logits = model.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
            scores.append(sum(logits[place - 1, token].item() for place, token in enumerate(tokens) if place))
        assert reply == choices[scores.index(max(scores))]
    assert replies[-1] == model.generate([QUESTION])[0]
    assert len(set(replies[:-1])) > 1


def test_choices_behind_a_prompt_that_is_too_long_lose_its_beginning(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    long = Request(prompt="the rain in a town " * 200, choices=(" a", " b"))
    reply = model.generate([long])[0]

    assert reply in long.choices
    assert (reply.fault, reply.prompt_tokens) == ("", model.context - 1)  # " b" is of two tokens
    (shorter,) = model.generate([replace(long, max_prompt_tokens=16)])
    assert shorter.prompt_tokens == 16
