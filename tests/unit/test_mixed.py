"""Mixed: draws are nested, shares are met, and the union of the drawn views bears the loss."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from agentflan.decomposed import keep_capability
from agentflan.errors import ConfigError, FileError, RecordError
from agentflan.files import write_jsonl
from agentflan.mixed import FILES, Item, Summary, choose, load, read_corpus
from agentflan.mixture import VIEWS, Mixture
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Trajectory, Turn, to_json, turn_of

STEP = tuple(turn for view in VIEWS for turn in (Turn("user", "q"), turn_of("assistant", [(view, view, False)])))
DIALOGUES = [Trajectory(f"os_{number}", "os", STEP + STEP, "chat") for number in range(400)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decomposed corpus of 400 trajectories, 600 talks, 100 pairs and 40 negatives."""
    path = tmp_path_factory.mktemp("decomposed")
    for view in VIEWS:
        write_jsonl(path / f"{view}.jsonl", [to_json(keep_capability(dialogue, view)) for dialogue in DIALOGUES])
    talk = (Turn("user", "q"), Turn("assistant", "a", True))
    for stream, count, name in (("react", 400, "os"), ("cot", 400, "os"), ("instruction", 100, "os")):
        rows = [Trajectory(f"os_{number}", name, talk, stream) for number in range(count)]
        write_jsonl(path / f"{stream}.jsonl", map(to_json, rows))
    for stream, count in (("negative", 40), ("general", 600)):
        rows = [Trajectory(f"g_{number}", "sharegpt", talk, stream) for number in range(count)]
        write_jsonl(path / f"{stream}.jsonl", map(to_json, rows))
    return path


def _items(folder: Path, **settings: object) -> list[Item]:
    return choose(Mixture.from_json(settings), read_corpus(folder)).items


def _views(items: list[Item], view: str) -> set[object]:
    return {item.key for item in items if view in item.views}


def _of(items: list[Item], stream: str) -> list[Item]:
    return [item for item in items if item.stream == stream]


def test_smaller_weights_and_fractions_are_nested(folder: Path) -> None:
    low = _items(folder, weights={RETRIEVAL: 0.25}, fraction=0.5)
    high = _items(folder, weights={RETRIEVAL: 0.75})
    assert _views(low, RETRIEVAL) < _views(high, RETRIEVAL)
    assert len(_views(high, RETRIEVAL)) == pytest.approx(300, abs=40)
    settings = {"instruction": 60, "negative": True}
    quarters = [_items(folder, fraction=part / 4, **settings) for part in (1, 2, 3, 4)]
    for stream in ("chat", "instruction", "negative", "general"):
        assert all(set(_of(small, stream)) < set(_of(large, stream)) for small, large in pairwise(quarters))


def test_shares_of_the_paper(folder: Path) -> None:
    weights = {REASONING: 1.0, RETRIEVAL: 0.25, UNDERSTANDING: 0.75}
    items = _items(folder, weights=weights, react_share=0.1, instruction=30, negative=True)
    assert len(_of(items, "react")) == pytest.approx(40, abs=20)
    assert len(_of(items, "chat")) + len(_of(items, "react")) == 400
    assert [len(_of(items, stream)) for stream in ("instruction", "negative", "general")] == [30, 40, 470]


@pytest.mark.parametrize(("amount", "count"), [(30, 30), (1.0, 100), (0.5, 50), (1, 1), (5000, 100)])
def test_instruction_pairs_are_a_count_or_a_share(folder: Path, amount: float, count: int) -> None:
    assert len(_of(_items(folder, instruction=amount), "instruction")) == count


@pytest.mark.parametrize(("amount", "count"), [(True, 40), (False, 0), (7, 7)])
def test_negatives_are_all_none_or_a_count(folder: Path, amount: bool | int, count: int) -> None:
    assert len(_of(_items(folder, negative=amount), "negative")) == count


def test_all_views_together_are_the_dialogue_itself(folder: Path) -> None:
    items = _of(_items(folder), "chat")
    whole = {dialogue.id: dialogue for dialogue in DIALOGUES}
    merged = list(load(items, read_corpus(folder)))
    assert len(merged) == 400
    assert all(trajectory == whole[trajectory.id] for trajectory in merged)


