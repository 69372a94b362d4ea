"""The walls: how bubblewrap is called, and who the sandbox is outside.

Inside a user namespace the kernel enforces RLIMIT_NPROC for anyone but the host's root, whom it exempts. A harness that
runs as root (in a container, say) therefore starts bubblewrap as a user that nobody else is: one of 2³⁰ … 2³¹, drawn
for each sandbox, with 65,536 users below it so that ``useradd`` and ``su`` work in a machine.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from agentflan.errors import SandboxUnavailable
from agentflan.sandbox._limits import Limits
from agentflan.sandbox._syscalls import filter_program

TOOLS = ("bwrap", "prlimit")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
COPIED = "/.host"  # where a machine finds its scripts, and what it copies to its own /etc
ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb"}

_MIB = 1 << 20
_USERS = 1 << 16  # of one machine
_FIRST_USER, _LAST_USER = 1 << 30, 1 << 31
_HELPERS = 4  # processes of bubblewrap and the limits themselves
_ETC = ("alternatives", "ld.so.cache", "localtime", "nsswitch.conf", "os-release")
_ETC_OF_MACHINE = (*_ETC, "default/useradd", "ld.so.conf", "ld.so.conf.d", "login.defs", "pam.d", "profile", "skel")
# "--die-with-parent" takes hold when the program starts. A harness that is killed in the milliseconds before may leave
# a sandbox behind: still without a network and within its limits, but for that of wall time.
_WALLS = (
    *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"),
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
)


def start_program(
    argv: Sequence[str], limits: Limits, shown: Sequence[Path], files: Mapping[str, bytes], **streams: object
) -> subprocess.Popen[bytes]:
    """Start a program as nobody, with a scratch folder ``/tmp`` and everything else read-only.

    Args:
        argv: the program and its arguments.
        limits: its bounds.
        shown: folders of the host that it may read beside the usual ones.
        files: name in the scratch folder → content.
        streams: stdin, stdout, stderr of `subprocess.Popen`.

    Raises:
        SandboxUnavailable: bubblewrap is not here, or cannot be started.
    """
    options = ["--uid", "65534", "--gid", "65534", "--disable-userns", *_programs("")]
    for name in _ETC:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for folder in shown:
        options += ["--ro-bind", str(folder), str(folder)]
    options += ["--size", str(limits.disk_megabytes * _MIB), "--perms", "1777", "--tmpfs", "/tmp"]
    with _Handed({f"/tmp/{name}": content for name, content in files.items()}) as handed:
        options += handed.options
        options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--setenv", "HOME", "/tmp"]
        return _start(options, [*_bounds(limits), *argv], _stranger(), handed.descriptors, **streams)


def start_machine(
    limits: Limits,
    image: str,
    capabilities: Sequence[str],
    given: Sequence[int],
    files: Mapping[str, str],
    **streams: object,
) -> subprocess.Popen[bytes]:
    """Start bash as the root of a machine whose whole root folder is writable, in memory.

    Args:
        limits: bounds of the machine.
        image: a folder with the root file system of another Linux; this host's programs if "".
        capabilities: in the machine's own user namespace.
        given: open descriptors that it inherits.
        files: name → text, in `COPIED`, where some of the host's ``/etc`` is too. The script "setup" runs first, before
            there is anything hostile. Its arguments are `given`, and then the words before a command that bound it.
        streams: stdin, stdout, stderr of `subprocess.Popen`.

    Raises:
        SandboxUnavailable: bubblewrap is not here, or cannot be started.
    """
    options = ["--uid", "0", "--gid", "0", "--hostname", "machine", "--setenv", "HOME", "/root"]
    options += ["--size", str(limits.disk_megabytes * _MIB), "--perms", "0755", "--tmpfs", "/", *_programs(image)]
    options += ["--remount-ro", "/dev"]
    for name in capabilities:
        options += ["--cap-add", f"CAP_{name.upper()}"]
    for name in ("",) if image else _ETC_OF_MACHINE:
        options += ["--ro-bind-try", f"{image}/etc/{name}", f"{COPIED}/etc/{name}"]
    with _Handed({f"{COPIED}/{name}": text.encode() for name, text in files.items()}) as handed:
        options += handed.options
        argv = ["bash", f"{COPIED}/setup", *map(str, given), *_bounds(limits)]
        passed, stranger = (*given, *handed.descriptors), _stranger()
        if stranger is None or not _many_users():
            return _start(options, argv, stranger, passed, **streams)
        return _start_with_users(options, argv, stranger, passed, **streams)


def _programs(image: str) -> list[str]:
    """Options that show the programs of a root file system read-only, new ``/proc`` and ``/dev``."""
    options = ["--ro-bind", f"{image}/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    options += ["--size", str(_MIB), "--tmpfs", "/dev/shm", "--ro-bind-try", "/nix/store", "/nix/store"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        place = Path(f"{image}/{name}")
        if place.is_symlink():
            options += ["--symlink", str(place.readlink()), f"/{name}"]
        elif place.is_dir():
            options += ["--ro-bind", str(place), f"/{name}"]
    return options


def _bounds(limits: Limits) -> list[str]:
    """The command before a command that bounds it; inside the user namespace, whose processes alone count then."""
    return [
        "prlimit",
        f"--nproc={limits.processes + _HELPERS}",
        f"--as={limits.megabytes * _MIB}",
        f"--fsize={limits.disk_megabytes * _MIB}",
        f"--cpu={limits.cpu_seconds}",
        "--nofile=256",
        "--core=0",
        "--msgqueue=0",
        "--",
    ]


def _start(
    options: Sequence[str], argv: Sequence[str], stranger: int | None, passed: Sequence[int], **streams: object
) -> subprocess.Popen[bytes]:
    """Start bubblewrap. Its options go through a pipe, so that its command line, which the sandbox sees, is short."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:{PATH}") is None]
    if missing:
        raise SandboxUnavailable(f"no sandbox: {', '.join(missing)} not found (bubblewrap and util-linux, Linux only)")
    who = {} if stranger is None else {"user": stranger, "group": stranger, "extra_groups": []}
    walls = [*_WALLS, *(word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value))]
    filtered = _readable(filter_program())
    told = _readable("".join(f"{word}\0" for word in [*walls, "--seccomp", str(filtered), *options]).encode())
    command = ["bwrap", "--args", str(told), "--", *argv]
    passed = (*passed, told, filtered)
    try:
        return subprocess.Popen(command, pass_fds=passed, cwd="/", env={"PATH": PATH}, **who, **streams)
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxUnavailable(f"no sandbox: bwrap cannot be started ({error})") from None
    finally:
        os.close(told)
        os.close(filtered)


