"""A small Linux of its own: commands come one after another, as to a container, and nothing of it stays behind.

Its programs are the host's, or those of a folder with another root file system, seen through an overlay: they can be
written over, in memory. It has a shell that keeps its folder, variables and background processes from command to
command, and runs programs beside the shell that the shell has no hand in.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import select
import shlex
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from agentflan.errors import SandboxUnavailable
from agentflan.sandbox import _bubblewrap
from agentflan.sandbox._bubblewrap import COPIED
from agentflan.sandbox._limits import Ended, Limits, Result
from agentflan.sandbox._program import STOPPED, require, run
from agentflan.sandbox._watch import Guard, children, descendants, kill_all

_START_SECONDS = 20.0
_MARK_LENGTH = 64  # and what follows it on its line, at most
_GRACE_SECONDS = 0.5  # for a shell to say that its command was stopped
_KEPT = ("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid")  # of root, in the machine alone
_FOR_SETUP = ("sys_admin", "setpcap")

# $1 and $2 are the shell's input and output; the other words are put before a command to bound it.
_SETUP = f"""
set -e
for place in usr bin sbin lib lib32 lib64; do
    if test -L /$place -o ! -d /$place; then continue; fi
    mkdir -p /.layer/$place /.layer/spare/$place
    for name in bin sbin lib share src local local/bin local/sbin local/lib local/share; do
        if test -d /$place/$name; then mkdir -p /.layer/$place/$name; fi
    done
    mount -t overlay overlay -o lowerdir=/$place,upperdir=/.layer/$place,workdir=/.layer/spare/$place /$place
done
mount -t tmpfs -o size=4k,mode=555,ro tmpfs /.layer # hides it
cd /
mkdir -p etc home mnt opt root run srv tmp var/log var/tmp
chmod 1777 tmp var/tmp
chmod 700 root
chmod 755 etc
echo installed > var/log/machine.log
cp -r {COPIED}/etc/. etc/ 2>/dev/null || true
if test ! -e etc/passwd; then
    {{
        echo root:x:0:0:root:/root:/bin/bash
        for name in daemon:1 bin:2 sys:3 nobody:65534; do
            echo "${{name%:*}}:x:${{name#*:}}:${{name#*:}}::/:/usr/sbin/nologin"
        done
    }} > etc/passwd
    for name in root:0 daemon:1 bin:2 sys:3 adm:4 sudo:27 users:100 nogroup:65534; do
        echo "${{name%:*}}:x:${{name#*:}}:"
    done > etc/group
    printf 'root:*:19000:0:99999:7:::\\n' > etc/shadow
    mkdir -p etc/pam.d
    printf '%s\\n' 'auth sufficient pam_rootok.so' 'account required pam_permit.so' 'session required pam_permit.so' \\
        | tee etc/pam.d/su etc/pam.d/su-l etc/pam.d/runuser > etc/pam.d/runuser-l
fi
while read -r place; do
    mount -t tmpfs -o size=4k,mode=755 tmpfs "$place"
