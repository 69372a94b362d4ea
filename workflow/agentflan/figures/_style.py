"""One look for all figures, and the same bytes on every run.

Dates are left out of the files, the ids in SVG come from a fixed salt, and the font is the one that matplotlib ships.
"""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentflan.files import atomic_write
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2  # inches: the text width of a two-column paper
NARROW = 4.6
DPI = 200

# seaborn's palette "colorblind"; by name, so that a series has one colour in all figures.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, GREY = "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#949494"
MODELS = {"Llama2-7B": GREY, "AgentLM-7B": ORANGE, "AgentTuning*": BLUE, "Agent-FLAN": VERMILION, "ReAct tuning": BLUE}
OTHER_MODELS = (GREEN, PURPLE)

_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None},
    "svg": {"Date": None},
    "png": {"Software": None},
}
_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#777777",
    "grid.linewidth": 0.5,
    "grid.color": "#dddddd",
    "lines.linewidth": 1.3,
    "text.parse_math": False,  # a dollar sign in a transcript is no formula
    "svg.hashsalt": "agentflan",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "figure.dpi": 100,
}


def render(draw: Callable[[Plan, Path], Figure], plan: Plan, results: Path, stem: Path) -> None:
    """Draw a figure and write it as ``stem.pdf``, ``stem.svg`` and ``stem.png``, each with the study's name."""
    import matplotlib
    import seaborn

    matplotlib.use("Agg")
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports every glyph that a PDF leaves out
    settings = seaborn.plotting_context("paper") | seaborn.axes_style("whitegrid") | _SETTINGS
    with matplotlib.rc_context(settings):
        figure = draw(plan, results)
        figure.text(
            0.995, 0.06 / figure.get_figheight(), f"study: {plan['name']}", ha="right", fontsize=6, color="#555555"
        )
        for kind, metadata in _METADATA.items():
            buffer = BytesIO()
            figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
            with atomic_write(stem.with_name(f"{stem.name}.{kind}"), "wb") as handle:
                handle.write(buffer.getvalue())


def blank(width: float, height: float) -> Figure:
    """An empty figure of a size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="white")


def say_not_run(axes: Axes, reason: str, columns: int = 26) -> None:
    """Put the reason in place of a panel; `columns` is the length of a line."""
    axes.set_axis_off()
    text = textwrap.shorten(reason, 9 * columns, placeholder=" …")
    axes.text(
        0.5,
        0.5,
        f"not run\n\n{textwrap.fill(text, columns)}",
        ha="center",
        va="center",
        transform=axes.transAxes,
        fontsize=6.5,
        color="#444444",
    )


def colour_of(label: str, position: int) -> str:
    """The colour of a model or series; `position` serves labels without one of their own."""
    return MODELS.get(label, OTHER_MODELS[position % len(OTHER_MODELS)])
