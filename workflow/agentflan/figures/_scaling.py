"""Lines over a scale with bootstrap intervals; points that were not run are named instead of drawn."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from agentflan.figures._style import blank, colour_of, say_not_run
from agentflan.tables._scores import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Series = dict[str, list[tuple[float, str, Cell]]]  # name → points: place, tick, cell


def draw_series(series: Series, xlabel: str) -> Figure:
    """One line a series, with 95 % intervals.

    Args:
        series: the points of each line.
        xlabel: what the scale is.
    """
    figure = blank(3.8, 2.9)
    axes = figure.subplots()
    points = [point for line in series.values() for point in line]
    missing = [point for point in points if point[2].measure.value is None]
    if len(missing) == len(points):
        say_not_run(axes, points[0][2].measure.note, columns=40)
        return figure
    for position, (name, line) in enumerate(series.items()):
        _draw_line(axes, name, line, position, len(series))
    ticks = {place: tick for place, tick, _ in points}
    axes.set(xticks=list(ticks), xticklabels=list(ticks.values()), xlabel=xlabel, ylabel="HotpotQA (F1, %)")
    axes.set_ylim(bottom=0)
    axes.legend(title="mean, 95 % bootstrap interval", frameon=False, loc="best")
    if missing:
        _name_missing(figure, missing)
    figure.subplots_adjust(left=0.13, right=0.94, top=0.96, bottom=0.25 if missing else 0.18)
    return figure


def _draw_line(axes: Axes, name: str, line: list[tuple[float, str, Cell]], position: int, count: int) -> None:
    done = [(place, cell.measure) for place, _, cell in line if cell.measure.value is not None]
    if not done:
        return
    span = line[-1][0] - line[0][0]
    shift = (position - (count - 1) / 2) * 0.02 * span  # so that the intervals of two series do not hide each other
    places = [place + shift for place, _ in done]
    values = [measure.value for _, measure in done]
    # A file without an interval gives a point without a bar.
    below = [
        value - (value if measure.low is None else measure.low)
        for value, (_, measure) in zip(values, done, strict=True)
    ]
    above = [
        (value if measure.high is None else measure.high) - value
        for value, (_, measure) in zip(values, done, strict=True)
    ]
    shape = {"fmt": "os^D"[position % 4] + ("-" if position == 0 else "--"), "color": colour_of(name, position)}
    axes.errorbar(places, values, yerr=[below, above], label=name, capsize=2.5, markersize=4, **shape)


def _name_missing(figure: Figure, missing: list[tuple[float, str, Cell]]) -> None:
    names = ", ".join(dict.fromkeys(" ".join(cell.row) for _, _, cell in missing))
    text = textwrap.shorten(f"not run: {names} ({missing[0][2].measure.note})", 160, placeholder=" …")
    figure.text(0.01, 0.05, textwrap.fill(text, 84), fontsize=5.5, color="#444444")