done < {COPIED}/closed
mounts=$(cat /proc/mounts)
while read -r _ place _; do
    case $place in {COPIED}/*) umount -l $place ;; esac
done <<< "$mounts"
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all{"".join(f",+{name}" for name in _KEPT)} \\
    "${{@:3}}" bash --noprofile --norc {COPIED}/serve $1 $2
"""
# The shell, replaced whenever it ends, and behind it the programs beside it: a mark and a script in base64 a line.
_SERVE = f"""
rm -rf {COPIED}
read -r end
(
    while :; do
        bash --noprofile --norc -s <&$1 >&$2 2>&1
        printf '%s%s\\n' $end $? >&$2
    done
) < /dev/null > /dev/null 2>&1 &
eval "exec $1<&- $2>&-"
echo ready
while read -r mark script; do
    (cd /; eval "$(base64 -d <<< "$script")") 2>&1 < /dev/null
    printf '%s%s\\n' "$mark" $?
done
"""


class Machine:
    """A machine that runs until it is closed; close it in the thread that made it, or keep that thread alive.

    Args:
        limits: of each command, and of the machine as a whole (memory, disk, processes).
        image: a folder with the root file system of a Linux; this host's programs if "".

    Raises:
        SandboxUnavailable: this host cannot make one.
    """

    def __init__(self, limits: Limits, image: str = "") -> None:
        require()
        self._limits = limits
        (shell_in, to_shell), (from_shell, shell_out) = os.pipe(), os.pipe()
        try:
            self._process = _bubblewrap.start_machine(
                limits,
                image,
                (*_KEPT, *_FOR_SETUP),
                (shell_in, shell_out),
                {"setup": _SETUP, "serve": _SERVE, "closed": _closed_folders(image)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
            )
        except BaseException:
            os.close(to_shell)
            os.close(from_shell)
            raise
        finally:
            os.close(shell_in)
            os.close(shell_out)
        self._shell = (to_shell, from_shell)
        self._beside = (self._process.stdin.fileno(), self._process.stdout.fileno())
        self._end = _mark()  # said when a shell ends
        self._guard = Guard(self._process.pid, limits)
        os.write(self._beside[0], f"{self._end}\n".encode())
        said = _read(self._beside[1], ["ready"], limits.output_bytes, _START_SECONDS)
        if not said.done:
            self.close()
            raise SandboxUnavailable(f"no machine on this host: {said.text.strip()[-300:] or 'it does not start'}")

    def type(self, command: str) -> Result:
        """Give a command to the shell. Background processes of earlier commands live on, also when it is stopped."""
        text, mark = _encode(command), _mark()
        return self._ask(self._shell, f"eval \"$(base64 -d <<< {text})\" < /dev/null; printf '%s%s\\n' {mark} $?", mark)

    def run(self, argv: Sequence[str], seconds: float | None = None) -> Result:
        """Run a program beside the shell, in ``/``; in other seconds than a command's, if given."""
        mark = _mark()
        return self._ask(self._beside, f"{mark} {_encode('exec ' + shlex.join(argv))}", mark, seconds)

    def close(self) -> None:
        """Throw the machine away, with all that runs in it."""
        self._guard.stop()
        _bubblewrap.kill(self._process)
        for descriptor in self._shell:
            os.close(descriptor)

    def _ask(self, pipes: tuple[int, int], line: str, mark: str, seconds: float | None = None) -> Result:
        seconds = self._limits.seconds if seconds is None else seconds
        before = set(descendants(self._process.pid))
        try:
            _write(pipes[0], f"{line}\n".encode(), seconds)
        except (BrokenPipeError, TimeoutError):
            return Result(STOPPED, "", Ended.GONE)
        said = _read(pipes[1], [mark, self._end], self._limits.output_bytes, seconds)
        if said.done:
            return Result(said.code, said.text, Ended.ITSELF)
        ended = Ended.GONE if self._process.poll() is not None else Ended.OUTPUT if said.full else Ended.TIME
        self._stop(pipes, before, mark)
        return Result(STOPPED, said.text, ended)

    def _stop(self, pipes: tuple[int, int], before: set[int], mark: str) -> None:
        """End what a command has started; if its shell is the one that hangs, end the shell too."""
        kill_all([process for process in descendants(self._process.pid) if process not in before])
        if _read(pipes[1], [mark, self._end], self._limits.output_bytes, _GRACE_SECONDS).done:
            return
        kill_all(self._shell_process() if pipes is self._shell else [self._process.pid])
        _read(pipes[1], [self._end], self._limits.output_bytes, _GRACE_SECONDS)

    def _shell_process(self) -> list[int]:
        """The shell at work: below bubblewrap's first process, the server, and the loop that starts shells."""
        below = [self._process.pid]
        for _ in range(4):
            below = children(below[0])[:1] if below else []
        return below


@cache
def _closed_folders(image: str) -> str:
    """Folders that the outside lets nobody read, one a line: a machine, whose root may read all, has empty ones."""
    programs = Path(f"{image}/usr").resolve()
    find = ["find", str(programs), "/proc/tty", "-type", "d", "!", "-readable"]
    shown = [programs] if image else []
    found = run(find, Limits(seconds=60), shown).output.splitlines()
    return "".join(f"{line.removeprefix(image)}\n" for line in found if line.startswith("/"))


class _Said(NamedTuple):
    """What came out of a pipe, and whether it came up to a mark, with the exit code behind it."""

    text: str
    code: int = 0
    done: bool = False
    full: bool = False


def _read(stream: int, marks: Sequence[str], limit: int, seconds: float) -> _Said:
    """Read up to the first of some marks and the end of its line; stop at the limit of bytes or of time."""
    pattern = re.compile(f"({'|'.join(marks)})(\\d*)\n".encode())
    output, seen, end = bytearray(), 0, time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and select.select([stream], [], [], left)[0]:
        chunk = os.read(stream, 1 << 16)
        if not chunk:
            break
        output += chunk
        found = pattern.search(output, max(0, seen - _MARK_LENGTH))
        if found:
            return _Said(_text(output[: found.start()]), int(found[2] or 0), done=True)
        seen = len(output)
        if seen > limit:
            return _Said(_text(output[:limit]), full=True)
    return _Said(_text(output))


def _write(stream: int, data: bytes, seconds: float) -> None:
    """Write to a pipe whose reader may hang.

    Raises:
        TimeoutError: it does not read in time.
        BrokenPipeError: there is no reader any more.
    """
    end = time.monotonic() + seconds
    os.set_blocking(stream, False)
    while data:
        left = end - time.monotonic()
        if left <= 0 or not select.select([], [stream], [], left)[1]:
            raise TimeoutError
        data = data[os.write(stream, data) :]


def _mark() -> str:
    return secrets.token_hex(16)


def _text(output: bytes | bytearray) -> str:
    return output.decode("utf-8", "replace")


def _encode(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode()
