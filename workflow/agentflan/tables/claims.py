"""The paper's claims with their tests and verdicts: one line a test, the claim's verdict on each of its lines.

A test holds if its interval lies above the bound (0, or the margin below it). It fails if the interval lies below the
bound, or holds no effect and does not reach the one that the paper prints. It is level, and tells nothing, if no
episode differs between the sides, as where neither ever scores. Anything else is open. A claim is reproduced if all of
its tests hold and its p-value, the largest of theirs, is at most 5 % after adjusting for the number of claims; if it is
larger, all of them are unsure. A claim is not reproduced if one of its tests fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.contrasts import Curve, Effect, Term, contrast, counted, holm, loss_gap
from agentflan.errors import ConfigError, FileError
from agentflan.files import read_json
from agentflan.formulas import HELD_IN_BENCHMARKS, HELD_IN_WEIGHTS
from agentflan.statistics import COVERAGE, Group
from agentflan.tables import table1, table2
from agentflan.tables._claims import Claim, Claims, Test, published_effect, read_claims
from agentflan.tables._scores import Cell, Entry, Measure, Plan, score, score_path, sources_of

if TYPE_CHECKING:
    import pandas

REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
INCONCLUSIVE, NOT_TESTABLE = "inconclusive", "not testable here"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, NOT_TESTABLE)
KEYS = ("claim", "test")
NUMBERS = ("published", "effect", "low", "high", "n", "seeds", "p", "p_adjusted", "detectable", "power")
COLUMNS = ("study", *KEYS, *NUMBERS, "outcome", "verdict", "reason")
LOSSES = {"figure2": "stream_format", "figure3": "capability"}  # the division of the tokens whose losses are drawn
_FORM = ".3f"
# The benchmarks in a column and the weight of each one's score.
_PARTS = {
    **{title: {name: 1.0} for title, name in table1.HELD_OUT.items()},
    **{title: {title.lower(): 1.0} for title in ("MMLU", "GSM8K", "HUMANEVAL")},
    "H_Score": {"agent_h": 1.0},
    "ToolBench": {"toolbench_eval": 1.0},
    "HELD-IN": {name: 1 / (len(HELD_IN_WEIGHTS) * HELD_IN_WEIGHTS[task]) for task, name in HELD_IN_BENCHMARKS.items()},
    "Overall": {name: 1 / len(table1.HELD_OUT) for name in table1.HELD_OUT.values()},
}


@dataclass(frozen=True)
class _Tested:
    """A test with what it found, or why it could not be made."""

    test: Test
    bound: float
    published: float | None
    effect: Effect | None = None
    reason: str = ""
    sources: tuple[str, ...] = ()


class _NoData(Exception):
    """A test cannot be made with what the study has."""


def build(plan: Plan, results: Path, published: Path) -> pandas.DataFrame:
    """One line a test.

    Args:
        plan: the study's plan.
        results: its folder ``results/<study>/``.
        published: the folder of the claims and the printed numbers, ``paper/published``.
    """
    import pandas

    judged = _judged(plan, results, published)
    return pandas.DataFrame([_line(plan, *each) for each in judged], columns=COLUMNS)


def cells(plan: Plan, results: Path, published: Path) -> list[Cell]:
    """The effect of each test, with the score, count and loss files that it comes from."""
    return [
        Cell((claim.id, tested.test.name if tested else ""), "effect", _measure(tested), _FORM)
        for claim, tested, _, _, _ in _judged(plan, results, published)
    ]


def _judged(plan: Plan, results: Path, published: Path) -> list[tuple[Claim, _Tested | None, float | None, str, str]]:
    """Claim, test, the claim's adjusted p-value, the test's outcome and the claim's verdict, in the claims' order."""
    claims = read_claims(published)
    tested = {claim.id: _test_all(plan, results, published, claims, claim) for claim in claims.claims}
    p_values = {
        name: max(each.effect.p for each in tests)
        for name, tests in tested.items()
        if tests and all(each.effect for each in tests)
    }
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    lines = []
    for claim in claims.claims:
        p_value = adjusted.get(claim.id)
        outcomes = [outcome(each.effect, each.bound, each.published) for each in tested[claim.id]]
        if set(outcomes) == {"holds"} and p_value > 1 - COVERAGE:
            outcomes = ["unsure"] * len(outcomes)
        verdict = verdict_of(outcomes)
        rows = zip(tested[claim.id], outcomes, strict=True) if tested[claim.id] else [(None, "")]
        lines += [(claim, each, p_value, found, verdict) for each, found in rows]
    return lines


def outcome(effect: Effect | None, bound: float, published: float | None) -> str:
    """Whether a test ``holds``, ``fails``, is ``level`` or ``open``, or has no data ("").

    Args:
        effect: what was found.
        bound: what it must exceed: 0, or less where a score need only be kept.
        published: the paper's effect, if it prints one.
    """
    if effect is None:
        return ""
    if effect.value == 0 and effect.error == 0:
        return "level"
    if effect.low > bound:
        return "holds"
    too_small = bound == 0 and published is not None and effect.high < published
    return "fails" if effect.high < bound or too_small else "open"


def verdict_of(outcomes: Iterable[str]) -> str:
    """A claim's verdict from the outcomes of its tests."""
    found = set(outcomes)
    if "fails" in found:
        return NOT_REPRODUCED
    if not found or "" in found:
        return NOT_TESTABLE
    return REPRODUCED if found == {"holds"} else INCONCLUSIVE


