"""Take dialogues apart by capability (paper §4.2).

Writes into one folder: reasoning, retrieval and understanding (each dialogue that trains the capability, loss on it
alone), cot (thought and call in one turn), react (the original formats) and general (ordinary conversation). Files are
read in the order of their names, whatever the order on the command line, and one record at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from agentflan.arguments import InputPath, OutputFolder
from agentflan.decomposed import DECOMPOSED, keep_capability, to_cot, to_general
from agentflan.files import atomic_write, dump_line, write_jsonl
from agentflan.records import Trajectory, read_trajectories, to_json

Forms = dict[str, Callable[[Trajectory], Trajectory | None]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    several = {"type": InputPath, "nargs": "*", "default": []}
    parser.add_argument("--chat", **several, help="dialogues of the agent datasets (align_chat --out)")
    parser.add_argument("--react", **several, help="the same in their own formats (align_chat --react)")
    parser.add_argument("--general", **several, help="ordinary conversations, filtered")
    parser.add_argument("--out-dir", type=OutputFolder, required=True, help="folder of the files written")


def run(arguments: argparse.Namespace) -> str:
    forms: Forms = {name: lambda dialogue, name=name: keep_capability(dialogue, name) for name in DECOMPOSED}
    counts = write_forms(arguments.chat, arguments.out_dir, {**forms, "cot": to_cot})
    counts["react"] = join_files(arguments.react, arguments.out_dir / "react.jsonl", "react")
    general = map(to_general, _read_all(arguments.general))
    counts["general"] = write_jsonl(arguments.out_dir / "general.jsonl", map(to_json, general))
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def write_forms(paths: list[Path], folder: Path, forms: Forms) -> dict[str, int]:
    """Write each form of each trajectory to ``folder/<form>.jsonl``; return how many each file has."""
    counts = dict.fromkeys(forms, 0)
    with ExitStack() as stack:
        files = {name: stack.enter_context(atomic_write(folder / f"{name}.jsonl")) for name in forms}
        for trajectory in _read_all(paths, "chat"):
            for name, form in forms.items():
                if formed := form(trajectory):
                    files[name].write(dump_line(to_json(formed)))
                    counts[name] += 1
    return counts


def join_files(paths: list[Path], out: Path, stream: str) -> int:
    """Copy the lines of `paths` into one file, which is quicker than reading them; return how many lines there are."""
    count = 0
    with atomic_write(out, "wb") as joined:
        for path in _in_order(paths):
            next(read_trajectories(path, stream), None)  # a file of another form is refused
            with path.open("rb") as lines:
                for line in lines:
                    joined.write(line)
                    count += 1
    return count


def _read_all(paths: list[Path], stream: str = "") -> Iterator[Trajectory]:
    for path in _in_order(paths):
        yield from read_trajectories(path, stream)


def _in_order(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.name, str(path)))
