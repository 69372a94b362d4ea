"""Loss curves from the files that training leaves: summed loss and tokens by step and group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._style import blank, say_not_run
from agentflan.tables._scores import Entry

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

_SMOOTHING = 20  # the window is this part of the run


def draw_curves(entry: Entry, results: Path, kind: str, curves: dict[str, tuple[str, str]]) -> Figure:
    """The mean loss per token over the steps, one line a group, its last value written at its end.

    Args:
        entry: the fine-tune; the tokens of several seeds are taken together.
        results: the study's folder.
        kind: the division of the tokens (``capability``, ``stream_format``).
        curves: group → (name in the figure, colour).
    """
    figure = blank(4.6, 2.8)
    axes = figure.subplots()
    paths = [results / "losses" / f"{agent}.parquet" for agent in entry["agents"]]
    missing = [path.name for path in paths if not path.exists()]
    if missing or not paths:
        say_not_run(axes, entry.get("reason") or f"no file losses/{', '.join(missing)}", columns=50)
        return figure
    losses = mean_losses(paths, kind)
    if not set(curves) & set(losses):
        say_not_run(axes, f"no tokens of {', '.join(curves)} in the training set", columns=50)
        return figure
    for position, (group, (name, colour)) in enumerate(curves.items()):
        if group in losses:
            line = losses[group].dropna()
            style = ("-", "--", "-.", ":")[position % 4]
            axes.plot(line.index, line, style, color=colour, label=f"{name} ({line.iloc[-1]:.2f})")
    axes.set(
        xlabel="optimiser step", ylabel="loss per token (nats)", ylim=(0, None), title=f"training of {entry['label']}"
    )
    axes.legend(title="last value in brackets", frameon=False)
    figure.subplots_adjust(left=0.11, right=0.97, top=0.91, bottom=0.19)
    return figure


def mean_losses(paths: list[Path], kind: str) -> pandas.DataFrame:
    """Mean loss per token in a moving window, rows by step, a column a group; not a number where it has no token."""
    import pandas

    rows = pandas.concat([_read(path) for path in paths])
    rows = rows[rows["kind"] == kind]
    sums = rows.groupby(["step", "group"])[["loss_sum", "tokens"]].sum().unstack("group", fill_value=0).sort_index()
    window = max(1, len(sums) // _SMOOTHING)
    moved = sums.rolling(window, min_periods=1, center=True).sum()
    return moved["loss_sum"] / moved["tokens"].where(moved["tokens"] > 0)


def _read(path: Path) -> pandas.DataFrame:
    """A file of losses, opened by Python itself: the record of provenance does not see what pyarrow opens by name."""
    import pandas

    with path.open("rb") as handle:
        return pandas.read_parquet(handle)
