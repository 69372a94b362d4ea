"""The same fine-tune by four means, timed: our trainer packed and padded, `transformers.Trainer`, a bare PyTorch loop.

All train a model of the same shape from random weights on the same global batches. What is right about ours is tested
elsewhere; here only its cost counts. Each is meant to run in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from agentflan.errors import AgentFlanError
from agentflan.training import attention, devices, trainer
from agentflan.training.data import Example, batches, shares
from agentflan.training.events import Events
from agentflan.training.loss import GroupTable, Row, pack, token_losses
from agentflan.training.meter import Meter
from agentflan.training.model import fuse_layers
from agentflan.training.recipe import Settings
from agentflan.training.shape import CONFIG_KEYS, LlamaShape

WARM_UP = 3  # steps that are not timed


@dataclass
class Laps:
    """When the steps of a run ended.

    On a CPU seconds are those that the processor gave to this process, so that other programs do not count; on a GPU
    those of the clock.
    """

    ends: list[float] = field(default_factory=list)

    def end(self) -> None:
        """A step is over."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter() if torch.cuda.is_available() else time.process_time())

    def seconds(self) -> float:
        """Of all steps after the warm-up."""
        return self.ends[-1] - self.ends[WARM_UP - 1]


class _TimedMeter(Meter):
    """A meter that marks the laps too."""

    def __init__(self, laps: Laps, events: Path | None = None) -> None:
        super().__init__(events)
        self._laps = laps

    def step(self, *facts: Any) -> None:
        """See `Meter.step`."""
        super().step(*facts)
        self._laps.end()


def new_model(shape: LlamaShape, length: int, dtype: str) -> Any:
    """A Llama of random weights, on the GPU if there is one.

    Args:
        shape: its sizes.
        length: positions.
        dtype: of its weights.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {key: getattr(shape, name) for name, key in CONFIG_KEYS.items()}
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            return LlamaForCausalLM(LlamaConfig(**sizes, max_position_embeddings=length))
    finally:
        torch.set_default_dtype(before)


def ours(shape: LlamaShape, examples: list[Example], settings: Settings, events: Path) -> tuple[Laps, dict[str, Any]]:
    """Our trainer: its laps, and what its meter says, with the share of the time that the parts of the loss take."""
    laps = Laps()
    meter = _TimedMeter(laps, events)
    model = new_model(shape, settings.max_length, settings.dtype)
    if settings.fused_layers:
        fuse_layers(model)
    with _stopwatch() as spent:
        trainer.train(model, examples, settings, 0, meter=meter)
    record = meter.finish()
    return laps, record | {"decomposition_share": spent() / record["totals"]["training_seconds"]}


def start_up(command_line: list[str]) -> tuple[float, float]:
    """Run `agentflan` with a command line that trains; (seconds, processor seconds) until its first step."""
    from agentflan.cli import main

    found: list[float] = []
    start = Meter.start

    def started(meter: Meter, *facts: Any) -> None:
        start(meter, *facts)
        found.extend([devices.process_age(), time.process_time()])

    Meter.start = started  # type: ignore[method-assign]
    try:
        if main(command_line):
            raise AgentFlanError("the fine-tune whose start is timed failed; its message stands above")
    finally:
        Meter.start = start  # type: ignore[method-assign]
    return found[0], found[1]


@contextmanager
def _stopwatch() -> Iterator[Callable[[], float]]:
    """Counts the seconds that go into the parts of the loss: group numbers, sums, rows, events."""
    spent = [0.0]
    places: list[tuple[Any, str]] = [(GroupTable, name) for name in ("numbers", "sums", "parts")]
    places += [(trainer, "_loss_rows"), (Events, "step")]
    before = [getattr(place, name) for place, name in places]

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            begin = time.perf_counter()
            try:
                return work(*arguments)
            finally:
                spent[0] += time.perf_counter() - begin

        return run

    for (place, name), work in zip(places, before, strict=True):
        setattr(place, name, timed(work))
    try:
        yield lambda: spent[0]
    finally:
        for (place, name), work in zip(places, before, strict=True):
            setattr(place, name, work)


def bare_loop(shape: LlamaShape, examples: list[Example], settings: Settings) -> Laps:
    """The least that the same rows cost: forward, backward, clipping, AdamW. The rows are packed before."""
    laps, model = Laps(), new_model(shape, settings.max_length, settings.dtype)
    model.set_attn_implementation(attention.NAME)
    model.train()
    if settings.fused_layers:
        fuse_layers(model)
    if settings.checkpoint_activations:
        model.activation_checkpointing_enable({"use_reentrant": False})
    torch.set_num_threads(settings.threads)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, betas=(0.9, settings.beta2), fused=True)
    table = GroupTable()
    steps = [
        [pack(rows, table, 0) for rows in shares(batch, settings, 1)]
        for batch in batches(examples, settings.batch, settings.epochs, settings.seed)
    ]
    for rows in steps:
        bearing = sum(int((row.labels != -100).sum()) for row in rows)
        for row in rows:
            losses, _ = token_losses(model, Row(*(part.to(model.device) for part in row)))
            (losses.sum() / bearing).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        laps.end()
    return laps


def transformers_trainer(
    shape: LlamaShape, examples: list[Example], settings: Settings, folder: Path, rows: int
) -> Laps:
    """`transformers.Trainer` with SDPA and a collator that pads each batch to its longest conversation.

    On a GPU as people run it: fp32 weights, bf16 arithmetic, activation checkpointing.

    Args:
        shape: of the model.
        examples: conversations.
        settings: the recipe.
        folder: for what it writes.
        rows: conversations in one pass.
    """
    from transformers import Trainer, TrainerCallback, TrainingArguments

    laps, gpu = Laps(), torch.cuda.is_available()

    class Mark(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            laps.end()

    order = [each for batch in batches(examples, settings.batch, settings.epochs, settings.seed) for each in batch]
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=settings.batch // rows,
        learning_rate=settings.lr,
        lr_scheduler_type="cosine",
        max_grad_norm=settings.clip,
        optim="adamw_torch_fused",
        bf16=gpu,
        gradient_checkpointing=gpu,
        use_cpu=not gpu,
        train_sampling_strategy="sequential",
        dataloader_pin_memory=gpu,
        num_train_epochs=1,
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    model = new_model(shape, settings.max_length, "float32")
    model.set_attn_implementation("sdpa")
    torch.set_num_threads(settings.threads)
    Trainer(model, arguments, train_dataset=order, data_collator=_padded, callbacks=[Mark()]).train()
    return laps


def _padded(batch: list[Example]) -> dict[str, torch.Tensor]:
    """A batch as its longest conversation is long; labels where a token bears loss."""
    length = max(len(example) for example in batch)
    padded = {name: torch.zeros(len(batch), length, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    labels = torch.full((len(batch), length), -100)
    for row, example in enumerate(batch):
        ids, loss = torch.from_numpy(example.input_ids).long(), torch.from_numpy(example.loss)
        padded["input_ids"][row, : len(ids)] = ids
        padded["attention_mask"][row, : len(ids)] = 1
        labels[row, : len(ids)] = torch.where(loss, ids, -100)
    return padded | {"labels": labels}


def useful_tokens(examples: list[Example], settings: Settings) -> int:
    """Tokens of the timed steps, padding not counted."""
    steps = list(batches(examples, settings.batch, settings.epochs, settings.seed))
    return sum(len(example) for batch in steps[WARM_UP:] for example in batch)
