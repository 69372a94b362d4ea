"""Measure training: our trainer packed and padded, `transformers.Trainer`, a bare PyTorch loop, all in one run.

Llama models of random weights on made-up conversations as long as AgentInstruct's (log-normal around 950 tokens of
4,096, a quarter of them bear loss), 32 in a global batch. Each run is a process of its own; they take turns, and the
median of each counts. On a CPU seconds are those that the processor gave, so that other programs do not count.
`speed_up` is useful tokens a second of the packed run over those of the row. On a GPU the layout is the planner's, its
memory stands beside what was measured, and MFU is of the GPU's dense bf16 peak.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentflan.arguments import OutputPath, json_object
from agentflan.errors import AgentFlanError, ConfigError
from agentflan.files import atomic_write, read_json, write_json, write_jsonl
from agentflan.randomness import generator
from agentflan.training.memory import GIB, OVERHEAD, Job, Layout, memory
from agentflan.training.shape import LlamaShape

if TYPE_CHECKING:
    from agentflan.training.data import Example
    from agentflan.training.recipe import Settings

PACKED, PADDED, TRAINER, LOOP = "packed", "padded", "transformers.Trainer", "bare loop"
COLUMNS = (
    *("run", "tokens_per_second", "speed_up", "seconds_a_step", "padding_share", "peak_gib", "planned_gib", "mfu"),
    *("decomposition_share", "start_up_seconds", "start_up_processor_seconds", "status", "device", "versions"),
)
# Name → (shape, positions, packed rows in a pass, padded conversations in a pass); 0: all of the batch.
SHAPES = {
    "tiny": (LlamaShape(1536, 96, 288, 2, 4, 4, True), 1024, 0, 0),  # that of the study `mini`
    "1b": (LlamaShape(32_000, 2048, 5632, 22, 32, 4), 4096, 4, 8),  # TinyLlama's
    "7b": (LlamaShape(32_000, 4096, 11_008, 32, 32, 32), 4096, 1, 4),  # Llama-2's
}
BATCH = 32
# AgentInstruct, fitted to 200 public trajectories: the spread of the logarithm of their lengths, the share of replies.
MEAN_TOKENS, SPREAD, REPLIES = 950 / 4096, 0.55, 0.26
VOCABULARY = 1536  # of the tokenizer that is trained for the measurement
_WORDS = [first + vowel + second for first in "bdfgklmnprst" for vowel in "aeiou" for second in "nrst"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--shape", choices=SHAPES, default="tiny", help="of the model (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=15, help="global batches; the first three are not timed")
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is made (default: %(default)s)")
    parser.add_argument("--settings", default="{}", help="changes to the recipe, as JSON: see train_checkpoint")
    parser.add_argument("--out", type=OutputPath, required=True, help="figures, CSV")


def run(arguments: argparse.Namespace) -> str:
    """Make all runs, by turns.

    Raises:
        ConfigError: too few steps, or an impossible setting.
        AgentFlanError: one of our runs failed.
    """
    if arguments.steps < 5 or arguments.rounds < 1:
        raise ConfigError([f"--steps {arguments.steps} --rounds {arguments.rounds}: expected at least 5 and 1"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _in_process(folder, lambda: _prepare(folder, arguments))
        runs = {PACKED: _packed, PADDED: _padded, TRAINER: _trainer, LOOP: _loop}
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in runs}
        for _ in range(arguments.rounds):
            for name, work in runs.items():
                found[name].append(_in_process(folder, lambda work=work: work(folder, arguments)))
        starts = [_in_process(folder, lambda: _start(folder)) for _ in range(arguments.rounds)]
    rows = _rows(found, starts)
    with atomic_write(arguments.out) as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return "\n".join(
        [*map(_line, rows), f"{rows[0]['device']}, {rows[0]['versions']}", f"{arguments.out}: {len(rows)} runs"]
    )


def _in_process(folder: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do it in a forked process, which imports PyTorch for itself, and wait for what it finds."""
    place = folder / "found.json"
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            write_json(place, work())
            code = 0
        except AgentFlanError as error:
            print(f"agentflan measure_training_speed: {error}", file=sys.stderr)
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(process, 0)
    if status:
        raise AgentFlanError("a run failed; its message stands above")
    return read_json(place)


