"""Figure 1: agent tuning on held-in and held-out tasks, in percent of the reference row.

The label in bold over the last bar of a panel is its distance to the highest other bar, as in the paper.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._style import WIDTH, blank, colour_of, say_not_run
from agentflan.tables._points import PANELS, bars, margins
from agentflan.tables._scores import Cell, Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(plan: Plan, results: Path) -> Figure:
    """One panel a benchmark."""
    figure = blank(WIDTH, 2.4)
    panels = figure.subplots(1, len(PANELS))
    margin_of = {cell.row[0]: cell for cell in margins(plan, results)}
    cells = bars(plan, results)
    for axes, title in zip(panels, PANELS, strict=True):
        axes.set_title(title)
        _draw_panel(axes, [cell for cell in cells if cell.column == title], margin_of[title])
    _add_legend(figure, [entry["label"] for entry in plan["figure1"]["rows"]])
    reference = plan["figure1"]["reference"]["label"]
    figure.text(0.008, 0.53, f"score (% of {reference})", rotation=90, va="center", fontsize=7.5)
    figure.subplots_adjust(left=0.075, right=0.985, top=0.88, bottom=0.19, wspace=0.3)
    return figure


def _draw_panel(axes: Axes, cells: list[Cell], margin: Cell) -> None:
    import seaborn

    done = {cell.row[0]: cell.measure.value for cell in cells if cell.measure.value is not None}
    if not done:
        say_not_run(axes, cells[-1].measure.note, columns=20)
        return
    palette = {cell.row[0]: colour_of(cell.row[0], number) for number, cell in enumerate(cells)}
    names, heights = list(done), list(done.values())
    seaborn.barplot(x=names, y=heights, hue=names, palette=palette, saturation=1, width=0.75, legend=False, ax=axes)
    for number, height in enumerate(heights):
        axes.annotate(f"{height:.0f}", (number, height), (0, 2), textcoords="offset points", ha="center", fontsize=6)
    if margin.measure.value is not None:
        place = (len(heights) - 1, heights[-1])
        axes.annotate(margin.text(), place, (0, 9), textcoords="offset points", ha="center", fontsize=7, weight="bold")
    axes.set(xticks=[], xlabel="", ylabel="", ylim=(0, 1.2 * max(*heights, 1)))
    seaborn.despine(ax=axes)


def _add_legend(figure: Figure, labels: list[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=colour_of(label, number)) for number, label in enumerate(labels)]
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False, bbox_to_anchor=(0.5, 0.02))
