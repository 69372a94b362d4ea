"""Mixed: the training set of a condition, drawn from the decomposed corpus (paper §4.2, Table 2, App. A).

Trajectories are ranked by a hash of their names. A share goes in ReAct form, a share as thought-and-call, the rest as
dialogue. In a dialogue each capability is trained with the probability that is its weight; the views that were drawn of
one trajectory are merged into one conversation whose loss lies on the union of their turns. Draws are nested: a larger
weight or fraction holds everything that a smaller one does.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from agentflan.errors import ConfigError, FileError, RecordError
from agentflan.mixture import VIEWS, Mixture
from agentflan.randomness import unit
from agentflan.records import Trajectory, from_json

FILES = (*VIEWS, "react", "cot", "instruction", "negative", "general")  # of the decomposed corpus

Key = tuple[str, str]  # dataset, id
_HEAD = re.compile(rb'\{\s*"id":\s*("(?:[^"\\]|\\.)*"),\s*"dataset":\s*("(?:[^"\\]|\\.)*")')


class Item(NamedTuple):
    """One conversation of the mixture, before its text is read."""

    stream: str
    key: Key
    views: tuple[str, ...] = ()  # capabilities that bear loss, in the chat stream


@dataclass(frozen=True)
class Corpus:
    """Where each conversation of the decomposed corpus stands; the texts stay on disk."""

    folder: Path
    places: dict[str, dict[Key, int]]  # file (one of `FILES`) → key → byte offset of the line

    @property
    def trajectories(self) -> list[Key]:
        """The agent trajectories, each of which has a ReAct form."""
        return list(self.places["react"])


class Choice(NamedTuple):
    """What a mixture holds, in training order, and how many trajectories were left out for which reason."""

    items: list[Item]
    left_out: dict[str, int]


Measure = Callable[[list[Item]], list[int]]  # tokens of each item


def read_corpus(folder: Path) -> Corpus:
    """Find the conversations of all files of `decomposed/`.

    Raises:
        FileError: a file is missing.
        RecordError: a line has no id and dataset, or two have the same.
    """
    return Corpus(folder, {name: _places(folder / f"{name}.jsonl") for name in FILES})


def choose(mixture: Mixture, corpus: Corpus, measure: Measure | None = None) -> Choice:
    """Draw a mixture.

    Args:
        mixture: the condition.
        corpus: the decomposed corpus.
        measure: counts tokens, needed where general conversation is measured by token.

    Raises:
        ConfigError: a dataset that the corpus does not hold, or nothing that counts tokens.
    """
    agent, left_out = _agent_part(mixture, corpus)
    base = agent if mixture.scale_general else _agent_part(replace(mixture, fraction=1.0), corpus)[0]
    items = agent + _general_part(mixture, corpus, base, measure)
    return Choice(sorted(items, key=lambda item: (unit("order", mixture.seed, item.stream, *item.key), item)), left_out)


def load(items: Iterable[Item], corpus: Corpus) -> Iterator[Trajectory]:
    """Read the conversations of a mixture in its order, one at a time."""
    with ExitStack() as stack:
        files = {name: stack.enter_context((corpus.folder / f"{name}.jsonl").open("rb")) for name in FILES}
        for item in items:
            names = item.views if item.stream == "chat" else (item.stream,)
            views = [_read(files[name], corpus.places[name].get(item.key), item.key) for name in names]
            yield replace(_merged(views), stream=item.stream)


class Summary:
    """Counts of a mixture, taken while its conversations pass by."""

    def __init__(self, name: str, mixture: Mixture, choice: Choice) -> None:
        self.name, self.mixture, self.left_out = name, mixture, choice.left_out
        self.views = {view: sum(view in item.views for item in choice.items) for view in VIEWS}
        self.counts: dict[tuple[str, str], Counter[str]] = {}
        self.digest = hashlib.sha256()

    def watch(self, conversations: Iterable[Trajectory]) -> Iterator[Trajectory]:
        """Count conversations and hand them on."""
        for conversation in conversations:
            name = f"{conversation.stream}\0{conversation.dataset}\0{conversation.id}\0"
            self.digest.update(name.encode())
            loss_turns = sum(turn.loss for turn in conversation.turns)
            part = self.counts.setdefault((conversation.stream, conversation.dataset), Counter())
            part.update(samples=1, turns=len(conversation.turns), loss_turns=loss_turns)
            yield conversation

    def to_json(self) -> dict[str, Any]:
        """Conversations, turns and turns with loss by stream and dataset; what was left out; a digest of the ids."""
        streams: dict[str, dict[str, dict[str, int]]] = {}
        for (stream, dataset), part in sorted(self.counts.items()):
            streams.setdefault(stream, {})[dataset] = dict(part)
        return {
            "condition": self.name,
            "total": _sum(self.counts.values()),
            "streams": streams,
            "dialogues_by_capability": self.views,
            "left_out": self.left_out,
            "settings": self.mixture.__dict__,
            "fingerprint": self.digest.hexdigest(),
        }

    def tree(self) -> str:
        """The same to be printed."""
        counts = self.to_json()
        lines = [f"{'':32}{'samples':>9}{'turns':>11}{'with loss':>11}", _line(0, self.name, counts["total"])]
        for stream, datasets in counts["streams"].items():
            lines.append(_line(1, stream, _sum(datasets.values())))
            lines += [_line(2, dataset, part) for dataset, part in datasets.items()]
        lines.append(f"dialogues that train each capability: {_listed(self.views)}")
        lines.append(f"trajectories left out: {_listed(self.left_out)}")
        lines.append(f"settings: {json.dumps(counts['settings'], sort_keys=True, ensure_ascii=False)}")
        lines.append(f"fingerprint of the ids in order: {counts['fingerprint']}")
        return "\n".join(lines) + "\n"


def _places(path: Path) -> dict[Key, int]:
    """The offset of each line, by its dataset and id, which stand first in it: the rest is not parsed."""
    places: dict[Key, int] = {}
    offset = 0
    try:
        handle = path.open("rb")
    except FileNotFoundError:
        raise FileError(path, "no such file", "a file of the decomposed corpus") from None
    with handle:
        for number, line in enumerate(handle, 1):
            key = _key(line, path, number)
            if key in places:
                raise RecordError(path, number, "id", f"{key[1]!r} a second time", f"one record of {key[0]} an id")
            places[key] = offset
            offset += len(line)
    return places


def _key(line: bytes, path: Path, number: int) -> Key:
    head = _HEAD.match(line)
    try:
        row = {"id": orjson.loads(head[1]), "dataset": orjson.loads(head[2])} if head else orjson.loads(line)
        return row["dataset"], row["id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise RecordError(path, number, "", repr(line[:60]), "a JSON object with id and dataset") from None


def _read(handle: IO[bytes], offset: int | None, key: Key) -> Trajectory:
    if offset is None:
        raise RecordError(handle.name, key[1], "", "no such record", "every trajectory of react.jsonl")
    handle.seek(offset)
    place = f"at byte {offset}"
    try:
        return from_json(orjson.loads(handle.readline()), handle.name, place)
    except orjson.JSONDecodeError as error:
        raise RecordError(handle.name, place, "", f"a line that is not JSON ({error})", "one JSON object") from None


def _agent_part(mixture: Mixture, corpus: Corpus) -> tuple[list[Item], dict[str, int]]:
    if mixture.form == "none":
        return [], {}
    wanted = _wanted_datasets(mixture, corpus)
    left_out = Counter({"other datasets": 0, "outside the fraction": 0, "no capability drawn": 0})
    items = []
    for key in corpus.trajectories:
        if key[0] not in wanted:
            left_out["other datasets"] += 1
        elif _draw(mixture, "fraction", key) >= mixture.fraction:
            left_out["outside the fraction"] += 1
        elif (item := _trajectory_item(mixture, key, corpus)).stream == "chat" and not item.views:
            left_out["no capability drawn"] += 1
        else:
            items.append(item)
    pairs = [key for key in corpus.places["instruction"] if key[0] in wanted]
    items += [Item("instruction", key) for key in _first(mixture, "instruction", pairs, mixture.instruction)]
    amount = float(mixture.negative) if isinstance(mixture.negative, bool) else mixture.negative
    negatives = _first(mixture, "negative", corpus.places["negative"], amount)
    return items + [Item("negative", key) for key in negatives], dict(left_out)


def _wanted_datasets(mixture: Mixture, corpus: Corpus) -> set[str]:
    known = {dataset for dataset, _ in corpus.trajectories}
    missing = sorted(set(mixture.datasets or ()) - known)
    if missing:
        there = ", ".join(sorted(known))
        raise ConfigError([f"condition: datasets: no trajectories of {name!r}; there are: {there}" for name in missing])
    return set(mixture.datasets or known)


def _trajectory_item(mixture: Mixture, key: Key, corpus: Corpus) -> Item:
    draw = _draw(mixture, "form", key)
    if mixture.form == "react" or draw < mixture.react_share:
        return Item("react", key)
    if draw < mixture.react_share + mixture.cot_share:
        return Item("cot", key)
    views = (view for view in VIEWS if key in corpus.places[view])
    return Item("chat", key, tuple(view for view in views if _draw(mixture, view, key) < mixture.weights[view]))


def _first(mixture: Mixture, purpose: str, keys: Iterable[Key], amount: float) -> list[Key]:
    """The first keys by rank: a count if the amount is an integer, else a share of them; then the fraction."""
    ranked = _ranked(mixture, purpose, keys)
    count = min(amount, len(ranked)) if isinstance(amount, int) else amount * len(ranked)
    return ranked[: round(count * mixture.fraction)]


def _general_part(mixture: Mixture, corpus: Corpus, agent: list[Item], measure: Measure | None) -> list[Item]:
    """General conversations: `ratio` for each of the agent part, by sample or by token; all of them without one."""
    ranked = [Item("general", key) for key in _ranked(mixture, "general", corpus.places["general"])]
    ratio = mixture.general["ratio"]
    if mixture.form == "none":
        return ranked
    if mixture.general["by"] == "sample":
        return ranked[: round(ratio * len(agent))]
    if measure is None:
        raise ConfigError(["condition: general.by: token needs something that counts tokens (--tokenizer)"])
    room = ratio * sum(measure(agent))
    for count, tokens in enumerate(measure(ranked)):
        room -= tokens
        if room < 0:
            return ranked[:count]
    return ranked


def _ranked(mixture: Mixture, purpose: str, keys: Iterable[Key]) -> list[Key]:
    return sorted(keys, key=lambda key: (_draw(mixture, purpose, key), key))


def _draw(mixture: Mixture, purpose: str, key: Key) -> float:
    return unit("mixture", mixture.seed, purpose, *key)


def _merged(views: list[Trajectory]) -> Trajectory:
    """One conversation with the loss of all views; each ends after its last turn with loss, so the longest is base."""
    longest = max(views, key=lambda view: len(view.turns))
    turns = list(longest.turns)
    for view in views:
        for index, turn in enumerate(view.turns):
            if turn.loss:
                turns[index] = turn
    return longest.with_turns(turns)


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    parts = list(parts)
    return {name: sum(part[name] for part in parts) for name in ("samples", "turns", "loss_turns")}


def _line(indent: int, name: str, counts: dict[str, int]) -> str:
    return f"{'  ' * indent + name:32}{counts['samples']:>9,}{counts['turns']:>11,}{counts['loss_turns']:>11,}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
