"""Mixed: the training set of a condition, drawn from the decomposed corpus (paper §4.2, Table 2, App. A).

Trajectories are ranked by a hash of their names. A share goes in ReAct form, a share as thought-and-call, the rest as
dialogue. In a dialogue each capability is trained with the probability that is its weight; the views that were drawn of
one trajectory are merged into one conversation whose loss lies on the union of their turns. Draws are nested: a larger
weight or fraction holds everything that a smaller one does.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from agentflan.errors import ConfigError
from agentflan.files import read_jsonl
from agentflan.randomness import unit
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Trajectory, from_json

VIEWS = (REASONING, RETRIEVAL, UNDERSTANDING)
FORMS = ("chat", "react", "none")
Key = tuple[str, str]  # dataset, id


@dataclass(frozen=True)
class Mixture:
    """What a condition asks for; the keys are those of `config/conditions.yaml`."""

    form: str = "chat"
    weights: dict[str, float] = field(default_factory=lambda: dict.fromkeys(VIEWS, 1.0))
    instruction: float = 0  # a count if an integer, else the share of the pairs
    react_share: float = 0.0
    cot_share: float = 0.0
    negative: bool = False
    general: dict[str, Any] = field(default_factory=lambda: {"ratio": 1.0, "by": "sample"})
    datasets: tuple[str, ...] | None = None
    fraction: float = 1.0
    seed: int = 0

    @staticmethod
    def from_json(values: dict[str, Any]) -> Mixture:
        """Check a condition's settings.

        Raises:
            ConfigError: unknown keys and impossible values, all at once.
        """
        known = set(Mixture.__dataclass_fields__)
        problems = [
            f"condition: unknown key {key!r}; known: {', '.join(sorted(known))}" for key in sorted(set(values) - known)
        ]
        if problems:
            raise ConfigError(problems)
        mixture = Mixture(**values | ({"datasets": tuple(values["datasets"])} if values.get("datasets") else {}))
        shares = {**{f"weights.{name}": share for name, share in mixture.weights.items()}, "fraction": mixture.fraction}
        shares |= {"react_share + cot_share": mixture.react_share + mixture.cot_share}
        problems = [
            f"condition: {name}: found {share}; expected 0 to 1"
            for name, share in shares.items()
            if not 0 <= share <= 1
        ]
        if mixture.form not in FORMS:
            problems.append(f"condition: form: found {mixture.form!r}; expected one of {', '.join(FORMS)}")
        if mixture.general.get("by", "sample") not in ("sample", "token"):
            problems.append(f"condition: general.by: found {mixture.general['by']!r}; expected sample or token")
        if problems:
            raise ConfigError(problems)
        return mixture


class Item(NamedTuple):
    """One conversation of the mixture, before its text is read."""

    stream: str
    key: Key
    views: tuple[str, ...] = ()  # capabilities that bear loss, in the chat stream


class Decomposed(NamedTuple):
    """The keys of the decomposed corpus."""

    views: dict[str, set[Key]]  # for each capability, the dialogues that can train it
    trajectories: list[Key]
    instruction: list[Key]
    negative: list[Key]
    general: list[Key]


def read_keys(folder: Path) -> Decomposed:
    """The keys of all files of `decomposed/`, without keeping their texts."""

    def keys(name: str) -> list[Key]:
        return [(row["dataset"], row["id"]) for row in read_jsonl(folder / f"{name}.jsonl")]

    streams = (keys(name) for name in ("react", "instruction", "negative", "general"))
    return Decomposed({view: set(keys(view)) for view in VIEWS}, *streams)


def choose(mixture: Mixture, corpus: Decomposed, lengths: dict[Key, int] | None = None) -> list[Item]:
    """What a mixture holds, in training order.

    Args:
        mixture: the condition.
        corpus: all keys.
        lengths: tokens of each conversation, needed where general data is measured by token.
    """
    items = [item for item in _agent_items(mixture, corpus) if item.stream != "chat" or item.views]
    items += _general_items(mixture, corpus, items, lengths)
    return sorted(items, key=lambda item: unit("order", mixture.seed, item.stream, *item.key))


def load(items: Iterable[Item], folder: Path) -> Iterator[Trajectory]:
    """The conversations of a mixture in its order, their texts read from `decomposed/`."""
    items = list(items)
    wanted: dict[str, dict[Key, Item]] = {}
    for item in items:
        for name in item.views or (item.stream,):
            wanted.setdefault(name, {})[item.key] = item
    found: dict[Item, list[Trajectory]] = {}
    for name, keys in sorted(wanted.items()):
        path = folder / f"{name}.jsonl"
        for number, row in enumerate(read_jsonl(path), 1):
            item = keys.get((row["dataset"], row["id"]))
            if item is not None:
                found.setdefault(item, []).append(from_json(row, path, number))
    return (replace(_merge(found[item]), stream=item.stream) for item in items)


def tree(
    name: str, mixture: Mixture, corpus: Decomposed, conversations: Iterable[Trajectory]
) -> tuple[str, dict[str, Any]]:
    """The mixture as a printed tree and as counts: conversations, turns and turns with loss by stream and dataset."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    digest = hashlib.sha256()
    for conversation in conversations:
        digest.update(f"{conversation.stream}\0{conversation.dataset}\0{conversation.id}\0".encode())
        part = counts.setdefault((conversation.stream, conversation.dataset), Counter())
        part.update(samples=1, turns=len(conversation.turns), loss_turns=sum(turn.loss for turn in conversation.turns))
    streams: dict[str, dict[str, dict[str, int]]] = {}
    for (stream, dataset), part in sorted(counts.items()):
        streams.setdefault(stream, {})[dataset] = dict(part)
    total = sum((Counter(part) for part in counts.values()), Counter())
    unused = len(corpus.trajectories) - sum(
        part["samples"] for (stream, _), part in counts.items() if stream in ("chat", "react", "cot")
    )
    summary = {
        "condition": name,
        "total": dict(total),
        "trajectories_without_loss": unused,
        "streams": streams,
        "fingerprint": digest.hexdigest()[:16],
    }
    return _draw_tree(summary, mixture), summary


