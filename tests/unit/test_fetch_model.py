"""Fetching weights: a licence that was not accepted is told with what to do; pickles are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError

from agentflan.cli import main

ARGUMENTS = ["fetch_model", "--hub", "owner/name", "--revision", "0" * 40]


def _fetched(monkeypatch: pytest.MonkeyPatch, out: Path, download: Any) -> int:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return main([*ARGUMENTS, "--out", str(out)])


def test_a_gated_model_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gated(*_: Any, **__: Any) -> None:
        raise GatedRepoError("403", response=SimpleNamespace(headers={}, request=None))

    assert _fetched(monkeypatch, tmp_path / "model", gated) == 1
    message = capsys.readouterr().err
    assert "the model is gated. Accept its licence at https://huggingface.co/owner/name" in message
    assert "set HF_TOKEN" in message


def test_a_hub_that_is_not_reached_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cut_off(*_: Any, **__: Any) -> None:
        raise OSError("no route")

    assert _fetched(monkeypatch, tmp_path / "model", cut_off) == 1
    assert f"owner/name@{'0' * 40}: cannot be fetched (OSError)" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_only_safetensors_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def download(*_: Any, local_dir: Path, **__: Any) -> None:
        local_dir.mkdir()
        (local_dir / name).touch()

    safe = name.endswith("safetensors")
    assert _fetched(monkeypatch, tmp_path / "model", download) == (0 if safe else 1)
    assert (tmp_path / "model" / name).is_file() == safe
    assert ("no *.safetensors of owner/name" in capsys.readouterr().err) != safe
