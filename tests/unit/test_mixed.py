"""Mixed: draws are nested, shares are met, and the union of the drawn views bears the loss."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from agentflan.decomposed import keep_capability
from agentflan.errors import ConfigError
from agentflan.files import write_jsonl
from agentflan.mixed import VIEWS, Item, Mixture, choose, load, read_keys, tree
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Trajectory, Turn, to_json, turn_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decomposed corpus of 400 trajectories, 400 talks, 100 pairs and 40 negatives."""
    path = tmp_path_factory.mktemp("decomposed")
    turns = tuple(turn_of("assistant", [(view, view, False)]) for view in VIEWS)
    dialogues = [Trajectory(f"os_{number}", "os", (Turn("user", "q"), *turns), "chat") for number in range(400)]
    for view in VIEWS:
        write_jsonl(path / f"{view}.jsonl", (to_json(keep_capability(each, view)) for each in dialogues))
    talk = (Turn("user", "q"), Turn("assistant", "a", True))
    for stream, count, name in (("react", 400, "os"), ("cot", 400, "os"), ("instruction", 100, "os")):
        rows = [Trajectory(f"os_{number}", name, talk, stream) for number in range(count)]
        write_jsonl(path / f"{stream}.jsonl", map(to_json, rows))
    for stream, count in (("negative", 40), ("general", 600)):
        rows = [Trajectory(f"g_{number}", "sharegpt", talk, stream) for number in range(count)]
        write_jsonl(path / f"{stream}.jsonl", map(to_json, rows))
    return path


def _items(folder: Path, **settings: object) -> list[Item]:
    return choose(Mixture.from_json(settings), read_keys(folder))


def _views(items: list[Item], view: str) -> set[object]:
    return {item.key for item in items if view in item.views}


def test_smaller_weights_and_fractions_are_nested(folder: Path) -> None:
    low = _items(folder, weights={RETRIEVAL: 0.25}, fraction=0.5)
    high = _items(folder, weights={RETRIEVAL: 0.75})
    assert _views(low, RETRIEVAL) < _views(high, RETRIEVAL)
    assert len(_views(high, RETRIEVAL)) == pytest.approx(300, abs=40)
    quarters = [
        {item.key for item in _items(folder, fraction=part / 4) if item.stream == "chat"} for part in (1, 2, 3, 4)
    ]
    assert all(small < large for small, large in pairwise(quarters))


def test_shares_of_the_paper(folder: Path) -> None:
    weights = {REASONING: 1.0, RETRIEVAL: 0.25, UNDERSTANDING: 0.75}
    items = _items(folder, weights=weights, react_share=0.1, instruction=30, negative=True)
    streams = {stream: sum(item.stream == stream for item in items) for stream in ("chat", "react", "general")}
    assert streams["react"] == pytest.approx(40, abs=20)
    assert streams["chat"] + streams["react"] == 400
    assert sum(item.stream == "instruction" for item in items) == 30
    assert sum(item.stream == "negative" for item in items) == 40
    assert streams["general"] == 470


def test_loss_lies_on_the_union_of_the_views(folder: Path) -> None:
    weights = {REASONING: 0.5, RETRIEVAL: 0.5, UNDERSTANDING: 0.5}
    items = [item for item in _items(folder, weights=weights) if item.stream == "chat"]
    assert {item.views for item in items} >= {VIEWS, (REASONING, UNDERSTANDING), (RETRIEVAL,)}
    for item, trajectory in zip(items, load(items, folder), strict=True):
        trained = [turn.content for turn in trajectory.turns if turn.loss]
        assert trained == list(item.views)  # the fixture's turns say what they train
        assert all(turn.spans for turn in trajectory.turns if turn.loss)
        assert len(trajectory.turns) == 2 + VIEWS.index(item.views[-1])


def test_a_trajectory_without_any_view_is_left_out_and_counted(folder: Path) -> None:
    mixture = Mixture.from_json({"weights": {REASONING: 0, RETRIEVAL: 0.5, UNDERSTANDING: 0}})
    corpus = read_keys(folder)
    items = choose(mixture, corpus)
    printed, counts = tree("half", mixture, corpus, load(items, folder))
    kept = counts["streams"]["chat"]["os"]["samples"]
    assert counts["trajectories_without_loss"] == 400 - kept > 0
    assert "half" in printed and counts["fingerprint"] in printed


def test_order_is_fixed_and_mixes_the_streams(folder: Path) -> None:
    first, second = _items(folder, react_share=0.5), _items(folder, react_share=0.5)
    assert first == second
    assert len({item.stream for item in first[:40]}) == 3


def test_react_and_general_conditions(folder: Path) -> None:
    assert {item.stream for item in _items(folder, form="react")} == {"react", "general"}
    assert {item.stream for item in _items(folder, form="none")} == {"general"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wieghts": {}}, "unknown key 'wieghts'"),
        ({"weights": {"reasoning": 2}}, "weights.reasoning: found 2"),
        ({"react_share": 0.8, "cot_share": 0.3}, "react_share \\+ cot_share"),
        ({"form": "prose"}, "form: found 'prose'"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Mixture.from_json(settings)


def test_general_data_by_token(folder: Path) -> None:
    corpus = read_keys(folder)
    keys = {*corpus.trajectories, *corpus.general, *corpus.instruction, *corpus.negative}
    lengths = {key: 10 if key[0] == "os" else 20 for key in keys}
    items = choose(Mixture.from_json({"general": {"ratio": 1.0, "by": "token"}}), corpus, lengths)
    assert sum(item.stream == "general" for item in items) == 200
    with pytest.raises(ConfigError, match="lengths"):
        choose(Mixture.from_json({"general": {"by": "token"}}), corpus)
