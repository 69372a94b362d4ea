"""What changed since a job ran: code by its meaning, packages by version, configuration by its values."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

import yaml

from agentflan.code_digest import meaning
from agentflan.provenance.code import REPOSITORY, blob_id, git
from agentflan.provenance.environment import distributions_of, version_here
from agentflan.provenance.store import Record, Store

# These run every command but decide no byte of what it writes.
_NEUTRAL = tuple(
    f"workflow/agentflan/{name}" for name in ("provenance/", "arguments.py", "cli.py", "code_digest.py", "__main__.py")
)


class Changes:
    """Compares the present code and packages with those in records; each pair once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._code = cache(self._changed_code)
        self._packages = cache(self._changed_packages)

    def code(self, record: Record) -> list[str]:
        """The first-party files that the job imported and that mean something else now, as paths.

        Raises:
            FileError: the record's list of files is missing or damaged.
        """
        return self._code(record.content["code"])

    def packages(self, record: Record) -> list[str]:
        """The packages that the job imported and that have another version now, in words.

        Raises:
            FileError: the record's list of packages is missing or damaged.
        """
        return self._packages(record.content["environment"], tuple(record.content["imported"]))

    def edited_while_running(self, record: Record) -> list[str]:
        """First-party files that were edited after the job's process had started."""
        return self._get(record.content["code"])["edited_while_running"]

    def uncommitted(self, record: Record) -> list[str]:
        """First-party files that were not as committed when the job ran."""
        return self._get(record.content["code"])["dirty"]

    def _get(self, name: str) -> dict:
        return json.loads(self._store.get(name))

    def _changed_code(self, name: str) -> list[str]:
        files = self._get(name)["files"]
        kept = {path: blob for path, blob in files.items() if not path.startswith(_NEUTRAL)}
        return [path for path, blob in kept.items() if not _means_the_same(path, blob)]

    def _changed_packages(self, name: str, imported: tuple[str, ...]) -> list[str]:
        then = self._get(name)["distributions"]
        changes = []
        for distribution in sorted(_distributions(imported)):
            before, now = then.get(distribution, ""), version_here(distribution)
            if before.partition("+")[0] != now.partition("+")[0]:  # 2.13.0+cpu is 2.13.0
                changes.append(f"{distribution} {before or 'absent'} → {now or 'absent'}")
        return changes


def same_values(root: Path, path: str, commit: str, sha256: str) -> bool:
    """Whether a YAML file of the repository still has the values that it had, whatever its comments.

    Args:
        root: the repository of the results.
        path: relative to it.
        commit: that of the record.
        sha256: of the file at job time; another one than the commit's file has cannot be compared.
    """
    if not path.endswith((".yaml", ".yml")):
        return False
    before = committed(root, path, commit)
    if hashlib.sha256(before).hexdigest() != sha256:
        return False
    try:
        return yaml.safe_load(before) == yaml.safe_load((root / path).read_bytes())
    except yaml.YAMLError:  # damaged since
        return False


@cache
def committed(root: Path, path: str, commit: str) -> bytes:
    """A file of the repository as a commit has it; b"" if it has none."""
    return git("show", f"{commit}:{path}", repository=root) if commit else b""


@cache
def _means_the_same(path: str, blob: str) -> bool:
    file = REPOSITORY / path
    if not file.is_file():
        return False
    if blob_id(file) == blob:
        return True
    before = git("cat-file", "blob", blob)
    if not before or file.suffix != ".py":
        return False
    return meaning(ast.parse(before)) == meaning(ast.parse(file.read_bytes()))


@cache
def _distributions(names: tuple[str, ...]) -> set[str]:
    return distributions_of(list(names))
