"""One program in a sandbox of its own, and the proof that this host can make one."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from agentflan.errors import SandboxUnavailable
from agentflan.sandbox import _bubblewrap
from agentflan.sandbox._limits import Ended, Limits, Result
from agentflan.sandbox._watch import Guard

STOPPED = 124  # as timeout(1)

_TICK = 0.05
_PROOF = Limits(seconds=5, processes=8, megabytes=256, disk_megabytes=1)
# Says "ok" where the walls stand: no network but the loopback, no home, and no more processes than allowed.
_PROVE = """
test "$(grep -c : /proc/net/dev)" = 1 && test ! -e /root && test ! -e /home && ! touch /usr/x 2>/dev/null && echo ok
i=0; while [ $i -lt 40 ]; do sleep 9 & i=$((i+1)); done; echo forked
"""


def run(
    argv: Sequence[str], limits: Limits, shown: Sequence[Path] = (), files: Mapping[str, bytes] | None = None
) -> Result:
    """Run a program in a sandbox that is thrown away.

    Whoever calls this in a thread must let the thread live: a sandbox ends with the thread that started it.

    Args:
        argv: the program and its arguments, as they are named inside.
        limits: its bounds.
        shown: folders of the host that it may read beside the system's programs.
        files: name in its scratch folder (where it starts) → content.

    Raises:
        SandboxUnavailable: this host cannot make one.
    """
    require()
    return _run(argv, limits, shown, files or {})


@cache
def require() -> None:
    """Prove once that this host can make sandboxes that hold.

    Raises:
        SandboxUnavailable: it cannot; the message says why.
    """
    result = _run(["sh", "-c", _PROVE], _PROOF, (), {})
    first, _, rest = result.output.partition("\n")
    if first != "ok":
        raise SandboxUnavailable(f"no sandbox on this host: {result.output.strip()[-300:] or f'exit {result.code}'}")
    if "forked" in rest:
        raise SandboxUnavailable("no sandbox on this host: its kernel does not bound the number of processes")


class Python(NamedTuple):
    """An interpreter that runs in a sandbox."""

    argv: list[str]
    shown: list[Path]
    version: str


@cache
def find_python() -> Python:
    """The interpreter that runs this code if a sandbox can read it, else the system's.

    Raises:
        SandboxUnavailable: no sandbox, or no Python in it.
    """
    require()
    own = Path(os.path.realpath(sys.executable))
    show = "import sys; print('Python', *sys.version.split()[:1])"
    for program, shown in ((own, [Path(sys.base_prefix).resolve()]), (Path("/usr/bin/python3"), [])):
        argv = [str(program), "-I", "-S", "-B"]
        result = _run([*argv, "-c", show], Limits(), shown, {})
        if result.code == 0 and result.output.startswith("Python "):
            return Python(argv, shown, result.output.strip())
    raise SandboxUnavailable(f"no Python that a sandbox can read: neither {own} nor /usr/bin/python3")


def _run(argv: Sequence[str], limits: Limits, shown: Sequence[Path], files: Mapping[str, bytes]) -> Result:
    process = _bubblewrap.start_program(
        argv,
        limits,
        shown,
        files,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    )
    guard = Guard(process.pid, limits)
    try:
        output, ended = _read(process, limits)
    finally:
        guard.stop()
        _bubblewrap.kill(process)
    text = output.decode("utf-8", "replace")
    return Result(process.returncode if ended is Ended.ITSELF else STOPPED, text, ended)


def _read(process: subprocess.Popen[bytes], limits: Limits) -> tuple[bytes, Ended]:
    """The output until the program ends, which may be before those end that it left behind."""
    output, end, stream = bytearray(), time.monotonic() + limits.seconds, process.stdout.fileno()
    while (left := end - time.monotonic()) > 0:
        over = process.poll() is not None  # asked before the last look at the stream
        if not select.select([stream], [], [], 0 if over else min(left, _TICK))[0]:
            if over:
                return bytes(output), Ended.ITSELF
            continue
        chunk = os.read(stream, 1 << 16)
        if not chunk:
            return bytes(output), _wait(process, left)
        output += chunk
        if len(output) > limits.output_bytes:
            return bytes(output[: limits.output_bytes]), Ended.OUTPUT
    return bytes(output), Ended.TIME


def _wait(process: subprocess.Popen[bytes], seconds: float) -> Ended:
    """How a program ends that says no more."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return Ended.TIME
    return Ended.ITSELF
