"""The runner of all commands: what cannot be written is a sentence, told before the work where it can be known."""

from __future__ import annotations

import argparse
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agentflan import cli
from agentflan.arguments import OutputPath
from agentflan.commands import write_plan
from agentflan.files import write_text


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], None]:
    """Puts other work in the place of the command write_plan; without any it must not be reached."""

    def replace(act: Callable[[Path], None]) -> None:
        def run(arguments: argparse.Namespace) -> str:
            act(arguments.out)
            return "done"

        monkeypatch.setattr(write_plan, "run", run)

    def never(out: Path) -> None:
        raise AssertionError("worked in vain")

    replace(never)
    return replace


def write_plan_to(out: Path) -> int:
    return cli.main(["write_plan", "--study", "mini", "--out", str(out)])


def test_a_folder_in_the_place_of_a_file_is_refused_at_once(tmp_path: Path, work: object, capsys: object) -> None:
    (tmp_path / "there").mkdir()

    assert write_plan_to(tmp_path / "there") == 1
    assert f"{tmp_path}/there: found a folder; expected the name of a file (--out)" in capsys.readouterr().err


@pytest.mark.parametrize("below", ["plan.json", "a/b/plan.json"])
def test_a_file_in_the_place_of_a_folder_is_refused_at_once(
    below: str, tmp_path: Path, work: object, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    assert write_plan_to(tmp_path / "file" / below) == 1
    assert f"{tmp_path}/file: found a file; expected a folder, to write" in capsys.readouterr().err


def test_a_folder_that_is_closed_is_refused_at_once(
    tmp_path: Path, work: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # the tests may run as root

    assert write_plan_to(tmp_path / "a" / "plan.json") == 1
    assert f"{tmp_path}: found a folder that must not be written to" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_command_that_writes_one_may_be_there_and_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    world = ["make_world", "--seed", "0", "--size", "{", "--out"]

    assert cli.main([*world, str(tmp_path / "file")]) == 1
    assert "found a file; expected the name of a folder (--out)" in capsys.readouterr().err
    assert cli.main([*world, str(tmp_path / "folder")]) == 1
    assert "--size: not JSON" in capsys.readouterr().err  # it went on to its work


def test_the_commands_that_write_folders_are_those_that_say_so() -> None:
    for name in cli.command_names():
        actions = [action for action in cli.parser_of(name)._actions if action.type is OutputPath]
        folders = [action.dest for action in actions if "folder" in action.help]
        assert folders == (["out"] if name in cli._INTO_FOLDERS else []), name


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/a"), "/a: found Read-only file system; expected a file or"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device (OSError)"),
        (TimeoutError("too late"), "too late (TimeoutError)"),
        (ConnectionResetError(), "ConnectionResetError (ConnectionResetError)"),
    ],
)
def test_what_the_system_refuses_is_a_sentence(
    error: OSError, sentence: str, tmp_path: Path, work: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(out: Path) -> None:
        raise error

    work(fail)
    assert write_plan_to(tmp_path / "plan.json") == 1
    assert capsys.readouterr().err.startswith(f"agentflan write_plan: {sentence}")


def test_a_disk_that_is_full_leaves_nothing_half_written(
    tmp_path: Path, work: Callable, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(out: Path) -> None:
        monkeypatch.setattr(os, "fsync", full)
        write_text(out, "half")

    work(write)
    assert write_plan_to(tmp_path / "results" / "plan.json") == 1
    assert f"{tmp_path}/results/plan.json: found No space left on device" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "results").iterdir() if path.name != ".provenance"] == []