def _test_all(plan: Plan, results: Path, published: Path, claims: Claims, claim: Claim) -> list[_Tested]:
    found = []
    for test in claim.tests:
        head = (test, -claims.margin if test.kept else 0.0, published_effect(published, test))
        try:
            effect, sources = _effect(plan, results, test, head[1])
            found.append(_Tested(*head, effect, sources=sources))
        except _NoData as error:
            found.append(_Tested(*head, reason=str(error)))
    return found


def _effect(plan: Plan, results: Path, test: Test, bound: float) -> tuple[Effect, tuple[str, ...]]:
    if test.table in LOSSES:
        return _of_losses(plan, results, test)
    if test.column in table2.TOKENS:
        return _of_counts(plan, results, test)
    rows = [(1.0, test.row), *((-1 / len(test.over), row) for row in test.over)]
    terms, sources = [], []
    for weight, row in rows:
        seeds, files = _samples(plan, results, _entry(plan, test, row), test.column)
        terms.append(Term(weight, seeds))
        sources += files
    try:
        return contrast(terms, bound, test.table, test.name), tuple(dict.fromkeys(sources))
    except ValueError as error:
        raise FileError(results / sources[-1], f"other samples than {sources[0]} ({error})", "the same tasks") from None


def _samples(plan: Plan, results: Path, entry: Entry, column: str) -> tuple[list[list[Group]], list[str]]:
    """For each seed of a row the groups of samples behind a column, and the score files that hold them."""
    parts = _PARTS.get(column)
    if parts is None:
        raise ConfigError([f"claims: column {column!r}: no such score; there are: {', '.join(_PARTS)}"])
    seeds: list[list[Group]] = [[] for _ in entry["agents"]]
    sources = []
    for benchmark, weight in parts.items():
        measure = score(plan, results, entry, benchmark)
        if measure.value is None:
            raise _NoData(f"{entry['label']}, {benchmark}: {measure.note}")
        sources += measure.sources
        for groups, agent in zip(seeds, entry["agents"], strict=True):
            path = score_path(results, agent, benchmark)
            groups += [Group(weight * group.weight, group.values) for group in _read_samples(path)]
    return seeds, sources


def _read_samples(path: Path) -> list[Group]:
    try:
        return [Group(group["weight"], group["values"]) for group in read_json(path)["samples"]]
    except (KeyError, TypeError):
        raise FileError(path, "no samples", "those of a finished score", "Score the transcripts again.") from None


