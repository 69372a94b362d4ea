"""System calls that a sandbox may not make, as the filter that bubblewrap loads (seccomp(2)).

Those that take memory which no limit counts (memfd, System V shared memory and queues, keys), those that make a new
user namespace, whose root could mount folders without a limit, and a few that are large and often broken.
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import NamedTuple

from agentflan.errors import SandboxUnavailable


class _Machine(NamedTuple):
    audit: int  # AUDIT_ARCH_*
    denied: dict[str, int]
    namespaces: dict[str, int]  # their first argument may hold CLONE_NEWUSER


_EVERYWHERE = {"io_uring_setup": 425, "memfd_secret": 447}
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        {
            **{"shmget": 29, "msgget": 68, "memfd_create": 319, "add_key": 248, "request_key": 249, "keyctl": 250},
            **{"perf_event_open": 298, "bpf": 321, "userfaultfd": 323, **_EVERYWHERE},
        },
        {"clone": 56, "unshare": 272},
    ),
    "aarch64": _Machine(
        0xC00000B7,
        {
            **{"shmget": 194, "msgget": 186, "memfd_create": 279, "add_key": 217, "request_key": 218, "keyctl": 219},
            **{"perf_event_open": 241, "bpf": 280, "userfaultfd": 282, **_EVERYWHERE},
        },
        {"clone": 220, "unshare": 97},
    ),
}
_CLONE3 = 435  # its arguments lie in memory, where a filter cannot look; C libraries fall back to clone
_CLONE_NEWUSER = 0x10000000
_OTHER_ABI = 0x40000000  # x32 numbers begin here

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def filter_program() -> bytes:
    """The filter in the kernel's form.

    Raises:
        SandboxUnavailable: for an architecture whose numbers are not known here.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise SandboxUnavailable(f"no sandbox: no system call filter for {platform.machine()}")
    lines = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_IF_EQUAL, machine.audit, yes=1),
        _line(_RETURN, _KILL),
        _line(_LOAD, _NUMBER),
        _line(_IF_AT_LEAST, _OTHER_ABI, no=1),
        _line(_RETURN, _ERROR | errno.EPERM),
    ]
    for number in machine.denied.values():
        lines += [_line(_IF_EQUAL, number, no=1), _line(_RETURN, _ERROR | errno.EPERM)]
    lines += [_line(_IF_EQUAL, _CLONE3, no=1), _line(_RETURN, _ERROR | errno.ENOSYS)]
    for number in machine.namespaces.values():
        lines += [
            _line(_IF_EQUAL, number, no=4),
            _line(_LOAD, _FIRST_ARGUMENT),
            _line(_IF_BITS, _CLONE_NEWUSER, no=1),
            _line(_RETURN, _ERROR | errno.EPERM),
            _line(_RETURN, _ALLOW),
        ]
    return b"".join([*lines, _line(_RETURN, _ALLOW)])


def _line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; `yes` and `no` are how many lines a test skips."""
    return struct.pack("=HBBI", code, yes, no, value)
