"""Files: nothing half-written is ever seen under its final name."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import pytest

from agentflan.errors import FileError, RecordError
from agentflan.files import atomic_write, read_json, read_jsonl, sha256_of, write_jsonl, write_text


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as handle:
        handle.write("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_told_by_the_name_that_the_user_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(path, "new")
    assert caught.value.filename == str(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_what_cannot_be_named_so_is_told_by_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)  # the temporary name beside it is too long
    with pytest.raises(OSError, match="too long") as caught:
        write_text(path, "new")
    assert caught.value.filename == str(path)


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic_write(tmp_path / "a.txt"):
        (tmp_path / "other").read_text()
    assert caught.value.filename == str(tmp_path / "other")


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=str(tmp_path)), atomic_write(tmp_path):
        raise AssertionError("worked in vain")
    assert list(tmp_path.parent.glob(f".{tmp_path.name}*")) == []


def test_jsonl_round_trip_keeps_order_and_unicode(tmp_path: Path) -> None:
    rows = [{"b": 1, "a": "Zürich\u0d46"}, {"c": [None, True]}]
    assert write_jsonl(tmp_path / "a.jsonl", rows) == 2
    assert list(read_jsonl(tmp_path / "a.jsonl")) == rows


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    assert list(read_jsonl(path)) == [{"a": 1}]


@pytest.mark.parametrize(("text", "number"), [('{"a": 1}\n{"a": ', 2), ("[1]\n", 1), ("9" * 5000, 1), ("[" * 10**5, 1)])
def test_a_broken_line_is_named(tmp_path: Path, text: str, number: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError, match=rf"a\.jsonl: record {number}: found"):
        list(read_jsonl(path))


@pytest.mark.parametrize("text", ['{"a": [1, 2', "9" * 5000, "[" * 10**5])
def test_missing_and_broken_json_are_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_json(tmp_path / "none.json")
    (tmp_path / "cut.json").write_text(text)
    with pytest.raises(FileError, match=r"cut\.json: found broken JSON"):
        read_json(tmp_path / "cut.json")


def test_sha256_of_known_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
