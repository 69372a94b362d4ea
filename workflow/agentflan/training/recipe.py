"""The settings of one training run, checked before any time is spent, and the learning rate that follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from agentflan.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """What a run may be told (Table 5, Appendix A). Defaults are the paper's where it gives one."""

    lr: float = 2e-5
    warmup_lr: float = 4e-6
    warmup_share: float = 0.03
    schedule: str = "cosine"
    epochs: float = 1.0
    batch: int = 32  # conversations in a global batch
    max_length: int = 4096  # tokens of the context
    row_length: int = 0  # tokens of a packed row; 0: the context
    rows_per_pass: int = 0  # packed rows in one forward pass; 0: all rows of the global batch
    beta2: float = 0.999
    weight_decay: float = 0.0
    clip: float = 1.0
    dtype: str = "float32"
    zero: int = 0
    offload: str = "none"  # or "optimizer": fp32 weights and Adam states on the host
    checkpoint_activations: bool = False  # compute activations anew in the backward pass
    threads: int = 1
    seed: int = 0
    template: str = "llama2"

    @staticmethod
    def from_json(values: dict[str, Any]) -> Settings:
        """Check the values.

        Raises:
            ConfigError: all unknown keys and impossible values at once.
        """
        known = {field.name for field in fields(Settings)}
        problems = [
            f"--settings: unknown key {key!r}; known: {', '.join(sorted(known))}" for key in values if key not in known
        ]
        if not problems:
            settings = Settings(**values)
            problems = settings._problems()
        if problems:
            raise ConfigError(problems)
        return settings

    def _problems(self) -> list[str]:
        rules = {
            "lr": self.lr > 0,
            "warmup_lr": 0 <= self.warmup_lr <= self.lr,
            "warmup_share": 0 <= self.warmup_share < 1,
            "schedule": self.schedule in ("cosine", "constant"),
            "epochs": self.epochs > 0,
            "batch": self.batch >= 1,
            "max_length": self.max_length >= 2,
            "row_length": self.row_length == 0 or self.row_length >= self.max_length,
            "beta2": 0 < self.beta2 < 1,
            "clip": self.clip >= 0,
            "dtype": self.dtype in ("float32", "bfloat16"),
            "zero": self.zero in (0, 1, 2, 3),
            "offload": self.offload == "none" or (self.offload == "optimizer" and self.zero in (1, 2, 3)),
            "checkpoint_activations": isinstance(self.checkpoint_activations, bool),
            "threads": self.threads >= 1,
        }
        return [
            f"--settings: {key}: impossible value {getattr(self, key)!r}" for key, right in rules.items() if not right
        ]

    def learning_rate(self, step: int, steps: int) -> float:
        """The learning rate of a step: linear from `warmup_lr` to the peak, then the schedule.

        Args:
            step: from 0.
            steps: of the whole run.
        """
        warm = max(1, round(self.warmup_share * steps))
        if step < warm:
            return self.warmup_lr + (self.lr - self.warmup_lr) * (step + 1) / warm
        if self.schedule == "constant":
            return self.lr
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - warm + 1) / (steps - warm + 1)))
