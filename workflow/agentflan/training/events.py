"""TensorBoard events of a run: the loss of each group, the learning rate, the speed."""

from __future__ import annotations

from pathlib import Path

from agentflan.training.loss import Parts


class Events:
    """Writes events; the steps of an earlier part that a resumed run repeats are hidden.

    Args:
        folder: where the event files go, one a part of the run.
        done: steps that are done before.
    """

    def __init__(self, folder: Path, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def step(self, number: int, parts: Parts, rate: float, tokens_per_second: float) -> None:
        """Mean loss of each group (natural log), learning rate and useful tokens per second of a step (from 1)."""
        for (kind, group), (loss, tokens) in parts.items():
            self._writer.add_scalar(f"loss/{kind}/{group.replace(' ', '_')}", loss / tokens, number)
        self._writer.add_scalar("learning_rate", rate, number)
        self._writer.add_scalar("tokens_per_second", tokens_per_second, number)

    def close(self) -> None:
        """Write what is still held back."""
        self._writer.close()
