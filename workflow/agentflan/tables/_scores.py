"""From score files to cells: the mean over seeds, what is not run and why, and how a table is laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from agentflan.contrasts import bootstrap, interval
from agentflan.errors import FileError
from agentflan.files import read_json
from agentflan.formulas import HELD_IN_BENCHMARKS, held_in
from agentflan.statistics import Group

if TYPE_CHECKING:
    import pandas

NOT_RUN = "not run"

Plan = dict[str, Any]
Entry = dict[str, Any]
Draws = Callable[[], Sequence[float]]


@dataclass(frozen=True)
class Measure:
    """A value that was measured, or the reason why there is none.

    Attributes:
        value: None if it was not run.
        low, high: bounds of the 95 % bootstrap interval, where the score file has them.
        n: tasks (records for a count) behind the value.
        note: the protocol behind the value, or the reason why there is none.
        sources: the files below ``results/<study>/`` that the value comes from.
        draws: computes the value in each bootstrap resample, once, when it is asked for; None without samples.
    """

    value: float | str | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    note: str = ""
    sources: tuple[str, ...] = ()
    draws: Draws | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Cell:
    """One place of a table.

    Attributes:
        row: what stands in the key columns.
        column: the column's header.
        measure: what was measured.
        form: format specification of the printed value (``.1f``).
    """

    row: tuple[str, ...]
    column: str
    measure: Measure
    form: str = ".1f"

    def text(self) -> str:
        """The cell as the table prints it."""
        value = self.measure.value
        if value is None:
            return NOT_RUN
        return value if isinstance(value, str) else format(value, self.form)


def not_run(reason: str) -> Measure:
    """The measure of something that was not run."""
    return Measure(None, note=reason)


def score(plan: Plan, results: Path, entry: Entry, column: str) -> Measure:
    """The score of an entry in a column of Table 1 or 4.

    Args:
        plan: the study's plan.
        results: its folder ``results/<study>/``.
        entry: a row or point; see `agentflan.tables`.
        column: ``held_in`` or the name of a benchmark.
    """
    reason = _reason(plan, entry, column)
    if reason:
        return not_run(reason)
    if column != "held_in":
        return _mean_over_seeds(results, [_read_score(results, agent, column) for agent in entry["agents"]])
    parts = {name: score(plan, results, entry, name) for name in HELD_IN_BENCHMARKS.values()}
    protocols = "; ".join(part.note for part in parts.values() if part.value is not None and part.note)
    rule = "HELD-IN is of all six tasks" + (f" ({protocols})" if protocols else "")
    return combine(parts, lambda *values: held_in(dict(zip(HELD_IN_BENCHMARKS, values, strict=True))), rule)


def score_part(plan: Plan, results: Path, entry: Entry, benchmark: str, part: str) -> Measure:
    """A component of a score, such as ``H_ReAct`` of Agent-H; its interval is of its samples, where it has some."""
    whole = score(plan, results, entry, benchmark)
    if whole.value is None:
        return whole
    measure = _mean_over_seeds(results, [_read_part(results, agent, benchmark, part) for agent in entry["agents"]])
    low, high = _interval(measure.draws)
    return replace(measure, low=low, high=high, n=whole.n, note=whole.note)


def combine(parts: dict[str, Measure], formula: Callable[..., float], rule: str) -> Measure:
    """A value computed from several, or not run when one of them is missing: there are no partial aggregates.

    Args:
        parts: the measures by name; the formula takes their values in this order.
        formula: computes the aggregate.
        rule: says what the aggregate needs.

    The interval is the formula's over the parts' resamples, where all of them have samples.
    """
    missing = [name for name, part in parts.items() if part.value is None]
    if missing:
        reasons = sorted({parts[name].note for name in missing})
        return not_run(f"{rule}; not run: {', '.join(missing)} ({'; '.join(reasons)})")
    value = formula(*(part.value for part in parts.values()))
    draws = _together(list(parts.values()), formula)
    low, high = _interval(draws)
    return Measure(value, low, high, note=rule, sources=sources_of(parts.values()), draws=draws)


def sources_of(measures: Iterable[Measure]) -> tuple[str, ...]:
    """The files behind several measures, each once."""
    return tuple(dict.fromkeys(source for measure in measures for source in measure.sources))


def score_path(results: Path, agent: str, benchmark: str) -> Path:
    """The score file of an agent on a benchmark."""
    return results / "scores" / agent / f"{benchmark}.json"


def layout(plan: Plan, keys: Sequence[str], cells: Iterable[Cell]) -> pandas.DataFrame:
    """The table: the study, the key columns, then one column a header, in the order of the cells."""
    import pandas

    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for cell in cells:
        start = {"study": plan["name"], **dict(zip(keys, cell.row, strict=True))}
        rows.setdefault(cell.row, start)[cell.column] = cell.text()
    return pandas.DataFrame(list(rows.values())).fillna("")


def _reason(plan: Plan, entry: Entry, column: str) -> str:
    """Why the plan has no such score; "" if it has one. A file that the plan does not know is never read."""
    if column in entry.get("not_run", {}):
        return entry["not_run"][column]
    if not entry["agents"]:
        return entry.get("reason", "the study has no such agent")
    if column in plan["not_run"]:
        return plan["not_run"][column]
    needed = HELD_IN_BENCHMARKS.values() if column == "held_in" else [column]
    missing = sorted(set(needed) - {benchmark["name"] for benchmark in plan["benchmarks"]})
    return f"the study does not run {', '.join(missing)}" if missing else ""


def _read_score(results: Path, agent: str, benchmark: str) -> tuple[Measure, list[Group]]:
    """The score of one agent with the samples that it is made of; none where its file has none."""
    path = score_path(results, agent, benchmark)
    if not path.exists():
        return not_run(f"no file scores/{agent}/{benchmark}.json"), []
    row = read_json(path)
    if row.get("status") == NOT_RUN or row.get("value") is None:
        return not_run(row.get("reason", f"scores/{agent}/{benchmark}.json has no value")), []
    source = path.relative_to(results).as_posix()
    bounds = row.get("low"), row.get("high")
    measure = Measure(float(row["value"]), *bounds, row.get("n"), row.get("protocol", ""), (source,))
    return measure, _groups(row.get("samples"))


def _read_part(results: Path, agent: str, benchmark: str, part: str) -> tuple[Measure, list[Group]]:
    path = score_path(results, agent, benchmark)
    row = read_json(path)
    try:
        value = float(row["parts"][part])
    except (KeyError, TypeError, ValueError):
        raise FileError(path, f"no number parts.{part}", "the scores of a finished run") from None
    return Measure(value, sources=(path.relative_to(results).as_posix(),)), _groups(
        row.get("part_samples", {}).get(part)
    )


def _groups(samples: list[dict[str, Any]] | None) -> list[Group]:
    return [Group(group["weight"], group["values"]) for group in samples or []]


def _mean_over_seeds(results: Path, scores: list[tuple[Measure, list[Group]]]) -> Measure:
    """The mean of the seeds, whose interval is over tasks and seeds. The tasks are the same, so `n` is one seed's.

    Scores without samples have no interval together.

    Raises:
        FileError: the seeds did not play the same tasks.
    """
    measures, seeds = [measure for measure, _ in scores], [samples for _, samples in scores]
    for measure in measures:
        if measure.value is None:
            return measure
    sources = sources_of(measures)
    benchmark = Path(sources[0]).stem
    draws = cache(partial(bootstrap, seeds, benchmark, " ".join(sources))) if all(seeds) else None
    if len(measures) == 1:
        return replace(measures[0], draws=draws)
    try:
        low, high = _interval(draws)
    except ValueError as error:
        raise FileError(results / sources[-1], f"other samples ({error})", f"those of {sources[0]}") from None
    return replace(
        measures[0],
        value=fmean(measure.value for measure in measures),
        low=low,
        high=high,
        note=f"mean of {len(measures)} seeds. {measures[0].note}".strip(),
        sources=sources,
        draws=draws,
    )


def _together(parts: Sequence[Measure], formula: Callable[..., float]) -> Draws | None:
    """Computes the formula in each resample of its parts; None if one of them has no samples."""
    if not all(part.draws for part in parts):
        return None
    return cache(lambda: [formula(*values) for values in zip(*(part.draws() for part in parts), strict=True)])


def _interval(draws: Draws | None) -> tuple[float, float] | tuple[None, None]:
    """The bounds of the interval; none without resamples, or where one of them has no value."""
    values = draws() if draws else []
    return interval(values) if len(values) and all(map(isfinite, values)) else (None, None)
