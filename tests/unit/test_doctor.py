"""The doctor names what is lacking and how to mend it, and never shows a key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentflan import doctor
from agentflan.cli import main
from agentflan.doctor import examine, lacking, pins

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_reaches", lambda host: False)


def test_every_finding_says_who_needs_it_and_what_mends_it() -> None:
    findings = examine(ROOT)
    assert len({finding.name for finding in findings}) == len(findings) > 12
    for finding in findings:
        assert finding.mend and finding.found, finding.name
        assert finding.needed_by or finding.used_by, finding.name


def test_a_package_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(list(pins(ROOT))) > 60
    before = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: "0.1" if name == "numpy" else before(name))
    (found,) = (finding for finding in examine(ROOT) if finding.name == "packages of the lock")
    assert not found.there
    assert "numpy 0.1 (lock: " in found.found
    assert found in lacking(examine(ROOT), "mini")


@pytest.mark.parametrize("package, lock", [("vllm", "vllm.lock"), ("nvidia-cublas", "cuda.lock")])
def test_the_lock_is_the_one_that_the_environment_was_made_from(
    monkeypatch: pytest.MonkeyPatch, package: str, lock: str
) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda name: "1" if name == package else None)
    text = (ROOT / "requirements" / lock).read_text()
    locked = {name: version for name, version, _ in pins(ROOT)}
    assert locked and all(f"{name}=={version}" in text for name, version in locked.items())
    assert locked["torch"] in text and "+cpu" not in locked["torch"]


def test_keys_are_told_as_set_or_not_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "canary-7f3a")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main(["doctor", "--json", "--root", str(ROOT)]) == 0
    printed = capsys.readouterr().out
    found = {finding["name"]: finding["there"] for finding in json.loads(printed)}
    assert (found["HF_TOKEN"], found["OPENAI_API_KEY"]) == (True, False)
    assert "canary" not in printed


def test_a_study_that_cannot_run_here_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--study", "paper", "--root", str(ROOT)]) == 1
    assert "hub (huggingface.co) (found: not reached)" in capsys.readouterr().err
