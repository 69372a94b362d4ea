"""Seals: the Merkle root over all records, written down and signed with an SSH key, offline.

The tree is that of RFC 6962: a leaf is the hash of 0x00 and a record's SHA-256, a node that of 0x01 and its two
children; records are ordered by their hash, so the root does not depend on file names.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from agentflan.errors import FileError, NotAvailable
from agentflan.files import read_json, write_json
from agentflan.provenance.store import Store

NAMESPACE = "agentflan"
# Commands whose outputs print the root.
DOCUMENTS = ("write_manuscript", "make_paper", "write_latex", "make_page", "export_crate")
_IDENTITY = "sealer"


def merkle_root(digests: Sequence[str]) -> str:
    """The root over SHA-256 digests in hex, in any order; that of nothing is the hash of nothing."""
    level = [_sha256(b"\0" + bytes.fromhex(digest)) for digest in sorted(digests)]
    if not level:
        return hashlib.sha256().hexdigest()
    return _root(level).hex()


def store_root(store: Store) -> str:
    """The Merkle root over all records that a store has now."""
    return merkle_root([record.sha256 for record in store.records()])


def printed_root(store: Store) -> str:
    """The root that documents print: over all records that a store has now, but those of documents.

    A document cannot hold the hash of a record that holds the document's hash. Leaving out the records of all documents
    makes the root the same however often, and in whatever order, they are made. `write_seal` covers every record.
    """
    return merkle_root([each.sha256 for each in store.records() if each.content.get("command") not in DOCUMENTS])


def write_seal(store: Store) -> Path:
    """Write down both roots and what they cover: SHA-256 → name of every record.

    Raises:
        FileError: a record was altered; it must not be sealed.
    """
    records = list(store.records())
    for record in records:
        if not record.genuine:
            raise FileError(record.path, "a record that was altered", "the bytes that its name tells", "Audit first.")
    root = merkle_root([record.sha256 for record in records])
    path = store.folder / "seals" / f"{root[:16]}.json"
    names = {record.sha256: record.path.name for record in records}
    write_json(path, {"root": root, "printed_root": printed_root(store), "records": names})
    return path


def seals(store: Store) -> list[Path]:
    """The seals of a store, in the order of their names."""
    return sorted((store.folder / "seals").glob("*.json"))


def sealed_records(seal: Path) -> dict[str, str]:
    """The records that a seal covers: SHA-256 → name.

    Raises:
        FileError: the seal is damaged, or its root is not that of its records.
    """
    content = read_json(seal)
    try:
        records, said = content["records"], content["root"]
        root = merkle_root(list(records))
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(seal, f"a damaged seal ({type(error).__name__}: {error})", "a root and its records") from None
    if root != said:
        raise FileError(seal, f"root {said}", f"{root}, that of its records")
    return records


def sign(seal: Path, key: Path) -> Path:
    """Sign a seal with an SSH private key; return the signature's file.

    Raises:
        NotAvailable: no ssh-keygen, or it refuses the key.
    """
    _ssh_keygen("-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE, str(seal))
    return seal.with_name(f"{seal.name}.sig")


def check_signature(seal: Path, public_key: Path) -> None:
    """Check a seal's signature against an SSH public key.

    Raises:
        FileError: no signature, or not one of this key over these bytes.
        NotAvailable: no ssh-keygen.
    """
    signature = seal.with_name(f"{seal.name}.sig")
    if not signature.exists():
        raise FileError(signature, "no such file", "the seal's signature", "Sign it: agentflan seal --key.")
    signers = seal.with_name(".allowed_signers")
    signers.write_text(f"{_IDENTITY} {public_key.read_text(encoding='utf-8').strip()}\n", encoding="utf-8")
    words = ["-Y", "verify", "-f", signers, "-I", _IDENTITY, "-n", NAMESPACE, "-s", signature]
    try:
        _ssh_keygen(*map(str, words), text=seal.read_bytes())
    except NotAvailable as error:
        raise FileError(signature, f"no valid signature ({error})", f"one by {public_key}") from None
    finally:
        signers.unlink()


def check_seal(store: Store, seal: Path) -> int:
    """Check that the sealed records are all there unchanged and have the root; return how many came after.

    Raises:
        FileError: a record is gone or altered, or the seal is damaged.
    """
    sealed = sealed_records(seal)
    here = {record.sha256 for record in store.records()}
    for digest, name in sealed.items():
        if digest not in here:
            raise FileError(store.folder / "records" / name, "no record with the sealed bytes", f"SHA-256 {digest}")
    return len(here - set(sealed))


def _root(level: list[bytes]) -> bytes:
    while len(level) > 1:
        pairs = [level[index : index + 2] for index in range(0, len(level), 2)]
        level = [_sha256(b"\1" + b"".join(pair)) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _ssh_keygen(*words: str, text: bytes = b"") -> None:
    if not shutil.which("ssh-keygen"):
        raise NotAvailable("ssh-keygen is not installed (package openssh-client)")
    done = subprocess.run(["ssh-keygen", *words], input=text, capture_output=True, timeout=60)
    if done.returncode:
        raise NotAvailable(f"ssh-keygen: {done.stderr.decode(errors='replace').strip() or 'refused'}")
