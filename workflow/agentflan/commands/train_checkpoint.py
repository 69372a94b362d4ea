"""Train a model: fine-tune a folder of weights on a mixture, or train a Llama of a given shape from scratch.

Full-parameter training by DeepSpeed with packed sequences (paper Appendix A, Table 5). Writes a folder that
`AutoModelForCausalLM` loads and the losses by capability, format, stream and dataset for each step. Any number of
processes and nodes gives the same losses. Killed at any moment, the same command goes on from the newest snapshot;
SIGUSR1 asks for one, SIGTERM for one and the end (exit code 143).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentflan.arguments import InputPath, MeasuredPath, OutputPath, json_object
from agentflan.errors import ConfigError, FileError
from agentflan.files import sha256_of, write_json
from agentflan.provenance.hashing import Hasher

if TYPE_CHECKING:
    from agentflan.training.data import Counts, Example
    from agentflan.training.recipe import Settings
    from agentflan.training.snapshot import Snapshots

# Settings that say where the work is done, not what comes out: a run may go on with others.
LAYOUT = ("threads", "zero", "offload", "checkpoint_activations", "rows_per_pass", "packing", "max_shard_size")
log = logging.getLogger(__name__)


class _Done(str):
    """What is printed, with what is left to do once all is written and recorded.

    The snapshots stay until then: hashing 138 GB of a 70B takes minutes, and a job that is killed meanwhile begins
    again, from the newest snapshot.
    """

    when_recorded: Callable[[], None] | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--model", type=InputPath, help="folder of the weights to start from")
    start.add_argument("--from-scratch", help="shape as JSON: hidden_size, layers, heads, intermediate, max_length")
    parser.add_argument("--tokenizer", type=InputPath, help="tokenizer's folder; the model's own if not given")
    parser.add_argument(
        "--data", type=InputPath, nargs="+", required=True, help="JSON-lines files of conversations or texts"
    )
    parser.add_argument(
        "--record", type=InputPath, help="record of the mixture: its hash is checked, its condition kept"
    )
    parser.add_argument("--loss", choices=["assistant", "all"], default="assistant", help="which tokens bear loss")
    parser.add_argument(
        "--settings", default="{}", help="the recipe as JSON; keys are those of training.recipe.Settings"
    )
    parser.add_argument("--out", type=OutputPath, required=True, help="the checkpoint's folder")
    parser.add_argument("--losses", type=OutputPath, required=True, help="losses by group, Parquet")
    parser.add_argument("--throughput", type=MeasuredPath, help="speed, padding, memory and energy of the run, JSON")
    parser.add_argument("--events", type=MeasuredPath, help="folder of TensorBoard events")
    parser.add_argument("--snapshots", type=Path, help="folder for snapshots on the way; without it a kill loses all")
    parser.add_argument("--snapshot-every", type=int, default=0, help="steps between snapshots; 0: when signals ask")
    parser.add_argument("--keep", type=int, default=2, help="snapshots that stay (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=1, help="processes on each node, one a GPU")
    parser.add_argument("--nodes", type=int, default=1, help="nodes of the SLURM job that runs this")


def run(arguments: argparse.Namespace) -> str:
    """Check everything, train, save.

    Raises:
        ConfigError: an impossible setting.
        FileError: no tokenizer, or no conversation to train on.
    """
    from agentflan.training import launch
    from agentflan.training.recipe import Settings

    settings = Settings.from_json(json_object(arguments.settings, "--settings"))
    if launch.wanted(arguments.processes, arguments.nodes):
        launch.become(arguments.command_line, arguments.processes, arguments.nodes)
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads))
    from transformers import AutoTokenizer

    from agentflan.training import devices, processes
    from agentflan.training.checkpoint import padding_id, save_checkpoint, save_losses
    from agentflan.training.checks import check_kernels, check_model, check_record, check_tokenizer
    from agentflan.training.lora import merged
    from agentflan.training.meter import Meter
    from agentflan.training.trainer import train

    tokenizer_folder = arguments.tokenizer or arguments.model
    if tokenizer_folder is None:
        raise ConfigError(["--tokenizer: not given; a model from scratch needs one"])
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    check_kernels(settings)
    record = check_record(arguments.data[0], arguments.record) if arguments.record else {}
    check_tokenizer(tokenizer, settings.template)
    check_model(_config(arguments, tokenizer), tokenizer, settings)
    examples, counts = _examples(arguments, tokenizer, settings)
    processes.join()
    hashes = processes.told(_hashes(arguments) if processes.rank() == 0 else None)
    snapshots = _snapshots(arguments, settings, hashes)
    model = _model(arguments, tokenizer, settings)
    meter = Meter(arguments.events)
    losses = train(model, examples, settings, padding_id(tokenizer), snapshots, meter)
    model = merged(model) if settings.lora_rank else model
    card = {
        "condition": record and {"name": record["condition"], **record["settings"]},
        "template": settings.template,
        **{part: hashes[part] for part in ("base", "data")},
        "settings": asdict(settings),
        "counts": asdict(counts),
        "versions": devices.versions(),
    }
    save_losses(arguments.losses, losses)
    save_checkpoint(arguments.out, model, tokenizer_folder, settings, card)
    measured = meter.finish()
    if arguments.throughput and processes.rank() == 0:
        write_json(arguments.throughput, measured)
    last = [row for row in losses if row["kind"] == "all"][-1]
    done = _Done(f"{arguments.out}: {last['step']} steps, last loss {last['loss_sum'] / last['tokens']:.4f}")
    if snapshots:
        done.when_recorded = snapshots.remove
    return done


def _examples(arguments: argparse.Namespace, tokenizer: Any, settings: Settings) -> tuple[list[Example], Counts]:
    from agentflan.training.data import read_examples

    examples, counts = read_examples(arguments.data, tokenizer, settings.template, settings.max_length, arguments.loss)
    if not examples:
        raise FileError(arguments.data[0], "no conversation with a loss-bearing token", "at least one")
    log.info("%d conversations, %d tokens, %d bear loss", counts.conversations, counts.tokens, counts.loss_tokens)
    log.info(
        "%d cut at %d tokens, %d without loss skipped", len(counts.cut), settings.max_length, len(counts.without_loss)
    )
    return examples, counts


def _hashes(arguments: argparse.Namespace) -> dict[str, dict[str, str]]:
    """SHA-256 of every file that the weights follow from: the base model's, the tokenizer's, the training data's."""
    folders = {"base": arguments.model, "tokenizer": arguments.tokenizer}
    found = {part: Hasher().tree(folder) if folder else {} for part, folder in folders.items()}
    return found | {"data": {str(path): sha256_of(path) for path in arguments.data}}


