"""Replay: run recorded jobs again from their recorded inputs in a scratch folder, and compare what comes out."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentflan.code_digest import PACKAGE
from agentflan.files import read_json
from agentflan.provenance.changes import Changes
from agentflan.provenance.hashing import REMEMBERED_SIZE, file_sha256
from agentflan.provenance.lineage import Artefact, Lineage
from agentflan.provenance.recorder import SWITCH
from agentflan.provenance.redact import REDACTED
from agentflan.provenance.seal import DOCUMENTS
from agentflan.provenance.store import Record
from agentflan.provenance.verdicts import Finding, Verdict
from agentflan.randomness import unit

# What reads the network or the records gives other bytes each time; what measures reads the clock.
_NEVER_THE_SAME = ("fetch_model", *DOCUMENTS)
_MEASURES = "measure_"
_UNSEEDED = ("sciworld",)  # benchmarks whose environment draws anew each time, without a seed


@dataclass(frozen=True)
class Replayed:
    """A job that was run again.

    Attributes:
        record: of the attempt that was repeated.
        same: outputs with the same bytes.
        close: outputs that differ by no more than the tolerance.
        findings: those that are otherwise.
    """

    record: Record
    same: list[str]
    close: list[str]
    findings: list[Finding]


def candidates(lineage: Lineage) -> list[Record]:
    """The attempts that can be run again here: inputs as recorded, code of the same meaning; in a drawn order."""
    changes = Changes(lineage.store)
    current = {artefact.record.sha256: artefact for artefact in lineage.artefacts.values()}
    able = [artefact.record for artefact in current.values() if _can_run(lineage, artefact, changes)]
    return sorted(able, key=lambda record: unit("replay", record.content["attempt"]))


def replay(lineage: Lineage, record: Record, tolerance: float) -> Replayed:
    """Run a job again and compare.

    Args:
        lineage: of the record's store.
        record: of the attempt.
        tolerance: largest relative difference of numbers that counts as the same for a job that saw GPUs.
    """
    made = [each for each in lineage.artefacts.values() if each.record.sha256 == record.sha256]
    with tempfile.TemporaryDirectory(prefix="agentflan-replay-") as folder:
        scratch = Path(folder).resolve()
        for each in lineage.inputs(made[0]):
            _bring(lineage.store.root / each.path, scratch / each.path)
        problem = _run(record.content, scratch)
        if problem:
            return Replayed(record, [], [], [Finding(Verdict.TAMPERED, f"replay of {made[0].path} failed: {problem}")])
        allowed = tolerance if record.content["machine"]["gpus"] else 0.0
        return _compare(record, made, lineage.store.root, scratch, allowed)


def _can_run(lineage: Lineage, artefact: Artefact, changes: Changes) -> bool:
    content = artefact.record.content
    if not artefact.record.genuine:  # who altered it would choose what is run here
        return False
    command, benchmark = content["command"], content["parameters"].get("benchmark")
    if command in _NEVER_THE_SAME or command.startswith(_MEASURES):
        return False
    if command == "run_episodes" and benchmark in _UNSEEDED:
        return False
    if any(REDACTED in word for word in content["argv"]):
        return False
    inputs = lineage.inputs(artefact)
    if content["command"] == "fetch_raw" and not inputs:
        return False
    places = [*(each.path for each in inputs), *(entry["path"] for entry in content["outputs"]), content["folder"]]
    if any(Path(place).is_absolute() for place in places) or changes.code(artefact.record):
        return False
    root = lineage.store.root
    return all((root / each.path).is_file() and file_sha256(root / each.path) == each.sha256 for each in inputs)


def _bring(source: Path, target: Path) -> None:
    """An input in its place: a copy, or a link if it is large; never a link to a folder, which could be written to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_size < REMEMBERED_SIZE:
        shutil.copyfile(source, target)
    elif not target.exists():
        target.symlink_to(source)


def _run(content: dict[str, Any], scratch: Path) -> str:
    """Run the command; return what went wrong, "" if nothing did."""
    folder = scratch / content["folder"]
    folder.mkdir(parents=True, exist_ok=True)
    variables = {"PYTHONPATH": str(PACKAGE.parent), SWITCH: "off"} | content["machine"]["variables"]
    command = [sys.executable, "-m", "agentflan", content["command"], *content["argv"]]
    done = subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[-1]


def _compare(record: Record, made: list[Artefact], root: Path, scratch: Path, tolerance: float) -> Replayed:
    same, close, findings = [], [], []
    for artefact in (each for each in made if not each.measured):
        for path, sha256 in artefact.files.items():
            again = scratch / path
            if again.is_file() and file_sha256(again) == sha256:
                same.append(path)
            elif tolerance and again.is_file() and (root / path).is_file() and _is_close(root / path, again, tolerance):
                close.append(path)
            else:
                findings.append(Finding(Verdict.TAMPERED, f"{path}: replay gave other bytes than recorded"))
    return Replayed(record, same, close, findings)


def _is_close(one: Path, other: Path, tolerance: float) -> bool:
    """Whether two files of numbers differ by no more than a relative tolerance."""
    if one.suffix == ".json":
        return _json_is_close(read_json(one), read_json(other), tolerance)
    if one.suffix == ".safetensors":
        import numpy
        from safetensors import safe_open

        with safe_open(one, "pt") as first, safe_open(other, "pt") as second:
            pairs = [(first.get_tensor(name).float(), second.get_tensor(name).float()) for name in first.keys()]  # noqa: SIM118
            return all(numpy.allclose(ours, theirs, rtol=tolerance, atol=tolerance) for ours, theirs in pairs)
    if one.suffix == ".parquet":
        import pandas

        try:
            pandas.testing.assert_frame_equal(pandas.read_parquet(one), pandas.read_parquet(other), rtol=tolerance)
        except AssertionError:
            return False
        return True
    return False


def _json_is_close(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_json_is_close(one[key], other[key], tolerance) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_json_is_close, one, other, [tolerance] * len(one)))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    return one == other