def test_loss_lies_on_the_union_of_the_views(folder: Path) -> None:
    items = _of(_items(folder, weights={REASONING: 0.5, RETRIEVAL: 0.5, UNDERSTANDING: 0.5}), "chat")
    assert {len(item.views) for item in items} == {1, 2, 3}
    for item, trajectory in zip(items, load(items, read_corpus(folder)), strict=True):
        trained = [span.capability for turn in trajectory.turns if turn.loss for span in turn.spans]
        assert trained == [view for view in VIEWS if view in item.views] * 2


def test_a_trajectory_without_any_view_is_left_out_and_counted(folder: Path) -> None:
    mixture = Mixture.from_json({"weights": {REASONING: 0, RETRIEVAL: 0.5, UNDERSTANDING: 0}, "fraction": 0.5})
    corpus = read_corpus(folder)
    choice = choose(mixture, corpus)
    summary = Summary("half", mixture, choice)
    streams = {trajectory.stream for trajectory in summary.watch(load(choice.items, corpus))}
    assert streams == {"chat", "general"}
    counts = summary.to_json()
    kept = counts["streams"]["chat"]["os"]["samples"]
    assert 400 - kept == sum(counts["left_out"].values()) and counts["left_out"]["no capability drawn"] > 50
    assert counts["dialogues_by_capability"] == {REASONING: 0, RETRIEVAL: kept, UNDERSTANDING: 0}
    assert counts["streams"]["chat"]["os"]["loss_turns"] == 2 * kept
    assert "half" in summary.tree() and counts["fingerprint"] in summary.tree()


def test_order_is_fixed_and_mixes_the_streams(folder: Path) -> None:
    first, second = _items(folder, react_share=0.5), _items(folder, react_share=0.5)
    assert first == second
    assert len({item.stream for item in first[:40]}) == 3
    assert first != _items(folder, react_share=0.5, seed=1)


def test_react_and_general_conditions(folder: Path) -> None:
    assert {item.stream for item in _items(folder, form="react")} == {"react", "general"}
    assert {item.stream for item in _items(folder, form="none")} == {"general"}


def test_general_data_scales_along_unless_told_not_to(folder: Path) -> None:
    half = _items(folder, fraction=0.5)
    assert len(_of(half, "general")) == len(_of(half, "chat")) < 300
    assert len(_of(_items(folder, fraction=0.5, scale_general=False), "general")) == 400


def test_general_data_by_token(folder: Path) -> None:
    def measure(items: list[Item]) -> list[int]:
        return [20 if item.stream == "general" else 10 for item in items]

    mixture = Mixture.from_json({"general": {"ratio": 1.0, "by": "token"}})
    assert len(_of(choose(mixture, read_corpus(folder), measure).items, "general")) == 200
    with pytest.raises(ConfigError, match="--tokenizer"):
        choose(mixture, read_corpus(folder))


def test_a_dataset_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no trajectories of 'kg'; there are: os"):
        _items(folder, datasets=["os", "kg"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id":"a"}', r"general.jsonl: record 2.*JSON object with id and dataset"),
        ('{"dataset":"d","id":"x"}', r"general.jsonl: record 2, field id: found 'x' a second time"),
    ],
)
def test_broken_corpora_are_named(tmp_path: Path, line: str, message: str) -> None:
    for name in FILES:
        (tmp_path / f"{name}.jsonl").write_text('{"id":"x","dataset":"d"}\n')
    (tmp_path / "general.jsonl").write_text('{"id":"x","dataset":"d"}\n' + line + "\n")
    with pytest.raises(RecordError, match=message):
        read_corpus(tmp_path)
    (tmp_path / "general.jsonl").unlink()
    with pytest.raises(FileError, match=r"general.jsonl: found no such file"):
        read_corpus(tmp_path)


def test_ids_with_quotes_and_other_scripts_are_found(folder: Path, tmp_path: Path) -> None:
    talk = Trajectory('Step 1: say "ż\\"\n', "d", (Turn("user", "q"), Turn("assistant", "a", True)), "general")
    for name in FILES:
        write_jsonl(tmp_path / f"{name}.jsonl", [to_json(talk)] if name == "general" else [])
    corpus = read_corpus(tmp_path)
    assert list(load([Item("general", ("d", talk.id))], corpus)) == [talk]
