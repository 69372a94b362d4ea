"""The environment is one: lock, exports, conda, Nix and what is installed agree."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentflan import doctor

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
PIN = re.compile(r"^([a-z0-9_.-]+)==([^\s\\]+)", re.MULTILINE)
# Of the official CPU wheel of PyTorch for Python 3.11.
CPU_WHEEL = "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    """Version by package name in uv.lock."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {package["name"]: package["version"] for package in lock["package"]}


def _pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((REQUIREMENTS / name).read_text()))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_and_locked(project: dict[str, Any], locked: dict[str, str]) -> None:
    groups = [*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()]
    wanted = [line for group in [project["project"]["dependencies"], *groups] for line in group]
    assert len(wanted) > 25
    for line in wanted:
        name, _, version = line.partition("==")
        assert locked[_normal(name)] == version, line


def test_the_exports_hold_the_lock(locked: dict[str, str]) -> None:
    base, cuda, cpu = (_pins(name) for name in ("base.lock", "cuda.lock", "cpu.lock"))
    assert len(base) > 60
    assert base.items() <= cuda.items()
    assert {name: locked[name] for name in cuda} == cuda
    assert cpu == {"torch": f"{cuda['torch']}+cpu"}
    assert not [name for name in base if name.startswith(("nvidia-c", "cuda-")) or name == "torch"]


@pytest.mark.parametrize("name", ["base.lock", "cuda.lock", "cpu.lock"])
def test_every_pin_has_a_hash(name: str) -> None:
    joined = (REQUIREMENTS / name).read_text().replace("\\\n", " ")
    pins = [line for line in joined.splitlines() if PIN.match(line)]
    assert pins
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", line) for line in pins)


def test_the_cpu_wheel_is_the_official_one() -> None:
    text = (REQUIREMENTS / "cpu.lock").read_text()
    assert re.findall(r"sha256:([0-9a-f]+)", text) == [CPU_WHEEL]
    assert "-r base.lock" in text


def test_the_exports_are_those_of_uv(tmp_path: Path) -> None:
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "uv.lock", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(REQUIREMENTS, copy / "requirements")
    subprocess.run(["requirements/export.sh"], cwd=copy, check=True, timeout=120)
    for path in REQUIREMENTS.glob("*.lock"):
        assert (copy / "requirements" / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_is_installed_is_the_lock(locked: dict[str, str]) -> None:
    differing = [(name, wanted, have) for name, wanted, have in doctor.pins(ROOT) if have != wanted]
    assert differing == []
    known = {"pip", *locked}
    installed = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])  # not setuptools' own
    strangers = {_normal(found.metadata["Name"]) for found in installed} - known
    assert strangers == set(), "not in uv.lock"


def test_conda_installs_the_same_lock(project: dict[str, Any]) -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = next(line for line in environment["dependencies"] if str(line).startswith("python="))
    version = python.partition("=")[2]
    assert project["project"]["requires-python"].startswith(f">={version},")
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert pip == ["--require-hashes", "-r requirements/cpu.lock"]


def test_nix_installs_the_same_lock(project: dict[str, Any]) -> None:
    flake = (ROOT / "flake.nix").read_text()
    nodes = json.loads((ROOT / "flake.lock").read_text())["nodes"]
    asked = re.search(r'nixpkgs\.url = "github:NixOS/nixpkgs/([0-9a-f]{40})"', flake)
    assert asked and nodes["nixpkgs"]["locked"]["rev"] == nodes["nixpkgs"]["original"]["rev"] == asked[1]
    assert nodes["nixpkgs"]["locked"]["narHash"].startswith("sha256-")
    pythons = set(re.findall(r"python3(\d+)", flake))
    assert pythons == {project["project"]["requires-python"][4:6]}
    assert "make .venv/.ready" in flake


def test_nix_checks_with_the_files_of_the_lock() -> None:
    if shutil.which("nix-instantiate") is None:
        pytest.skip("Nix is not installed")
    command = ["nix-instantiate", "--eval", "--strict", "--json", "nix/wheels.nix"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    files = {file["sha256"]: file for file in json.loads(done.stdout)}
    joined = (REQUIREMENTS / "base.lock").read_text().replace("\\\n", " ")
    hashes = [set(re.findall(r"sha256:([0-9a-f]{64})", line)) for line in joined.splitlines() if PIN.match(line)]
    assert all(wanted & files.keys() for wanted in hashes)  # one file at least for every pin
    assert set(files) <= {CPU_WHEEL}.union(*hashes)
    assert files[CPU_WHEEL]["url"].startswith("https://download.pytorch.org/whl/cpu/")


def test_the_container_installs_the_same_lock(project: dict[str, Any]) -> None:
    definition = (ROOT / "apptainer.def").read_text()
    version = re.search(r"^From: python:(\d+\.\d+)-", definition, re.MULTILINE)
    assert version and project["project"]["requires-python"].startswith(f">={version[1]},")
    assert "--no-deps --require-hashes --requirement /opt/requirements/{{ LOCK }}.lock" in definition
    assert set(re.findall(r"LOCK=(\w+)", definition)) == {"cpu", "cuda"}


def test_make_takes_the_lock_alone() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "LOCK ?= requirements/cpu.lock" in makefile
    assert re.search(r"pip install --quiet --no-deps --require-hashes --requirement \$\(LOCK\)", makefile)
