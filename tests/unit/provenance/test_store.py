"""The parts below the audit: hashes, listings, secrets, Merkle roots, seals."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agentflan import cli
from agentflan.errors import FileError
from agentflan.files import write_text
from agentflan.provenance import hashing
from agentflan.provenance.hashing import Hasher, listing, read_listing
from agentflan.provenance.redact import REDACTED, Redactor
from agentflan.provenance.seal import DOCUMENTS, merkle_root, printed_root, store_root
from agentflan.provenance.store import Store, store_for


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_listing_is_what_sha256sum_checks(tmp_path: Path) -> None:
    write_text(tmp_path / "data" / "b" / "two.txt", "2")
    write_text(tmp_path / "data" / "one.txt", "1")
    text = listing(Hasher().tree(tmp_path / "data"))
    assert list(read_listing(text)) == ["b/two.txt", "one.txt"]
    done = subprocess.run(["sha256sum", "-c", "-"], input=text, cwd=tmp_path / "data", capture_output=True)
    assert done.returncode == 0


def test_large_files_are_read_again_only_when_they_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "REMEMBERED_SIZE", 4)
    path, hasher = tmp_path / "large", Hasher(tmp_path / "hashes")
    write_text(path, "first")
    before = hasher.file(path)
    monkeypatch.setattr(hashing, "file_sha256", lambda path: "read again")
    assert hasher.file(path) == before
    assert Hasher(tmp_path / "hashes", full=True).file(path) == "read again"
    times = path.stat()
    path.write_text("other")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # the change time still tells
    assert hasher.file(path) == "read again"


def test_the_store_of_an_artefact_is_the_nearest_one(tmp_path: Path) -> None:
    inside = tmp_path / "results" / "mini" / "chat" / "os.jsonl"
    assert store_for(inside).folder == tmp_path / "results" / ".provenance"
    assert store_for(inside).root == tmp_path
    assert store_for(inside).relative(inside) == "results/mini/chat/os.jsonl"
    (tmp_path / "elsewhere" / ".provenance").mkdir(parents=True)
    assert store_for(tmp_path / "elsewhere" / "a" / "out.jsonl").folder == tmp_path / "elsewhere" / ".provenance"


def test_an_object_with_other_bytes_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / ".provenance")
    name = store.put(b"content")
    (tmp_path / ".provenance" / "objects" / name).write_bytes(b"Content")
    with pytest.raises(FileError, match="another hash"):
        store.get(name)


def test_merkle_root_is_that_of_rfc_6962() -> None:
    one, two, three = (_sha(name).hex() for name in (b"1", b"2", b"3"))
    leaves = [_sha(b"\0" + bytes.fromhex(digest)) for digest in sorted([one, two, three])]
    expected = _sha(b"\1" + _sha(b"\1" + leaves[0] + leaves[1]) + leaves[2]).hex()
    assert merkle_root([three, one, two]) == expected
    assert merkle_root([one]) == _sha(b"\0" + bytes.fromhex(one)).hex()
    assert merkle_root([]) == hashlib.sha256().hexdigest()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("sk-abcdefgh12345", "sk-abcdefgh12345"),
        ("Bearer abcdefgh12345", "abcdefgh12345"),
        ("https://user:pass@host/x", "pass"),
        ("https://host/x?signature=abc", "abc"),
        ("the value0123 of a variable", "value0123"),
        ('{"deep": {"password": "tiger"}}', "tiger"),
    ],
)
def test_secrets_are_taken_out(text: str, hidden: str) -> None:
    redactor = Redactor({"MY_SECRET": "value0123", "HOME": "/root", "KEY_SHORT": "ab"})
    assert hidden not in redactor.text(text) and REDACTED in redactor.text(text)


def test_what_is_no_secret_stays() -> None:
    redactor = Redactor({"HOME": "/home/nobody"})
    settings = json.dumps({"max_new_tokens": 48, "tokenizer": "a/b", "seed": 0, "key_names": "name"})
    assert redactor.text(settings) == settings
    words = ["--max-tokens", "12", "--tokenizer", "folder", "--token=abc", "--api-key", "abc"]
    assert redactor.command_line(words) == [*words[:4], f"--token={REDACTED}", "--api-key", REDACTED]


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, Path]:
    """Results with three records, sealed and signed with a throw-away key; and the key."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not installed")
    results, key = tmp_path / "results", tmp_path / "key"
    for number in range(3):
        attempt = f"2026-{number}"
        Store(results / ".provenance").finish(attempt, {"attempt": attempt, "state": "done", "outputs": []})
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    assert cli.main(["seal", "--results", str(results), "--key", str(key)]) == 0
    return results, key


def test_a_seal_holds_offline_until_a_record_changes(sealed: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    results, key = sealed
    verify = ["verify", "--results", str(results), "--signer", f"{key}.pub"]
    assert cli.main(verify) == 0
    Store(results / ".provenance").finish("2027", {"attempt": "2027"})
    assert cli.main(verify) == 0 and "1 records since" in capsys.readouterr().out
    victim = next((results / ".provenance" / "records").glob("2026-1*"))
    content = json.loads(victim.read_text()) | {"state": "forged"}
    victim.unlink()
    Store(results / ".provenance").finish("2026-1", content)  # a forgery with a name that fits
    assert cli.main(verify) == 1 and victim.name in capsys.readouterr().err


def test_a_changed_seal_or_another_key_is_refused(sealed: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    results, key = sealed
    other = key.with_name("other")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    assert cli.main(["verify", "--results", str(results), "--signer", f"{other}.pub"]) == 1
    seal = next((results / ".provenance" / "seals").glob("*.json"))
    seal.write_text(seal.read_text().replace("2026-0", "2026-9"))
    assert cli.main(["verify", "--results", str(results), "--signer", f"{key}.pub"]) == 1
    assert "no valid signature" in capsys.readouterr().err


def test_the_printed_root_does_not_depend_on_the_documents_that_print_it(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    store = Store(tmp_path / "results" / ".provenance")
    store.finish("2026-1", {"attempt": "2026-1", "command": "make_table"})
    root = printed_root(store)
    for command in DOCUMENTS:
        store.finish(f"2027-{command}", {"attempt": f"2027-{command}", "command": command})
    assert printed_root(store) == root != store_root(store)
    verify = ["verify", "--results", str(tmp_path / "results"), "--root"]
    assert cli.main([*verify, root[:12].upper()]) == 0 and "as documents print it" in capsys.readouterr().out
    assert cli.main([*verify, store_root(store)]) == 0  # what audit and seal print
    assert "over all records" in capsys.readouterr().out
    store.finish("2028-1", {"attempt": "2028-1", "command": "make_table"})
    assert cli.main([*verify, root[:12]]) == 1 and "as printed" in capsys.readouterr().err
    assert cli.main([*verify, ""]) == 1  # no seal either
