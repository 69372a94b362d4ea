"""The local backend: greedy batches of a tiny model, tokens as in training, and what does not fit its context."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_model import make_checkpoint

from agentflan import backends, templates
from agentflan.backends._kept import Kept, Read
from agentflan.backends._rows import Row, batches
from agentflan.backends._sampling import pick
from agentflan.backends.transformers_local import LocalModel
from agentflan.benchmarks._protocol import COMMON_DEFAULTS, Request, Sampling
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


@contextmanager
def widths_read(model: LocalModel) -> Iterator[list[int]]:
    """How many tokens a row each pass of the model is given."""
    widths: list[int] = []
    hook = model.model.register_forward_pre_hook(
        lambda module, args, given: widths.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    yield widths
    hook.remove()


def going_on(request: Request, reply: str, observation: str) -> Request:
    if request.prompt:
        return replace(request, prompt=f"{request.prompt}{reply} {observation}")
    return replace(request, messages=(*request.messages, ("assistant", reply), ("user", observation)))


def test_a_conversation_that_goes_on_is_not_read_anew(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    requests = [replace(QUESTION, messages=(("user", "rain in Oslo " * count),)) for count in (1, 8, 4, 3, 2)]
    requests.append(Request(prompt="the rain in a town is", max_new_tokens=5))
    names, observations = list("abcdef"), ("4 mm", "go on, the rain?", "no </s> rain")

    for observation in observations:
        with widths_read(model) as widths:
            replies = model.generate(requests, names)
        assert replies == [model.generate([request])[0] for request in requests]
        again = model.generate(requests, names)  # what is known whole is read once more from its last token
        assert again == replies
        requests = [going_on(*pair, observation) for pair in zip(requests, replies, strict=True)]
        names.reverse()
        requests.reverse()

    assert max(widths) < min(reply.prompt_tokens for reply in replies)


def test_only_what_is_new_of_a_conversation_is_read(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    (reply,) = model.generate([QUESTION], ["a"])
    known = model.encode(QUESTION)
    longer = going_on(QUESTION, reply, "4 mm")
    other = replace(longer, messages=(("system", "be short"), *longer.messages[1:]))

    with widths_read(model) as after:
        model.generate([longer], ["a"])
    with widths_read(model) as changed:
        model.generate([other], ["a"])
    with widths_read(model) as unnamed:
        model.generate([longer])

    read, wanted = model.encode(longer), model.encode(other)
    same = next(place for place, pair in enumerate(zip(read, wanted, strict=False)) if pair[0] != pair[1])
    assert after[0] <= len(read) - len(known)
    assert changed[0] == len(wanted) - same < len(wanted)
    assert unnamed[0] == len(read)


def test_nothing_is_kept_for_long_or_without_room(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    small = LocalModel(Path(model.model.config.name_or_path), kept_gib=0)
    longer = going_on(QUESTION, model.generate([QUESTION], ["a"])[0], "4 mm")
    model.generate([QUESTION], ["b"])
    small.generate([QUESTION], ["a"])

    for one in (model, small):
        with widths_read(one) as widths:
            one.generate([longer], ["a"])
        assert widths[0] == len(model.encode(longer))


def test_room_is_given_in_order_and_none_twice() -> None:
    import torch

    def read(tokens: int) -> Read:
        return Read(range(tokens), [(torch.zeros(tokens, 1, 2), torch.zeros(tokens, 1, 2))])  # 16 bytes a token

    kept = Kept(limit=160)
    for name, tokens in (("a", 6), ("b", 5), ("c", 4)):
        kept.keep(name, read(tokens))

    prompt = list(range(20))
    assert [len(kept.known(name, prompt).tokens) for name in "abcd"] == [6, 0, 4, 0]
    assert [tensor.shape[0] for tensor in kept.known("a", [0, 1, 2, 9, 9]).layers[0]] == [3, 3]
    assert len(kept.known("a", [0, 1, 2]).tokens) == 2


def test_long_prompts_make_small_batches() -> None:
    def row(tokens: int) -> Row:
        return Row(Request(max_new_tokens=10), "", [1] * tokens, 0, Read(), (), 1000)

    rows = [row(tokens) for tokens in (300, 20, 30, 10, 500, 40, 1000)]
    sizes = [[len(row.new) for row in batch] for batch in batches(rows, most_rows=3, most_tokens=320)]

    assert rows[-1].done
    assert sizes == [[10, 20, 30], [40], [300], [500]]  # the last alone is over the limit, but there is no way round


def test_the_memory_of_a_batch_does_not_change_replies(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    config = model.model.config
    token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 4
    small = LocalModel(Path(config.name_or_path), cache_gib=60 * token / 2**30)
    requests = [replace(QUESTION, messages=(("user", "rain " * count),)) for count in (9, 2, 5, 7, 1, 3)]

    with widths_read(small) as widths:
        assert small.generate(requests) == model.generate(requests)
    assert len([width for width in widths if width > 1]) > 2


def test_a_prompt_that_may_be_cut_loses_its_beginning(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    long = Request(prompt="the rain in a town " * 200, max_new_tokens=8)
    whole, begin = model.encode(long), model.tokenizer.bos_token_id

    few, many = model.generate([replace(long, max_prompt_tokens=20), replace(long, max_prompt_tokens=10_000)])

    assert (few.prompt_tokens, few.cut_tokens, few.fault) == (20, len(whole) - 20, "")
    assert (many.prompt_tokens, many.reply_tokens) == (model.context - 8, 8)  # the reply keeps its room
    assert model.cut(whole, replace(long, max_prompt_tokens=20), 256) == [begin, *whole[-19:]]
    assert model.generate([replace(long, prompt="the rain", max_prompt_tokens=20)])[0].cut_tokens == 0


def test_drawn_tokens_depend_on_their_name_alone(local: tuple[LocalModel, str]) -> None:
    model, _ = local

    def drawn(seed: str, temperature: float = 5.0, top_p: float = 0.9) -> Request:
        return replace(QUESTION, sampling=Sampling(temperature, top_p, seed))

    together = model.generate([drawn("a"), drawn("b"), QUESTION, drawn("c", top_p=1e-6), drawn("d", temperature=1e-6)])

    assert together[:2] == [model.generate([drawn(seed)])[0] for seed in ("a", "b")]
    assert len(set(together[:3])) == 3
    assert together[2] == together[3] == together[4] == model.generate([QUESTION])[0]


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    import torch

    shares = torch.tensor([0.5, 0.05, 0.3, 0.15])
    logits = (2 * shares.log()).expand(2000, 4)  # at a temperature of 2 these are the shares
    rows = [
        Row(Request(sampling=Sampling(2.0, 0.9, str(number))), "", [1], 0, Read(), (), 10) for number in range(2000)
    ]

    counts = pick(logits, rows).bincount(minlength=4) / 2000

    assert counts[1] == 0  # the others have 0.95 together, over top_p
    assert counts.tolist() == pytest.approx([0.5 / 0.95, 0, 0.3 / 0.95, 0.15 / 0.95], abs=0.04)


def _without_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop(next(name for name in weights if "q_proj" in name))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def _config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def _template(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (_without_tensor, "1 missing keys, such as model.layers"),
        (_config(num_hidden_layers=7), "missing keys, such as model.layers"),
        (_config(num_hidden_layers=1), "unexpected keys, such as model.layers"),
        (_config(intermediate_size=24), "keys|cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("{}"), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x08"), "cannot be loaded"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "cannot be loaded"),
        (_template("{% for"), "no chat template that can be used"),
        (_template("{{ bos_token }}"), "leaves out what the user says"),
    ],
)
def test_a_damaged_checkpoint_is_never_played(damage: Callable[[Path], None], found: str, tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "tiny", "llama2")
    LocalModel(folder)
    damage(folder)

    with pytest.raises(FileError, match=rf"tiny: found .*{found}"):
        LocalModel(folder)
