"""Fetching: hashes are checked, cut-off downloads go on, nothing wrong ever stands under its final name."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from agentflan import datasets
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, NotAvailable
from agentflan.fetch import fetch
from agentflan.files import read_json, sha256_of, write_json

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "upstream" / "data" / "a.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return Source(licence="MIT", files=(SourceFile("data/a.json", sha256_of(path), len(CONTENT)),))


def test_from_a_folder_with_a_receipt(tmp_path: Path, source: Source) -> None:
    fetch(source, tmp_path / "raw", str(tmp_path / "upstream"), None)
    receipt = read_json(tmp_path / "raw" / "receipt.json")
    assert (tmp_path / "raw" / "data" / "a.json").read_bytes() == CONTENT
    assert receipt["licence"] == "MIT" and receipt["files"][0]["sha256"] == source.files[0].sha256


def test_a_wrong_hash_shows_both_and_keeps_the_file_aside(tmp_path: Path, source: Source) -> None:
    (tmp_path / "upstream" / "data" / "a.json").write_bytes(CONTENT[::-1])
    with pytest.raises(FileError, match=rf"found SHA-256 [0-9a-f]{{64}}; expected SHA-256 {source.files[0].sha256}"):
        fetch(source, tmp_path / "raw", str(tmp_path / "upstream"), None)
    assert not (tmp_path / "raw" / "data" / "a.json").exists()
    assert not (tmp_path / "raw" / "receipt.json").exists()
    assert [path.name for path in (tmp_path / "raw" / "data").iterdir()] == ["a.json.bad"]


def test_a_wrong_size_and_a_missing_file_are_named(tmp_path: Path, source: Source) -> None:
    path = tmp_path / "upstream" / "data" / "a.json"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(FileError, match=f"{len(CONTENT) - 1} bytes; expected {len(CONTENT)} bytes"):
        fetch(source, tmp_path / "raw", str(tmp_path / "upstream"), None)
    path.unlink()
    with pytest.raises(FileError, match=r"a\.json: found no such file"):
        fetch(source, tmp_path / "raw", str(tmp_path / "upstream"), None)


def test_a_manifest_replaces_the_pinned_hashes(tmp_path: Path, source: Source) -> None:
    path = tmp_path / "upstream" / "data" / "a.json"
    path.write_bytes(b"other")
    entry = {"sha256": sha256_of(path), "size": 5}
    write_json(tmp_path / "MANIFEST.json", {"files": {"upstream/data/a.json": entry}})
    fetch(source, tmp_path / "raw", str(tmp_path / "upstream"), tmp_path / "MANIFEST.json")
    assert (tmp_path / "raw" / "data" / "a.json").read_bytes() == b"other"


class _Server(BaseHTTPRequestHandler):
    """Cuts the first answer in the middle and serves ranges afterwards."""

    asked: list[str | None]

    def do_GET(self) -> None:
        given = self.headers.get("Range")
        self.asked.append(given)
        start = int(given.removeprefix("bytes=").rstrip("-")) if given else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if given else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:] if given else CONTENT[:1000])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Server.asked = []
    running = HTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()


def test_a_cut_off_download_goes_on_where_it_stopped(tmp_path: Path, source: Source, server: str) -> None:
    with pytest.raises((FileError, NotAvailable), match="kept"):
        fetch(source, tmp_path / "raw", server, None)
    assert not (tmp_path / "raw" / "data" / "a.json").exists()
    fetch(source, tmp_path / "raw", server, None)
    assert (tmp_path / "raw" / "data" / "a.json").read_bytes() == CONTENT
    assert _Server.asked == [None, "bytes=1000-"]


@pytest.mark.parametrize("whole", [CONTENT, CONTENT[::-1]])
def test_a_whole_download_is_used_if_it_is_right_and_replaced_if_it_is_wrong(
    tmp_path: Path, source: Source, server: str, whole: bytes
) -> None:
    target = tmp_path / "raw" / "data" / "a.json"
    target.parent.mkdir(parents=True)
    target.with_name("a.json.part").write_bytes(whole)
    if whole != CONTENT:
        with pytest.raises(FileError, match=r"kept for a look as a\.json\.bad; run it again"):
            fetch(source, tmp_path / "raw", server, None)
        with pytest.raises((FileError, NotAvailable), match="What came is kept"):  # this server cuts whole answers
            fetch(source, tmp_path / "raw", server, None)
    fetch(source, tmp_path / "raw", server, None)
    assert target.read_bytes() == CONTENT
    assert target.with_name("a.json.bad").exists() == (whole != CONTENT)


def test_what_is_there_and_right_is_not_fetched_again(tmp_path: Path, source: Source, server: str) -> None:
    fetch(source, tmp_path / "raw", str(tmp_path / "upstream"), None)
    fetch(source, tmp_path / "raw", server, None)
    assert _Server.asked == []


def test_a_source_without_an_address_says_what_to_do(tmp_path: Path, source: Source) -> None:
    with pytest.raises(NotAvailable, match="--from"):
        fetch(source, tmp_path / "raw", None, None)


def _with_harness(source: Source, server: str) -> Source:
    """The source, and a file of another address that a folder may lack."""
    other = SourceFile("b.json", source.files[0].sha256, len(CONTENT), optional=True, url=f"{server}/elsewhere")
    return Source(licence="MIT", files=(*source.files, other), url="https://no.example")


def test_a_file_with_an_address_of_its_own_is_fetched_from_there(tmp_path: Path, source: Source, server: str) -> None:
    source = _with_harness(source, server)
    with pytest.raises((FileError, NotAvailable), match="kept"):  # this server cuts whole answers
        fetch(source, tmp_path / "raw", str(tmp_path / "upstream"), None)
    fetch(source, tmp_path / "raw", str(tmp_path / "upstream"), None)
    assert (tmp_path / "raw" / "b.json").read_bytes() == CONTENT
    places = {file["name"]: file["place"] for file in read_json(tmp_path / "raw" / "receipt.json")["files"]}
    assert places == {"data/a.json": str(tmp_path / "upstream"), "b.json": f"{server}/elsewhere"}


def test_a_folder_that_has_it_is_not_passed_over(tmp_path: Path, source: Source, server: str) -> None:
    (tmp_path / "upstream" / "b.json").write_bytes(CONTENT)
    fetch(_with_harness(source, server), tmp_path / "raw", str(tmp_path / "upstream"), None)
    assert (tmp_path / "raw" / "b.json").read_bytes() == CONTENT
    assert _Server.asked == []


def test_a_manifest_says_all_that_there_is(tmp_path: Path, source: Source, server: str) -> None:
    entry = {"sha256": source.files[0].sha256, "size": len(CONTENT)}
    write_json(tmp_path / "MANIFEST.json", {"files": {"upstream/data/a.json": entry}})
    upstream = str(tmp_path / "upstream")
    fetch(_with_harness(source, server), tmp_path / "raw", upstream, tmp_path / "MANIFEST.json")
    assert not (tmp_path / "raw" / "b.json").exists()
    assert _Server.asked == []


def test_a_folder_without_any_file_of_the_source_is_refused(tmp_path: Path, source: Source, server: str) -> None:
    files = (SourceFile("c.json", optional=True), *_with_harness(source, server).files[1:])
    with pytest.raises(FileError, match=r"upstream: found none of the files of the source; expected c\.json"):
        fetch(Source(licence="MIT", files=files), tmp_path / "raw", str(tmp_path / "upstream"), None)


def test_a_file_of_the_hub_is_asked_for_by_its_commit(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repo: str, name: str, repo_type: str, revision: str) -> str:
        asked.append((repo, name, repo_type, revision))
        return str(tmp_path / "upstream" / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    pinned = Source(licence="MIT", files=source.files, repo="a/b", revision="0" * 40)
    (file,) = fetch(pinned, tmp_path / "raw", None, None)
    assert asked == [("a/b", "data/a.json", "dataset", "0" * 40)]
    assert file.place == "a/b@" + "0" * 40


def test_every_dataset_of_the_hub_is_pinned_to_a_whole_commit() -> None:
    """A short or a moving revision would leave open which bytes come."""
    sources = {name: datasets.load(name).SOURCE for name in datasets.names()}
    open_ones = [
        n for n, source in sources.items() if source.repo and not re.fullmatch("[0-9a-f]{40}", source.revision)
    ]
    assert open_ones == []