# ---- what is trained -------------------------------------------------------------------------------------------------


def _prepare(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Conversations and a tokenizer."""
    from agentflan.training.tokenizer import train_tokenizer

    length = SHAPES[arguments.shape][1]
    rows = [_conversation(number, length) for number in range(BATCH * arguments.steps)]
    write_jsonl(folder / "data.jsonl", rows)
    texts = (turn["content"] for row in rows[:200] for turn in row["turns"])
    return {"vocabulary": train_tokenizer(texts, VOCABULARY, "llama2", folder / "tokenizer")}


def _conversation(number: int, length: int) -> dict[str, Any]:
    """Questions and replies by turns; a reply's words belong to three capabilities."""
    random = generator("training speed", number)
    tokens = length * MEAN_TOKENS * random.lognormvariate(-(SPREAD**2) / 2, SPREAD)
    pairs = max(1, round(tokens / 150))
    asked, replied = (max(3, round(tokens * share / pairs)) for share in (1 - REPLIES, REPLIES))
    turns: list[dict[str, Any]] = []
    for _ in range(pairs):
        turns.append({"role": "user", "content": " ".join(random.choices(_WORDS, k=asked))})
        parts = [" ".join(random.choices(_WORDS, k=max(1, replied // 3))) + " " for _ in range(3)]
        names = ("reasoning", "retrieval", "understanding")
        spans = [[len(part), name, int(name == "retrieval")] for part, name in zip(parts, names, strict=True)]
        turns.append({"role": "assistant", "content": "".join(parts), "loss": True, "spans": spans})
    dataset = ("os", "db", "kg", "webshop", "alfworld")[number % 5]
    return {"id": str(number), "dataset": dataset, "stream": "chat", "turns": turns}


def _examples(folder: Path, settings: Settings) -> list[Example]:
    from transformers import AutoTokenizer

    from agentflan.training.data import read_examples

    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    return read_examples([folder / "data.jsonl"], tokenizer, settings.template, settings.max_length, "assistant")[0]


def _recipe(arguments: argparse.Namespace) -> Settings:
    """As the study `mini` trains on a CPU, one row a step; on a GPU as the paper does, laid out by the planner."""
    import torch

    from agentflan.training.recipe import Settings

    shape, length, rows, _ = SHAPES[arguments.shape]
    values: dict[str, Any] = {"lr": 1e-3, "warmup_lr": 1e-4, "max_length": length, "rows_per_pass": rows}
    if not rows:  # a pass is the whole batch: one row of it needs no padding, and attention is by conversation
        values["row_length"] = BATCH * length
    if torch.cuda.is_available():
        values |= {"dtype": "bfloat16"} | _planned(shape, length, rows)
    return Settings.from_json(values | json_object(arguments.settings, "--settings"))


def _planned(shape: LlamaShape, length: int, rows: int) -> dict[str, Any]:
    from importlib.util import find_spec

    import torch

    from agentflan.training.choice import Limits, Wish, choose

    fused = find_spec("liger_kernel") is not None
    job = Job(shape, 1, length, rows or BATCH, fused_layers=fused)
    limits = Limits(
        torch.cuda.get_device_properties().total_memory, 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    )
    return asdict(choose("the model", job, limits, Wish())) | {"fused_layers": fused}


# ---- the runs --------------------------------------------------------------------------------------------------------


def _packed(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    return _ours(folder, arguments, _recipe(arguments))


def _padded(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    return _ours(
        folder, arguments, replace(_recipe(arguments), packing=False, rows_per_pass=SHAPES[arguments.shape][3])
    )


def _ours(folder: Path, arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    from agentflan.training import speed

    shape, examples = SHAPES[arguments.shape][0], _examples(folder, settings)
    laps, record = speed.ours(shape, examples, settings, folder / "events")
    found = _measured(laps, examples, settings)
    return found | {
        "padding_share": record["padding_share"],
        "planned_gib": _planned_gib(shape, settings),
        "mfu": _mfu(record, found["tokens_per_second"]),
        "decomposition_share": record["decomposition_share"],
    }


def _trainer(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    from agentflan.training import speed

    settings = _recipe(arguments)
    shape, _, _, rows = SHAPES[arguments.shape]
    examples = _examples(folder, settings)
    try:
        laps = speed.transformers_trainer(shape, examples, settings, folder / "trainer", rows or BATCH)
    except torch.cuda.OutOfMemoryError:
        return {"status": "not run: out of memory"}
    return _measured(laps, examples, settings)


def _loop(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    from agentflan.training import speed

    settings = _recipe(arguments)
    examples = _examples(folder, settings)
    return _measured(speed.bare_loop(SHAPES[arguments.shape][0], examples, settings), examples, settings)


def _start(folder: Path) -> dict[str, Any]:
    """The command itself, on the smallest model."""
    from agentflan.training import speed

    shape = {"hidden_size": 96, "layers": 2, "heads": 4, "intermediate": 288, "max_length": 4096}
    line = ["train_checkpoint", "--from-scratch", json.dumps(shape), "--tokenizer", str(folder / "tokenizer")]
    line += ["--data", str(folder / "data.jsonl"), "--settings", json.dumps({"epochs": 0.1})]
    seconds, processor = speed.start_up([*line, "--out", str(folder / "tuned"), "--losses", str(folder / "losses")])
    return {"start_up_seconds": seconds, "start_up_processor_seconds": processor}


def _measured(laps: Any, examples: list[Example], settings: Settings) -> dict[str, Any]:
    from agentflan.training import devices, speed

    seconds, steps = laps.seconds(), len(laps.ends) - speed.WARM_UP
    return {
        "tokens_per_second": speed.useful_tokens(examples, settings) / seconds,
        "seconds_a_step": seconds / steps,
        "peak_gib": devices.peak_memory() / GIB,
        "device": devices.name(),
        "versions": ", ".join(f"{name} {version}" for name, version in devices.versions().items()),
    }


def _planned_gib(shape: LlamaShape, settings: Settings) -> float | None:
    """What the planner expects PyTorch to hold at most; nothing on a CPU, where the interpreter counts too."""
    import torch

    if not torch.cuda.is_available():
        return None
    job = Job(
        shape,
        1,
        settings.max_length,
        settings.rows_per_pass or BATCH,
        settings.dtype,
        fused_layers=settings.fused_layers,
    )
    layout = Layout(settings.zero, settings.offload, settings.checkpoint_activations)
    return (memory(job, layout).peak - OVERHEAD) / GIB


def _mfu(record: dict[str, Any], tokens_per_second: float) -> float | None:
    facts = record["mfu"]
    return facts["flops_per_token"] * tokens_per_second / facts["peak_flops"] if facts["peak_flops"] else None


# ---- the table -------------------------------------------------------------------------------------------------------


def _rows(found: dict[str, list[dict[str, Any]]], starts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = [{"run": name, "status": "run"} | _median(each) for name, each in found.items()]
    for row in rows:
        if "tokens_per_second" in row:
            row["speed_up"] = rows[0]["tokens_per_second"] / row["tokens_per_second"]
    rows[0] |= _median(starts)
    return [{key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows]


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each figure; words are those of the first run, and what is not known is left out."""
    known = {key: [run[key] for run in runs] for key, value in runs[0].items() if value is not None}
    return {key: statistics.median(each) if isinstance(each[0], float) else each[0] for key, each in known.items()}


def _line(row: dict[str, Any]) -> str:
    facts = [f"{key} {row[key]}" for key in COLUMNS[1:-2] if row.get(key, "run") != "run"]
    return f"{row['run']:22}{', '.join(facts)}"