def _snapshots(
    arguments: argparse.Namespace, settings: Settings, hashes: dict[str, dict[str, str]]
) -> Snapshots | None:
    """The snapshots of this very run: their folder is named after all that the weights follow from."""
    from agentflan.training.snapshot import Snapshots

    if arguments.snapshots is None:
        return None
    folder = arguments.snapshots / _identity(arguments, settings, hashes)
    return Snapshots(folder, arguments.snapshot_every, arguments.keep)


def _identity(arguments: argparse.Namespace, settings: Settings, hashes: dict[str, dict[str, str]]) -> str:
    facts = {
        "files": [sorted(files.values()) for files in hashes.values()],
        "from_scratch": arguments.from_scratch,
        "loss": arguments.loss,
        "settings": {key: value for key, value in asdict(settings).items() if key not in LAYOUT},
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _config(arguments: argparse.Namespace, tokenizer: Any) -> Any:
    from agentflan.training.model import llama_config, read_config

    if arguments.model is not None:
        return read_config(arguments.model)
    return llama_config(json_object(arguments.from_scratch, "--from-scratch"), tokenizer)


def _model(arguments: argparse.Namespace, tokenizer: Any, settings: Settings) -> Any:
    from agentflan.training.lora import with_additions
    from agentflan.training.model import fuse_layers, load_model, model_from_scratch

    if arguments.model is not None:
        model = load_model(arguments.model, settings)
    else:
        model = model_from_scratch(json_object(arguments.from_scratch, "--from-scratch"), tokenizer, settings.seed)
    if settings.fused_layers:
        fuse_layers(model)
    return with_additions(model, settings) if settings.lora_rank else model
