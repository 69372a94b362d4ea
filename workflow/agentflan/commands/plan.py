"""Print what every fine-tune of a study needs: memory by part, whether it fits, tokens, operations, hours.

Nothing is trained and no weights are read. A fine-tune that cannot fit its GPUs is an error with the smallest change
that would make it fit. Tokens are those of results/<study>/mixed where they have been counted, else an estimate.
Hours follow from FLOPs = tokens × (6 × matrix weights + 6 × mean conversation × hidden × layers), the peak of the GPU
and the study's expected share of it (MFU), less what checkpointing, offload and waiting cost.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from agentflan.forecast import Forecast, estimated, forecasts
from agentflan.placement import Placement, peak_flops
from agentflan.plan import Plan
from agentflan.training.memory import GIB, SPARE
from agentflan.workload import ESTIMATED

_PARTS = ("weights", "gradients", "optimizer", "activations", "logits", "buffers", "update", "overhead", "peak")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--study", required=True, help="name of a file in config/studies, without .yaml")
    parser.add_argument("--config", type=Path, default=Path("config"), help="the configuration's folder")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where counted tokens and weights lie")
    parser.add_argument("--json", action="store_true", help="print JSON: bytes, tokens, operations, hours")


def run(arguments: argparse.Namespace) -> str:
    """Plan every fine-tune.

    Raises:
        ConfigError: one does not fit its GPUs, or cannot be planned.
    """
    plan = Plan.load(arguments.config, arguments.study)
    found = forecasts(plan, arguments.results)
    if arguments.json:
        return json.dumps([forecast.to_json() for forecast in found], indent=2)
    return "\n\n".join([_memory(plan, found), _work(found), _notes(plan, found)])


def _memory(plan: Plan, found: list[Forecast]) -> str:
    placements = {forecast.placement.model: forecast.placement for forecast in found}
    head = ["model", "GPUs × nodes", *_PARTS, "fits in", "layout"]
    return "memory of one GPU (of the process on a CPU), GiB\n" + _table(
        [head, *(_memory_row(plan, placement) for placement in placements.values())]
    )


def _memory_row(plan: Plan, placement: Placement) -> list[str]:
    digits = 1 if placement.gpus else 2
    parts = [f"{getattr(placement.memory, part) / GIB:.{digits}f}" for part in _PARTS]
    where = f"{placement.gpus} × {placement.nodes}" if placement.gpus else "CPU"
    room = f"{plan.study.hardware.gpu_memory_gib:.1f}" if plan.study.hardware and placement.gpus else "-"
    return [placement.model, where, *parts, room, str(placement.layout)]


def _work(found: list[Forecast]) -> str:
    head = ["fine-tune", "conversations", "tokens (M)", "PFLOP", "steps", "busy", "MFU", "hours", "GPU-hours"]
    times = [forecast.time for forecast in found if forecast.time]
    total = ["total", *[""] * 6, f"{sum(t.hours for t in times):.1f}", f"{sum(t.gpu_hours for t in times):,.0f}"]
    return _table([head, *map(_work_row, found), *([total] if times else [])])


def _work_row(forecast: Forecast) -> list[str]:
    load, time = forecast.workload, forecast.time
    if load is None:
        return [forecast.agent, "not counted"]
    sign = "~" if load.source == ESTIMATED else ""
    row = [forecast.agent, f"{sign}{load.conversations:,}", f"{sign}{load.tokens / 1e6:.1f}"]
    if time is None:
        return row
    shares = [f"{time.busy:.0%}", f"{time.mfu:.0%}"]
    return [*row, f"{time.flops / 1e15:,.0f}", str(time.steps), *shares, f"{time.hours:.2f}", f"{time.gpu_hours:,.1f}"]


def _notes(plan: Plan, found: list[Forecast]) -> str:
    notes = [
        f"peak: weights, gradients, optimizer, overhead and the larger of (activations, logits, buffers) and update; "
        f"{SPARE:.0%} of a GPU stays free"
    ]
    if any(forecast.time for forecast in found) and plan.study.hardware:
        peak, name = peak_flops(plan.configuration) / 1e12, plan.study.hardware.gpu_model
        notes.append(
            f"MFU: of {peak:g} TFLOP/s bf16 ({name}); busy: share of positions with tokens, GPUs wait for the rest"
        )
    if estimated(found):
        notes.append(
            "~ estimated from published numbers (the paper's Tables 2 and 6) and assumed lengths, not counted by us"
        )
    return "\n".join(notes)


def _table(rows: list[list[str]]) -> str:
    """Columns of text, the first and a last one of words to the left, numbers to the right."""
    width = max(map(len, rows))
    sizes = [max(len(row[column]) for row in rows if column < len(row)) for column in range(width)]
    lines = []
    for row in rows:
        cells = [cell.rjust(sizes[column]) for column, cell in enumerate(row)]
        cells[0] = row[0].ljust(sizes[0])
        if rows[0][-1] == "layout":
            cells[-1] = row[-1]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
