"""What a training run costs: lines on the way, and one record of speed, padding, memory and energy at the end.

Useful tokens are those of the conversations; padding is none. The parts of a run that was killed and went on are
summed; what was lost between the last snapshot and the kill is not in the sums.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from agentflan.training import devices, processes
from agentflan.training.data import Example, shares
from agentflan.training.events import Events
from agentflan.training.loss import Parts
from agentflan.training.operations import FORMULA, flops_per_token, mfu
from agentflan.training.progress import Progress, clock
from agentflan.training.recipe import Settings
from agentflan.training.shape import LlamaShape

WARM_UP = 5  # steps of each part that are not steady: memory is first taken then, kernels are chosen
log = logging.getLogger(__name__)


@dataclass
class Totals:
    """Sums over the steps of a run. Seconds are those of the first process."""

    runs: int = 0  # parts of the run: 1 if it was never interrupted
    steps: int = 0
    conversations: int = 0
    tokens: int = 0  # useful
    loss_tokens: int = 0
    positions: int = 0  # computed, padding included
    start_up_seconds: float = 0.0  # from the process's beginning to the first step
    training_seconds: float = 0.0
    wall_seconds: float = 0.0  # all of it, with saving
    steady_tokens: int = 0
    steady_seconds: float = 0.0
    peak_memory_bytes: int = 0  # of the process that held most
    energy_joules: float | None = 0.0  # of all GPUs while training; nothing where they do not tell

    def __add__(self, other: Totals) -> Totals:
        sums = {each.name: getattr(self, each.name) for each in fields(Totals)}
        for name, value in asdict(other).items():
            sums[name] = None if None in (sums[name], value) else sums[name] + value
        sums["peak_memory_bytes"] = max(self.peak_memory_bytes, other.peak_memory_bytes)
        return Totals(**sums)


@dataclass
class Step:
    """What is known of a step before it is taken."""

    conversations: int
    tokens: int
    positions: int


@dataclass
class Meter:
    """Measures one run; all processes of the run have one, the first one tells.

    Attributes:
        events: folder of TensorBoard events; none are written without.
    """

    events: Path | None = None
    _before: Totals = field(default_factory=Totals)
    _now: Totals = field(default_factory=Totals)

    def start(
        self,
        config: Any,
        steps: list[list[Example]],
        settings: Settings,
        done: int = 0,
        state: dict[str, Any] | None = None,
    ) -> None:
        """Say what is ahead; the first step begins now.

        Args:
            config: the model's configuration.
            steps: conversations of each step.
            settings: the recipe.
            done: steps that earlier parts have done.
            state: of the earlier parts, from `state`.
        """
        self._before = Totals(**state) if state else Totals()
        self._steps = [_planned(batch, settings, processes.world()) for batch in steps]
        self._flops = _flops(config, steps, settings.lora_rank > 0)
        self._device = devices.name()
        self._peak = devices.peak_flops(self._device)
        self._first = processes.rank() == 0
        self._left = sum(step.tokens for step in self._steps[done:])
        if self._first:
            log.info("%s", _announcement(steps, self._steps))
        self._progress = Progress(len(steps), done) if self._first else None
        self._events = Events(self.events, done) if self._first and self.events else None
        self._energy = devices.energy()
        self._now = Totals(runs=1, start_up_seconds=devices.process_age())
        self._last = time.perf_counter()

    def step(self, number: int, parts: Parts, rate: float) -> None:
        """A step is over.

        Args:
            number: from 1.
            parts: its losses.
            rate: its learning rate.
        """
        now, plan, totals = time.perf_counter(), self._steps[number - 1], self._now
        seconds, self._last = now - self._last, now
        loss, bearing = parts[("all", "all")]
        totals.steps += 1
        totals.conversations += plan.conversations
        totals.tokens += plan.tokens
        totals.loss_tokens += bearing
        totals.positions += plan.positions
        totals.training_seconds += seconds
        if totals.steps > WARM_UP:
            totals.steady_tokens += plan.tokens
            totals.steady_seconds += seconds
        self._left -= plan.tokens
        if self._progress:
            self._progress.step(number, self._facts(loss / bearing, plan))
        if self._events:
            self._events.step(number, parts, rate, plan.tokens / seconds)

    def state(self) -> dict[str, Any]:
        """The sums so far, for a snapshot; all processes ask together."""
        return asdict(self._before + self._part())

    def finish(self) -> dict[str, Any]:
        """The record of the whole run; all processes ask together."""
        if self._progress:
            self._progress.close()
        if self._events:
            self._events.close()
        total = self._before + self._part()
        places = processes.together(lambda: self._device, "devices")
        steady = _steady(total)
        return {
            "tokens_per_second": {"steady": steady, "end_to_end": total.tokens / total.wall_seconds},
            "padding_share": 1 - total.tokens / max(1, total.positions),
            "conversations_per_step": total.conversations / max(1, total.steps),
            "mfu": self._utilisation(steady),
            "totals": asdict(total),
            "world_size": processes.world(),
            "devices": {place: places.count(place) for place in sorted(set(places))},
            "versions": devices.versions(),
        }

    def _part(self) -> Totals:
        """The sums of this part, memory and energy over all processes."""
        used = devices.energy()
        energy = None if None in (used, self._energy) else used - self._energy
        each = processes.together(lambda: (devices.peak_memory(), energy), "measurement")
        energies = [joules for _, joules in each]
        found = {
            "wall_seconds": devices.process_age(),
            "peak_memory_bytes": max(memory for memory, _ in each),
            "energy_joules": None if None in energies else sum(energies),
        }
        return Totals(**(asdict(self._now) | found))

    def _facts(self, loss: float, plan: Step) -> str:
        speed = _steady(self._now)
        told = [f"loss {loss:.4f}", f"{plan.conversations} conversations", f"{speed:,.0f} tokens/s"]
        if self._peak and self._flops:
            told.append(f"MFU {mfu(speed, self._flops, processes.world(), self._peak):.1%}")
        return ", ".join([*told, f"{clock(self._left / speed)} left"])

    def _utilisation(self, steady: float) -> dict[str, Any]:
        known = self._flops is not None and self._peak is not None
        return {
            "value": mfu(steady, self._flops, processes.world(), self._peak) if known else None,
            "formula": FORMULA,
            "flops_per_token": self._flops,
            "peak_flops": self._peak,
        }


def _planned(batch: list[Example], settings: Settings, world: int) -> Step:
    tokens = sum(len(example) for example in batch)
    rows = ([sum(len(example) for example in row) for row in share] for share in shares(batch, settings, world))
    return Step(len(batch), tokens, sum(len(lengths) * max(lengths) for lengths in rows))


def _announcement(steps: list[list[Example]], planned: list[Step]) -> str:
    """How full the packed rows will be, and how full rows of one conversation would be."""
    alone = sum(len(batch) * max(len(example) for example in batch) for batch in steps)
    tokens, positions = sum(step.tokens for step in planned), sum(step.positions for step in planned)
    mean = sum(step.conversations for step in planned) / len(planned)
    return (
        f"{len(steps)} steps of {mean:.4g} conversations, {tokens:,} tokens: packed rows waste "
        f"{1 - tokens / positions:.1%} of their positions, one conversation a row would waste {1 - tokens / alone:.1%}"
    )


def _flops(config: Any, steps: list[list[Example]], lora: bool) -> float | None:
    """Operations a token; a token sees half of its own conversation, so long ones weigh by their tokens."""
    lengths = [len(example) for batch in steps for example in batch]
    try:
        shape = LlamaShape.from_config(config.to_dict())
    except KeyError:
        return None  # not a decoder of Llama's kind
    return flops_per_token(shape, sum(length * length for length in lengths) / sum(lengths), lora)


def _steady(total: Totals) -> float:
    """Useful tokens per second after the warm-up; of all steps where a run is too short to have a steady part."""
    if total.steady_seconds:
        return total.steady_tokens / total.steady_seconds
    return total.tokens / total.training_seconds if total.training_seconds else 0.0
