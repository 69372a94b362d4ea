"""The aggregate scores of the paper: HELD-IN, Overall and H_Score, as far as they can be reconstructed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# The divisors of HELD-IN: the mean score (percent) of AgentTuning's five untuned models, GPT-3.5, GPT-4 and three sizes
# of Llama-2-chat, on each task. AgentTuning prints them rounded (20, 28, 9, 16, 19, 12); only the unrounded means
# reproduce all eight published aggregates.
HELD_IN_WEIGHTS: Mapping[str, float] = {
    "alfworld": 20.40,
    "webshop": 27.78,
    "mind2web": 8.90,
    "kg": 15.86,
    "os": 19.14,
    "db": 11.92,
}
# The benchmarks that measure these tasks.
HELD_IN_BENCHMARKS: Mapping[str, str] = {task: f"agentbench_{task}" for task in HELD_IN_WEIGHTS}


def held_in(scores: Mapping[str, float]) -> float:
    """HELD-IN of Table 1: the mean over the six tasks of score divided by weight.

    Args:
        scores: percent by task; exactly the six tasks of `HELD_IN_WEIGHTS`, because the paper has no partial aggregate.

    Raises:
        ValueError: a task is missing or unknown.
    """
    if set(scores) != set(HELD_IN_WEIGHTS):
        raise ValueError(f"HELD-IN is of {sorted(HELD_IN_WEIGHTS)}, found {sorted(scores)}")
    return sum(scores[task] / weight for task, weight in HELD_IN_WEIGHTS.items()) / len(HELD_IN_WEIGHTS)


def overall(held_out: Sequence[float]) -> float:
    """Overall of Table 1: the plain mean of the five held-out columns, Agent-H included, HELD-IN not.

    Raises:
        ValueError: not five values; there is no partial Overall.
    """
    if len(held_out) != 5:
        raise ValueError(f"Overall is of five held-out columns, found {len(held_out)}")
    return sum(held_out) / 5


def h_score(h_react: float, h_general: float) -> float:
    """Eq. 1 in percent: how rarely a reply that should be plain text looks like a call."""
    return 0.5 * ((100 - h_react) + (100 - h_general))
