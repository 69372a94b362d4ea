"""Turn a dataset's filtered trajectories into natural dialogue (paper §4.1).

Reads one JSON line a trajectory and writes two files with the same trajectories: the dialogue, and the original format
with spans that say which text is format and which capability the rest trains.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path

from agentflan import chat, datasets
from agentflan.arguments import InputPath, OutputPath
from agentflan.errors import ConfigError, RecordError
from agentflan.files import atomic_write, dump_line
from agentflan.records import Trajectory, read_trajectories, to_json

_REMEMBERED_REPLIES = 512  # both forms read each reply, and neighbouring ToolBench records share most of theirs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="the agent dataset whose replies these are")
    parser.add_argument("--in", dest="source", type=InputPath, required=True, help="filtered trajectories, JSON lines")
    parser.add_argument("--out", type=OutputPath, required=True, help="the dialogues, JSON lines")
    parser.add_argument("--react", type=OutputPath, required=True, help="the original format with spans, JSON lines")
    parser.add_argument("--seed", type=int, default=0, help="picks the wording of the questions (default 0)")


def run(arguments: argparse.Namespace) -> str:
    module = datasets.load(arguments.dataset)
    if module.KIND != "agent":
        raise ConfigError([f"--dataset {arguments.dataset}: its kind is {module.KIND}, expected agent"])
    parse_reply = functools.lru_cache(_REMEMBERED_REPLIES)(module.parse_reply)
    forms = _both_forms(arguments.source, parse_reply, getattr(module, "FORM", ""), arguments.seed)
    count = write_both_forms(forms, arguments.out, arguments.react)
    return f"{arguments.dataset}: {count} trajectories"


def write_both_forms(forms: Iterator[tuple[Trajectory, Trajectory]], out: Path, react: Path) -> int:
    """Write the dialogues to `out` and the original format to `react`; return how many trajectories there are."""
    count = 0
    with atomic_write(out) as dialogues, atomic_write(react) as originals:
        for dialogue, original in forms:
            count += 1
            dialogues.write(dump_line(to_json(dialogue)))
            originals.write(dump_line(to_json(original)))
    return count


def _both_forms(
    source: Path, parse_reply: chat.ParseReply, form: str, seed: int
) -> Iterator[tuple[Trajectory, Trajectory]]:
    for number, trajectory in enumerate(read_trajectories(source), 1):
        try:
            yield chat.align(trajectory, parse_reply, seed), chat.react(trajectory, parse_reply, form)
        except ValueError as error:
            expected = "replies in the dataset's format (filter them first)"
            raise RecordError(source, f"{number} ({trajectory.id})", "", str(error), expected) from None
