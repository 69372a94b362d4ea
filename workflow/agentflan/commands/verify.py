"""Verify seals: every sealed record is there unchanged, and with --signer that the seal was signed by this key.

With --root, verify instead that the records give a Merkle root: the one that a paper or page prints, which covers all
records but those of papers, pages and crates (they could not print it otherwise), or the one over all records that the
audit and a seal print. The answer says which it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from agentflan.errors import FileError
from agentflan.provenance.seal import check_seal, check_signature, printed_root, seals, store_root
from agentflan.provenance.store import Store, store_for

_FEWEST_DIGITS = 8  # of a printed root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--results", type=Path, default=Path("results"), help="the tree whose seals are verified")
    parser.add_argument("--signer", type=Path, help="SSH public key that must have signed every seal")
    parser.add_argument("--root", metavar="HEX", help="the root that was printed, or its first digits")


def run(arguments: argparse.Namespace) -> str:
    """Verify.

    Raises:
        FileError: no seal, or one that does not hold; or another root.
    """
    store = store_for(arguments.results)
    if arguments.root:
        return _verify_root(store, arguments.root)
    found = seals(store)
    if not found:
        raise FileError(store.folder / "seals", "no seal", "one at least", "Make it: agentflan seal.")
    lines = []
    for seal in found:
        later = check_seal(store, seal)
        if arguments.signer:
            check_signature(seal, arguments.signer)
        signed = f"signed by {arguments.signer}" if arguments.signer else "signature not checked"
        lines.append(f"{seal}: holds, {signed}, {later} records since")
    return "\n".join(lines)


def _verify_root(store: Store, printed: str) -> str:
    roots = {
        "as documents print it": printed_root(store),
        "over all records, as audit and seal print it": store_root(store),
    }
    for meaning, root in roots.items():
        if len(printed) >= _FEWEST_DIGITS and root.startswith(printed.lower()):
            return f"{store.folder}: the records give the root {root}, {meaning}"
    here = " or ".join(f"{root} ({meaning})" for meaning, root in roots.items())
    raise FileError(store.folder, f"records with the root {here}", f"the root {printed}, as printed")
