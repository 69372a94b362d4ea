"""How many tokens a fine-tune trains on: counted where the mixture has been built, else an estimate that says so.

The estimate leans on numbers that others published; they plan machine time and stand in no result.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agentflan.files import read_json
from agentflan.study import Condition, Study

COUNTED = "counted"
ESTIMATED = "estimated from published numbers"

# Agent tokens by condition, millions: the paper's Table 2, column "Tokens (M)".
PUBLISHED_TOKENS = {
    "AgentTuning*": 19.2,  # its row "ReAct (Baseline)"
    "Align-Chat (All)": 37.3,
    "All - Reasoning": 32.4,
    "All - Retrieval": 36.2,
    "All - Understand": 35.4,
    "All - Inst.": 28.4,
    "All (Weighted)": 18.1,
}
WEIGHTED = "All (Weighted)"  # stands for conditions that Table 2 does not have: all of them are made from it

# Conversations: the paper's Table 6; FireAct's rows as its file holds them; ShareGPT's in the pinned copy.
PUBLISHED_SAMPLES = {
    "os": 195,
    "db": 538,
    "kg": 300,
    "webshop": 351,
    "alfworld": 336,
    "mind2web": 116,
    "toolbench": 22_867,
    "fireact": 500,
}
SHAREGPT_CONVERSATIONS = 94_145

TRAJECTORY_TOKENS = 950  # mean of 1,047 public AgentInstruct trajectories, 3.3 characters a token assumed
CONVERSATION_TOKENS = 1400  # mean of a ShareGPT conversation cut to the context. Assumed


@dataclass(frozen=True)
class Workload:
    """A training set as planning sees it."""

    tokens: int
    conversations: int
    source: str  # COUNTED or ESTIMATED

    @property
    def mean(self) -> float:
        """Tokens of a conversation."""
        return self.tokens / max(1, self.conversations)


def workload(study: Study, name: str, condition: Condition, results: Path) -> Workload | None:
    """Tokens and conversations of a condition's training set.

    Returns:
        The counts of `results/<study>/mixed/`, else an estimate, else None: an embedded world has no published figure.
    """
    mixed = results / study.name / "mixed"
    tokens, counts = mixed / f"{name}.tokens.json", mixed / f"{name}.counts.json"
    if tokens.is_file() and counts.is_file():
        return Workload(read_json(tokens)["all"], read_json(counts)["total"]["samples"], COUNTED)
    return None if study.world else estimate(study, condition)


def estimate(study: Study, condition: Condition) -> Workload:
    """Tokens and conversations from published numbers; negative samples, some hundreds, are left out."""
    if condition.form == "none":
        return Workload(SHAREGPT_CONVERSATIONS * CONVERSATION_TOKENS, SHAREGPT_CONVERSATIONS, ESTIMATED)
    datasets = condition.datasets or study.agent_datasets
    samples = condition.fraction * sum(PUBLISHED_SAMPLES.get(name, 0) for name in datasets)
    millions = PUBLISHED_TOKENS.get(condition.label, PUBLISHED_TOKENS[WEIGHTED])
    agent = samples * TRAJECTORY_TOKENS if condition.datasets else condition.fraction * millions * 1e6
    general = _general_samples(condition, samples, agent)
    tokens = agent + general * CONVERSATION_TOKENS
    return Workload(round(tokens), round(samples + general), ESTIMATED)


def _general_samples(condition: Condition, samples: float, tokens: float) -> float:
    wanted = samples if condition.general.by == "sample" else tokens / CONVERSATION_TOKENS
    return min(SHAREGPT_CONVERSATIONS, condition.general.ratio * wanted)
