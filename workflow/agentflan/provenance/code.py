"""The first-party code that a process has really imported, as git blob ids, and how it differs from the last commit."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from agentflan.code_digest import PACKAGE

REPOSITORY = PACKAGE.parent.parent


def imported_files() -> list[Path]:
    """The source files of all imported modules of ours, and the data files (templates) beside imported packages."""
    found = set()
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "agentflan" and getattr(module, "__file__", None):
            path = Path(module.__file__)
            found.add(path)
            if path.name == "__init__.py":
                found |= {each for each in path.parent.iterdir() if each.is_file() and each.suffix != ".py"}
    return sorted(found)


def blob_id(path: Path) -> str:
    """The id that git gives to a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def code_of_this_process(since_ns: int) -> dict[str, Any]:
    """Commit, blob ids by path in the repository, and the files that differ from the commit.

    Args:
        since_ns: start of the process; a file edited after it may not be what was imported, and is named.

    Returns:
        ``commit`` ("" if there is none to be found), ``files``, ``dirty`` (paths; all of them without a commit),
        ``edited_while_running`` (paths).
    """
    paths = {_name(path): path for path in imported_files()}
    files = {name: blob_id(path) for name, path in paths.items()}
    commit, committed = head()
    return {
        "commit": commit,
        "files": files,
        "dirty": sorted(name for name, blob in files.items() if committed.get(name) != blob),
        "edited_while_running": sorted(name for name, path in paths.items() if path.stat().st_mtime_ns > since_ns),
    }


def head() -> tuple[str, dict[str, str]]:
    """The last commit and its blob ids below the package, or ("", {})."""
    commit = git("rev-parse", "HEAD").decode().strip()
    lines = git("ls-tree", "-r", "HEAD", "--", str(PACKAGE.relative_to(REPOSITORY))).decode().splitlines()
    entries = (line.split("\t", 1) for line in lines)
    return commit, {name: meta.split()[2] for meta, name in entries}


def git(*words: str, repository: Path = REPOSITORY) -> bytes:
    """What git answers about the repository; b"" where there is no git, no repository or no answer."""
    try:
        done = subprocess.run(["git", "-C", str(repository), *words], capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix() if path.is_relative_to(REPOSITORY) else str(path)
