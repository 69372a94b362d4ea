"""What the fine-tunes of a study cost: memory, floating-point operations and hours, before any of them runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentflan.errors import ConfigError
from agentflan.placement import Placement, peak_flops, place
from agentflan.plan import Plan
from agentflan.study import Recipe
from agentflan.training.choice import speed
from agentflan.training.memory import GIB
from agentflan.training.operations import flops_per_token
from agentflan.workload import ESTIMATED, Workload, workload

RESULTS = Path("results")

# Share of a row that best-fit packing fills: 97.8 % at 4,096 tokens, on 1,047 public AgentInstruct trajectories.
PACKED = 0.978


@dataclass(frozen=True)
class Time:
    """Expected time of one fine-tune on its GPUs; loading and saving are not in it."""

    steps: int
    flops: float  # of the whole fine-tune, recomputation not counted
    busy: float  # share of the GPUs' positions that hold tokens: a step lasts as long as its fullest GPU
    mfu: float  # expected while busy
    hours: float
    gpu_hours: float


@dataclass(frozen=True)
class Forecast:
    """One fine-tune: where it runs, on how much, how long."""

    agent: str
    condition: str
    placement: Placement
    workload: Workload | None  # none: not counted yet and nothing to estimate from
    time: Time | None  # none: on a CPU, or without a workload

    def to_json(self) -> dict[str, Any]:
        """Bytes, tokens, operations and hours as plain values."""
        place, need = self.placement, self.placement.memory
        return {
            "fine_tune": self.agent,
            "model": place.model,
            "condition": self.condition,
            "gpus": place.gpus,
            "nodes": place.nodes,
            "layout": asdict(place.layout),
            "memory_bytes": asdict(need) | {"peak": need.peak},
            "workload": self.workload and asdict(self.workload),
            "time": self.time and asdict(self.time),
        }


def forecasts(plan: Plan, results: Path = RESULTS) -> list[Forecast]:
    """Every fine-tune of a study.

    Raises:
        ConfigError: some do not fit, or cannot be planned; all of them are named.
    """
    placements = _placements(plan, list(plan.models), results)
    return [forecast for placement in placements for forecast in _of_model(plan, placement, results)]


def summary(plan: Plan, results: Path = RESULTS) -> list[str]:
    """One line for each model that trains on GPUs, and where to read more.

    Raises:
        ConfigError: as `forecasts`.
    """
    placements = _placements(plan, [model for model in plan.models if plan.recipe(model).gpus], results)
    lines = [_line(plan, placement, list(_of_model(plan, placement, results))) for placement in placements]
    return [*lines, f"each of them, memory by part: agentflan plan --study {plan.name}"] if lines else []


def expected_hours(plan: Plan, model: str, condition: str, results: Path = RESULTS) -> float | None:
    """Hours of one fine-tune on its GPUs; None on a CPU, or without a workload.

    Raises:
        ConfigError: as `agentflan.placement.place`.
    """
    load = workload(plan.study, condition, plan.condition(condition), results)
    if load is None or not plan.recipe(model).gpus:
        return None
    placement = place(plan.configuration, model, results=results)
    return _time(plan, placement, load, plan.recipe(model)).hours


def estimated(forecasts: list[Forecast]) -> bool:
    """Whether some of the tokens are only estimated."""
    return any(each.workload and each.workload.source == ESTIMATED for each in forecasts)


def _placements(plan: Plan, models: list[str], results: Path) -> list[Placement]:
    placements, problems = [], []
    for model in models:
        try:
            placements.append(place(plan.configuration, model, results=results))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return placements


def _of_model(plan: Plan, placement: Placement, results: Path) -> Iterator[Forecast]:
    for name in plan.conditions_of(placement.model):
        load = workload(plan.study, name, plan.condition(name), results)
        time = _time(plan, placement, load, plan.recipe(placement.model)) if load and placement.gpus else None
        for agent in plan.tuned(placement.model, name):
            yield Forecast(agent, name, placement, load, time)


def _time(plan: Plan, placement: Placement, load: Workload, recipe: Recipe) -> Time:
    job, hardware = placement.job, plan.study.hardware
    assert hardware is not None  # else there is no placement
    tokens, per_token = load.tokens * recipe.epochs, flops_per_token(job.shape, load.mean, job.lora_rank > 0)
    steps = max(1, -(-round(load.conversations * recipe.epochs) // recipe.batch))
    rows = -(-tokens / steps // (job.row_length * PACKED))  # of a step
    positions = -(-rows // placement.gpus) * job.row_length  # of the fullest GPU in a step
    mfu = hardware.mfu * speed(placement.layout)
    hours = steps * positions * per_token / (peak_flops(plan.configuration) * mfu) / 3600
    busy = tokens / steps / (placement.gpus * positions)
    return Time(steps, tokens * per_token, busy, mfu, hours, hours * placement.gpus)


def _line(plan: Plan, placement: Placement, group: list[Forecast]) -> str:
    times = [forecast.time for forecast in group if forecast.time]
    hours, gpu_hours = sum(time.hours for time in times), sum(time.gpu_hours for time in times)
    nodes = f"{placement.nodes} node" + ("" if placement.nodes == 1 else "s")
    gpus = f"{placement.gpus} GPU" + ("" if placement.gpus == 1 else "s")
    assert plan.study.hardware is not None
    room = f"{placement.memory.peak / GIB:.1f} of {plan.study.hardware.gpu_memory_gib:g} GiB"
    told = f", tokens {ESTIMATED}" if estimated(group) else ""
    return (
        f"{placement.model}: {len(group)} fine-tunes on {gpus} ({nodes}), {placement.layout}, {room}, "
        f"about {hours:.1f} h one after another, {gpu_hours:,.0f} GPU-hours{told}"
    )