def _of_counts(plan: Plan, results: Path, test: Test) -> tuple[Effect, tuple[str, ...]]:
    measures = {cell.row[0]: cell.measure for cell in table2.cells(plan, results) if cell.column == test.column}
    found = [measures[_entry(plan, test, row)["label"]] for row in [test.row, *test.over]]
    for measure in found:
        if measure.value is None:
            raise _NoData(measure.note)
    first, *others = (measure.value for measure in found)
    return counted(first - sum(others) / len(others)), sources_of(found)


def _of_losses(plan: Plan, results: Path, test: Test) -> tuple[Effect, tuple[str, ...]]:
    entry = plan[test.table]
    if not entry["agents"]:
        raise _NoData(entry.get("reason", "the study has no such agent"))
    sources = tuple(f"losses/{agent}.parquet" for agent in entry["agents"])
    sides: list[list[Curve]] = [[], []]
    for source in sources:
        curves = _read_curves(results / source, LOSSES[test.table])
        for side, group in zip(sides, (test.row, *test.over), strict=True):
            if group not in curves:
                raise _NoData(f"{source}: no tokens of {group}")
            side.append(curves[group])
    try:
        return loss_gap(*sides, test.column, test.table, test.name), sources
    except ValueError as error:
        raise _NoData(f"{sources[0]}: {error}") from None


def _read_curves(path: Path, kind: str) -> dict[str, Curve]:
    """The curve of each group of tokens; a step that has none of a group counts 0."""
    import pandas

    if not path.exists():
        raise _NoData(f"no file losses/{path.name}")
    with path.open("rb") as handle:  # by Python itself: the record does not see what pyarrow opens by name
        rows = pandas.read_parquet(handle)
    sums = rows[rows["kind"] == kind].groupby(["step", "group"])[["loss_sum", "tokens"]].sum().unstack(fill_value=0)
    groups = sums["tokens"].columns if len(sums) else []
    return {group: Curve(*(sums[side, group].to_numpy() for side in ("loss_sum", "tokens"))) for group in groups}


def _entry(plan: Plan, test: Test, row: str) -> Entry:
    """The plan's entry of a row, named as in the table: its keys joined by slashes."""
    entries = {_row_name(entry): entry for entry in plan[test.table]}
    if row not in entries:
        raise ConfigError([f"claims: {test.table} has no row {row!r}; there are: {', '.join(entries)}"])
    return entries[row]


def _row_name(entry: Entry) -> str:
    if "series" in entry:
        return f"{entry['series']} / {entry['model']}"
    return f"{entry['model']} / {entry['label']}" if "model" in entry else entry["label"]


def _line(
    plan: Plan, claim: Claim, tested: _Tested | None, p_value: float | None, found: str, verdict: str
) -> list[str]:
    head = [plan["name"], claim.id, tested.test.name if tested else ""]
    if tested is None:
        return [*head, *[""] * len(NUMBERS), "", verdict, claim.untested]
    effect, published = tested.effect, tested.published
    if effect is None:
        return [*head, _number(published), *[""] * (len(NUMBERS) - 1), "", verdict, tested.reason]
    power = effect.power(published - tested.bound) if published is not None and effect.error else None
    detectable = effect.detectable if effect.error else None
    numbers = (effect.low, effect.high, effect.n, effect.seeds, effect.p, p_value, detectable, power)
    printed = [_number(published), format(effect.value, _FORM), *map(_number, numbers)]
    return [*head, *printed, found, verdict, _why(tested, found)]


def _why(tested: _Tested, found: str) -> str:
    """What keeps a test from making its claim reproduced."""
    if found == "fails":
        contrary = tested.effect.high < tested.bound
        return "the effect has the other sign" if contrary else "no effect as large as the paper's"
    reasons = {
        "open": "the interval holds the bound",
        "level": "no episode differs between the sides",
        "unsure": "not sure after adjusting for all claims",
    }
    return reasons.get(found, "")


def _measure(tested: _Tested | None) -> Measure:
    if tested is None or tested.effect is None:
        return Measure(None, note=tested.reason if tested else "")
    effect = tested.effect
    return Measure(effect.value, effect.low, effect.high, effect.n, tested.test.name, tested.sources)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}".rstrip("0").rstrip(".")