def _agent_items(mixture: Mixture, corpus: Decomposed) -> Iterator[Item]:
    if mixture.form == "none":
        return
    for key in corpus.trajectories:
        if _in_part(mixture, key):
            yield _trajectory_item(mixture, key, corpus.views)
    yield from (Item("instruction", key) for key in _instruction_keys(mixture, corpus.instruction))
    if mixture.negative:
        yield from (
            Item("negative", key) for key in corpus.negative if _draw(mixture, "fraction", key) < mixture.fraction
        )


def _in_part(mixture: Mixture, key: Key) -> bool:
    wanted = mixture.datasets is None or key[0] in mixture.datasets
    return wanted and _draw(mixture, "fraction", key) < mixture.fraction


def _trajectory_item(mixture: Mixture, key: Key, known: dict[str, set[Key]]) -> Item:
    if mixture.form == "react":
        return Item("react", key)
    draw = _draw(mixture, "form", key)
    if draw < mixture.react_share:
        return Item("react", key)
    if draw < mixture.react_share + mixture.cot_share:
        return Item("cot", key)
    views = [
        view for view in VIEWS if key in known[view] and _draw(mixture, view, key) < mixture.weights.get(view, 1.0)
    ]
    return Item("chat", key, tuple(views))


def _instruction_keys(mixture: Mixture, keys: list[Key]) -> list[Key]:
    """A count of pairs if an integer was asked for, else a share of them; then the fraction."""
    keys = [key for key in keys if mixture.datasets is None or key[0] in mixture.datasets]
    ranked = sorted(keys, key=lambda key: (_draw(mixture, "instruction", key), key))
    count = mixture.instruction if isinstance(mixture.instruction, int) else round(mixture.instruction * len(ranked))
    return ranked[: round(min(count, len(ranked)) * mixture.fraction)]


def _general_items(
    mixture: Mixture, corpus: Decomposed, agent: list[Item], lengths: dict[Key, int] | None
) -> Iterator[Item]:
    """General conversations: `ratio` for each of the agent part, by sample or by token; all of them without one."""
    ranked = sorted(corpus.general, key=lambda key: (_draw(mixture, "general", key), key))
    ratio = mixture.general.get("ratio", 1.0)
    if mixture.form == "none":
        yield from (Item("general", key) for key in ranked)
    elif mixture.general.get("by", "sample") == "sample":
        yield from (Item("general", key) for key in ranked[: round(ratio * len(agent))])
    else:
        if lengths is None:
            raise ConfigError(["condition: general.by: token needs the lengths of the conversations (--tokenizer)"])
        room = ratio * sum(lengths[item.key] for item in agent)
        for key in ranked:
            room -= lengths[key]
            if room < 0:
                return
            yield Item("general", key)


def _draw(mixture: Mixture, purpose: str, key: Key) -> float:
    return unit("mixture", mixture.seed, purpose, *key)


def _merge(views: list[Trajectory]) -> Trajectory:
    """Views of one dialogue as one: each copy ends at its last trained turn, and a turn is trained in one of them."""
    longest = max(views, key=lambda view: len(view.turns))
    turns = list(longest.turns)
    for view in views:
        for index, turn in enumerate(view.turns):
            if turn.loss:
                turns[index] = turn
    return longest.with_turns(turns)


def _draw_tree(summary: dict[str, Any], mixture: Mixture) -> str:
    def line(indent: int, name: str, counts: dict[str, int]) -> str:
        return f"{'  ' * indent + name:32}{counts['samples']:>9,}{counts['turns']:>11,}{counts['loss_turns']:>11,}"

    lines = [f"{'':32}{'samples':>9}{'turns':>11}{'with loss':>11}", line(0, summary["condition"], summary["total"])]
    for stream, datasets in summary["streams"].items():
        lines.append(line(1, stream, sum((Counter(part) for part in datasets.values()), Counter())))
        lines += [line(2, dataset, counts) for dataset, counts in datasets.items()]
    lines.append(f"trajectories of the corpus that are not drawn: {summary['trajectories_without_loss']:,}")
    lines.append(f"settings: {json.dumps(mixture.__dict__, sort_keys=True, ensure_ascii=False)}")
    lines.append(f"fingerprint of the ids in order: {summary['fingerprint']}")
    return "\n".join(lines) + "\n"