def _start_with_users(
    options: Sequence[str], argv: Sequence[str], first: int, passed: Sequence[int], **streams: object
) -> subprocess.Popen[bytes]:
    """Start bubblewrap and give its user namespace many users; it waits for that."""
    (ready, go), (told, tell) = os.pipe(), os.pipe()
    try:
        options = [*options, "--userns-block-fd", str(ready), "--info-fd", str(tell)]
        process = _start(options, argv, first, (*passed, ready, tell), **streams)
        os.close(tell)
        tell = -1
        _map_users(told, first, process)
        os.write(go, b"1")
        return process
    finally:
        for descriptor in (ready, go, told, tell):
            if descriptor >= 0:
                os.close(descriptor)


def _stranger() -> int | None:
    """The user that a sandbox of root is outside; None if the harness is not root."""
    if os.geteuid() != 0:
        return None
    if not _many_users():
        return 65534
    return _FIRST_USER + _USERS * secrets.randbelow((_LAST_USER - _FIRST_USER) // _USERS)


def _many_users() -> bool:
    """Whether this root may be any user: it may not where it is itself the root of a small user namespace."""
    start, _, count = Path("/proc/self/uid_map").read_text().split()[:3]
    return os.geteuid() == 0 and start == "0" and int(count) > _LAST_USER + _USERS


def _map_users(told: int, first: int, process: subprocess.Popen[bytes]) -> None:
    """Give the new user namespace its users, once bubblewrap has told its process."""
    text = b""
    while b"}" not in text:
        chunk = os.read(told, 1 << 12)
        if not chunk:
            return  # it has ended, and says why on its own
        text += chunk
    child = json.loads(text)["child-pid"]
    for kind in ("uid_map", "gid_map"):
        try:
            Path(f"/proc/{child}/{kind}").write_text(f"0 {first} {_USERS}")
        except OSError as error:
            process.kill()
            process.wait()
            raise SandboxUnavailable(f"no sandbox: its users cannot be mapped ({error})") from None


class _Handed:
    """Files that bubblewrap copies from descriptors into the sandbox."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.descriptors = [_readable(content) for content in files.values()]
        self.options: list[str] = []
        for path, descriptor in zip(files, self.descriptors, strict=True):
            self.options += ["--perms", "0444", "--file", str(descriptor), path]

    def __enter__(self) -> _Handed:
        return self

    def __exit__(self, *error: object) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def _readable(content: bytes) -> int:
    descriptor = os.memfd_create("file")
    with os.fdopen(os.dup(descriptor), "wb") as handle:
        handle.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a sandbox with everything in it."""
    if process.poll() is None:
        process.kill()  # its namespace's first process dies with it, and with that one all others
    process.wait()
    for stream in (process.stdin, process.stdout):
        _close(stream)


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(OSError):  # unwritten input of a dead process
            stream.close()
