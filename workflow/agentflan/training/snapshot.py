"""Snapshots of a training run: it can be killed at any step and goes on, on any number of processes, bit by bit.

A snapshot is a folder ``step-N`` of safetensors and a ``state.json`` that holds the size and hash of each file. Every
process writes the fp32 weights and Adam states that it holds, as flat fragments named ``kind:start:parameter``; who
resumes reads the stretches that it needs, whatever the ZeRO stage or the number of processes was.
"""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from agentflan.errors import AgentFlanError, FileError
from agentflan.files import read_json, sha256_of, write_json
from agentflan.training import processes, states
from agentflan.training.states import Fragment

FILE_BYTES = 4 << 30  # of one file, at most; what is copied to the host at once
log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a stored fragment lies."""

    start: int  # elements from the beginning of the flat parameter
    length: int
    file: Path
    key: str


@dataclass(frozen=True)
class Snapshots:
    """The snapshots of one run.

    Attributes:
        folder: of this run alone.
        every: steps between two snapshots; 0: only when a signal asks for one.
        keep: how many of the newest stay.
    """

    folder: Path
    every: int = 0
    keep: int = 2

    def due(self, step: int) -> bool:
        """Whether the plan wants a snapshot after this step (from 1)."""
        return bool(self.every) and step % self.every == 0

    def save(self, engine: Any, step: int, facts: dict[str, Any]) -> None:
        """Write a snapshot; it appears whole or not at all, then the oldest ones go.

        Args:
            engine: of DeepSpeed.
            step: how many steps are done.
            facts: what else the run needs, as JSON.

        Raises:
            ProcessFailed: a process could not write; nothing of this snapshot is left.
        """
        final = self.folder / f"step-{step:08d}"
        partial = self.folder / f".{final.name}.partial"
        processes.together(lambda: _fresh(partial), "snapshot")
        try:
            written = processes.together(lambda: _write(partial, engine), "snapshot")
            files = {name: proof for each in written for name, proof in each.items()}
            state = {"step": step, "adam_steps": states.adam_steps(engine), "files": files, "facts": facts}
            processes.together(lambda: _publish(partial, final, state), "snapshot")
        except processes.ProcessFailed:
            processes.together(lambda: _remove(partial), "snapshot")
            raise
        if processes.rank() == 0:
            for old in self._stored()[self.keep :]:
                shutil.rmtree(old)

    def resume(self, engine: Any) -> tuple[int, dict[str, Any]]:
        """Put the newest whole snapshot into the engine.

        Returns:
            How many steps are done and the facts of the run; (0, {}) where there is no snapshot.
        """
        newest = self._newest_whole()
        if newest is None:
            return 0, {}
        state = read_json(newest / "state.json")
        processes.together(lambda: _load(newest, state, engine), f"{newest}")
        states.refresh(engine)
        log.info("going on after step %d from %s", state["step"], newest)
        return state["step"], state["facts"]

    def remove(self) -> None:
        """The run is done: its snapshots are not needed any more."""
        if processes.rank() == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            with suppress(OSError):  # not empty: another run's lie there
                self.folder.parent.rmdir()

    def _stored(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _newest_whole(self) -> Path | None:
        for folder in processes.told(self._stored()):
            found = processes.together(lambda folder=folder: _problems(folder), f"{folder}")
            problems = sorted({problem for each in found for problem in each})
            if not problems:
                return folder
            log.warning("skipped a broken snapshot: %s", "; ".join(problems))
        return None


def _fresh(folder: Path) -> None:
    if processes.rank() == 0:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)


def _remove(folder: Path) -> None:
    if processes.rank() == 0:
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, engine: Any) -> dict[str, dict[str, Any]]:
    """The fragments of this process in files of bounded size; the size and hash of each by name."""
    proofs = {}
    for number, tensors in enumerate(_parcels(states.own_fragments(engine))):
        path = folder / f"rank-{processes.rank():05d}-{number:03d}.safetensors"
        _save(tensors, path)
        proofs[path.name] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    return proofs


def _save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Raises `OSError`: safetensors has an error class of its own for a full disk."""
    from safetensors import SafetensorError

    try:
        save_file(tensors, path)
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from None


def _parcels(fragments: Iterator[Fragment]) -> Iterator[dict[str, torch.Tensor]]:
    parcel: dict[str, torch.Tensor] = {}
    size = 0
    for fragment in fragments:
        for kind, values in fragment.values.items():
            copy = values.detach().to("cpu", copy=True)
            parcel[f"{kind}:{fragment.start}:{fragment.name}"] = copy
            size += copy.numel() * copy.element_size()
        if size >= FILE_BYTES:
            yield parcel
            parcel, size = {}, 0
    if parcel:
        yield parcel


def _publish(partial: Path, final: Path, state: dict[str, Any]) -> None:
    if processes.rank() == 0:
        write_json(partial / "state.json", state)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)


def _problems(folder: Path) -> list[str]:
    """What is wrong with this process's share of the files: missing, cut off, or other bytes."""
    try:
        files = sorted(read_json(folder / "state.json")["files"].items())
    except AgentFlanError as error:
        return [str(error)]
    share = files[processes.rank() :: processes.world()]
    return [problem for name, proof in share if (problem := _problem(folder / name, proof))]


def _problem(path: Path, proof: dict[str, Any]) -> str:
    size = path.stat().st_size if path.is_file() else 0
    if size != proof["bytes"]:
        return f"{path}: found {size} bytes; expected {proof['bytes']}"
    return "" if sha256_of(path) == proof["sha256"] else f"{path}: found other bytes; expected {proof['sha256']}"


def _load(folder: Path, state: dict[str, Any], engine: Any) -> None:
    states.set_adam_steps(engine, state["adam_steps"])
    places = _places(folder, state["files"])
    for fragment in states.held_fragments(engine):
        for kind, values in fragment.values.items():
            _fill(values, fragment, places[kind, fragment.name])


def _places(folder: Path, names: dict[str, Any]) -> dict[tuple[str, str], list[Place]]:
    places = defaultdict(list)
    for name in sorted(names):
        with safe_open(folder / name, "pt") as handle:
            for key in handle.keys():  # noqa: SIM118 (no mapping)
                kind, start, parameter = key.split(":", 2)
                (length,) = handle.get_slice(key).get_shape()
                places[kind, parameter].append(Place(int(start), length, folder / name, key))
    return places


def _fill(values: torch.Tensor, fragment: Fragment, places: list[Place]) -> None:
    """Copy the stored stretches into a held one.

    Raises:
        FileError: not all of it is stored.
    """
    missing = values.numel()
    for place in places:
        begin = max(place.start, fragment.start)
        end = min(place.start + place.length, fragment.start + values.numel())
        if begin >= end:
            continue
        with safe_open(place.file, "pt") as handle:
            stretch = handle.get_slice(place.key)[begin - place.start : end - place.start]
        values[begin - fragment.start : end - fragment.start].copy_(stretch)
        missing -= end - begin
    if missing:
        raise FileError(places[0].file.parent if places else "snapshot", f"{missing} elements fewer", fragment.name)
