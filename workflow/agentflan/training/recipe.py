"""The settings of one training run, checked before any time is spent, and the learning rate that follows from them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from agentflan.errors import ConfigError

Rule = tuple[str, Callable[[Any], bool]]


def _one_of(*values: Any) -> Rule:
    return " or ".join(map(str, values)), lambda value: any(value is known or value == known for known in values)


def _whole(least: int) -> Rule:
    return f"a whole number of at least {least}", lambda value: type(value) is int and value >= least


def _number(words: str, right: Callable[[float], bool]) -> Rule:
    return words, lambda value: type(value) in (int, float) and math.isfinite(value) and right(value)


_POSSIBLE: dict[str, Rule] = {
    "lr": _number("a number over 0", lambda value: value > 0),
    "warmup_lr": _number("a number of at least 0", lambda value: value >= 0),
    "warmup_share": _number("a share of the steps: at least 0, under 1", lambda value: 0 <= value < 1),
    "schedule": _one_of("cosine", "constant"),
    "epochs": _number("a number over 0", lambda value: value > 0),
    "batch": _whole(1),
    "max_length": _whole(2),
    "row_length": _whole(0),
    "rows_per_pass": _whole(0),
    "packing": ("true or false", lambda value: isinstance(value, bool)),
    "beta2": _number("a decay between 0 and 1", lambda value: 0 < value < 1),
    "weight_decay": _number("a number of at least 0", lambda value: value >= 0),
    "clip": _number("a norm of at least 0", lambda value: value >= 0),
    "dtype": _one_of("float32", "bfloat16"),
    "zero": _one_of(0, 1, 2, 3),
    "offload": _one_of("none", "optimizer"),
    "checkpoint_activations": ("true or false", lambda value: isinstance(value, bool)),
    "fused_layers": ("true or false", lambda value: isinstance(value, bool)),
    "lora_rank": _whole(0),
    "lora_alpha": _number("a number over 0", lambda value: value > 0),
    "threads": _whole(1),
    "seed": _whole(0),
    "max_shard_size": (
        "a size such as 5GB or 500MB",
        lambda value: bool(re.fullmatch(r"[1-9]\d*(\.\d+)?(GB|MB|KB|GiB|MiB|KiB)", value)),
    ),
}


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
    packing: bool = True  # else one conversation a row, padded to the longest of the pass
    beta2: float = 0.999
    weight_decay: float = 0.0
    clip: float = 1.0
    dtype: str = "float32"
    zero: int = 0
    offload: str = "none"  # or "optimizer": fp32 weights and Adam states on the host
    checkpoint_activations: bool = False  # compute activations anew in the backward pass
    fused_layers: bool = False  # norms, rotations and activations by liger-kernel, on GPUs
    lora_rank: int = 0  # of low-rank additions, which alone are trained; 0: all weights are
    lora_alpha: float = 32.0  # the additions are scaled by alpha / rank
    threads: int = 1
    seed: int = 0
    template: str = "llama2"
    max_shard_size: str = "5GB"  # of one file of weights, at most

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
        """One sentence for each value that is impossible."""
        problems = []
        for key, (expected, right) in _POSSIBLE.items():
            value = getattr(self, key)
            try:
                possible = right(value)
            except TypeError:
                possible = False
            if not possible:
                problems.append(self._problem(key, expected))
        return problems or self._contradictions()

    def _contradictions(self) -> list[str]:
        """Values that are possible, but not together."""
        rules = {
            "warmup_lr": (f"at most lr, {self.lr!r}", self.warmup_lr <= self.lr),
            "row_length": (
                f"0, or at least max_length, {self.max_length!r}",
                self.row_length == 0 or self.row_length >= self.max_length,
            ),
            "offload": ("none where zero is 0", self.offload == "none" or self.zero > 0),
            "zero": ("at most 2 with lora_rank: ZeRO-3 cannot merge", self.lora_rank == 0 or self.zero < 3),
            # DeepSpeed's optimizer for it is that of fp16, which lets Adam count a step before the first.
            "dtype": ("float32 where zero is 0", self.dtype == "float32" or self.zero > 0),
        }
        return [self._problem(key, expected) for key, (expected, right) in rules.items() if not right]

    def _problem(self, key: str, expected: str) -> str:
        return f"--settings: {key}: impossible value {getattr(self, key)!r}; expected {expected}"

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


def engine_configuration(settings: Settings) -> dict[str, Any]:
    """DeepSpeed's configuration: where states lie, and fp32 sums of bf16 gradients, as the memory model assumes."""
    bf16 = settings.dtype == "bfloat16"
    zero: dict[str, Any] = {"stage": settings.zero}
    if settings.offload == "optimizer":
        zero["offload_optimizer"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": 1,  # packed rows vary; the loop scales the loss by tokens itself
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.clip,
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "bf16": {"enabled": bf16},
        **({"data_types": {"grad_accum_dtype": "fp32"}} if bf16 and settings.zero else {}),
    }
