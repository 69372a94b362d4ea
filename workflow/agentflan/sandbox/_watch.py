"""A guard beside each sandbox: bounds the memory of all its processes and the number of its files, as no rlimit does.

The kernel can do it with control groups, which an ordinary user seldom may make; a look at ``/proc`` ten times a second
needs no rights. Files are counted because an empty one takes memory too, which no size of a file system bounds.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from agentflan.sandbox._limits import Limits

_INTERVAL = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Guard:
    """Kills the largest process of a sandbox while all together hold too much memory, and all if there are many files.

    Args:
        process: the first process of the sandbox, seen from outside.
        limits: bounds of all its descendants.
    """

    def __init__(self, process: int, limits: Limits) -> None:
        self._process, self._limits, self._done = process, limits, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the guard."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException:
            kill_all([self._process])  # no sandbox without its guard
            raise

    def _watch(self) -> None:
        while not self._done.wait(_INTERVAL):
            inside = descendants(self._process)
            if inside and _files(inside[0]) > self._limits.files:
                kill_all(inside)
                continue
            sizes = {process: _resident(process) for process in inside}
            while sum(sizes.values()) > self._limits.megabytes << 20:
                largest = max(sizes, key=sizes.__getitem__)
                kill_all([largest])
                del sizes[largest]


def descendants(process: int) -> list[int]:
    """The processes below one, parents first. Orphans of a sandbox stay below its first process."""
    found: list[int] = []
    waiting = [process]
    while waiting:
        below = children(waiting.pop(0))
        found += below
        waiting += below
    return found


def kill_all(processes: list[int]) -> None:
    """SIGKILL; who is gone already is no error."""
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def children(process: int) -> list[int]:
    """The processes that a process has started or been given, oldest first; none if it is gone."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{process}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except OSError:
        return found  # it has just ended
    return found


def _files(process: int) -> int:
    """How many files and folders are on the file systems in memory that a process of a sandbox may write to.

    0 while bubblewrap still builds the sandbox: what the process sees then is the host's.
    """
    try:
        mounts = [line.split() for line in Path(f"/proc/{process}/mountinfo").read_text().splitlines()]
        places = [fields[4] for fields in mounts if "tmpfs" in fields and fields[5].startswith("rw")]
        if Path(f"/proc/{process}/root").samefile("/") or any(fields[4].startswith("/oldroot") for fields in mounts):
            return 0
        seen = [os.statvfs(f"/proc/{process}/root{place}") for place in places]
    except OSError:
        return 0  # it has just ended
    return sum(system.f_files - system.f_ffree for system in seen)


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
