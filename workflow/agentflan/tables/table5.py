"""Table 5: how the models are fine-tuned, from the study's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentflan.tables._scores import Cell, Entry, Measure, Plan, layout, not_run

if TYPE_CHECKING:
    import pandas

KEYS = ("Hyper-Params",)
_ROWS = {
    "GPUs": "gpus",
    "Learning Rate": "lr",
    "WarmUp LR": "warmup_lr",
    "Batch Size": "batch",
    "LR Schedule": "schedule",
}


def build(plan: Plan, results: Path) -> pandas.DataFrame:
    """The table in the paper's rows and columns."""
    return layout(plan, KEYS, cells(plan, results))


def cells(plan: Plan, results: Path) -> list[Cell]:
    """Every place of the table. Nothing is read from `results`."""
    return [
        Cell((title,), entry["label"], _setting(entry, key)) for title, key in _ROWS.items() for entry in plan["table5"]
    ]


def _setting(entry: Entry, key: str) -> Measure:
    if key not in entry:
        return not_run(entry["reason"])
    return Measure(_text(entry[key]), note="from the configuration", sources=("plan.json",))


def _text(value: Any) -> str:
    """As the paper writes it: 32, 2e-5, Cosine."""
    if isinstance(value, float):
        digits, _, exponent = f"{value:.6e}".partition("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return str(value).capitalize()
