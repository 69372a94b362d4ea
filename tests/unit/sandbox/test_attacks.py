"""Attacks by what a model might write. Each is run in the sandbox, and then the host is looked at."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentflan.code_digest import PACKAGE
from agentflan.errors import SandboxUnavailable
from agentflan.sandbox import Ended, Limits, Machine, Result, find_python, require, run

LIMITS = Limits(
    seconds=5, cpu_seconds=2, megabytes=256, disk_megabytes=16, files=5000, processes=24, output_bytes=100_000
)


@pytest.fixture(autouse=True)
def _sandbox() -> None:
    try:
        require()
    except SandboxUnavailable as missing:
        pytest.skip(str(missing))


def shell(script: str, limits: Limits = LIMITS) -> Result:
    return run(["bash", "-c", script], limits)


def python(program: str, limits: Limits = LIMITS) -> Result:
    found = find_python()
    return run([*found.argv, "attack.py"], limits, found.shown, {"attack.py": program.encode()})


class InMachine:
    """The same attacks as commands of a machine's shell."""

    def __init__(self) -> None:
        self.machine = Machine(LIMITS)

    def __call__(self, script: str) -> Result:
        return self.machine.type(script)


@pytest.fixture(params=["program", "machine"])
def attack(request: pytest.FixtureRequest) -> Iterator:
    """Runs a script as a program of its own, and as a command of a machine."""
    if request.param == "program":
        yield shell
        return
    inside = InMachine()
    yield inside
    inside.machine.close()


def alive(mark: str) -> list[str]:
    """Processes of the host with a mark in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if mark in text and int(path.parent.name) != os.getpid():
            found.append(text)
    return found


def _started(mark: str) -> int:
    """How many programs with a mark run, not counting the bubblewrap that starts one."""
    return sum(text.startswith("sleep") for text in alive(mark))


def gone(mark: str, seconds: float = 5.0) -> bool:
    """Whether such processes end soon."""
    end = time.monotonic() + seconds
    while alive(mark) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(mark)


def test_the_environment_and_the_home_folder_are_not_there(attack, tmp_path, monkeypatch) -> None:
    canary, home = "canary-5417", Path.home()
    monkeypatch.setenv("OPENAI_API_KEY", canary)
    (tmp_path / ".canary").write_text(canary)
    result = attack(
        f"env; cat /proc/[0-9]*/environ {tmp_path}/.canary ~/.canary 2>&1; "
        f"ls -A {home}/* /home /etc/ssh /var/log 2>&1; cat /etc/shadow 2>&1; true"
    )
    assert result.ended is Ended.ITSELF
    assert f"{tmp_path}/.canary: No such file" in result.output
    assert canary not in result.output
    for name in (path.name for path in home.iterdir() if len(path.name) > 6):
        assert name not in result.output
    shadow = Path("/etc/shadow")
    if os.access(shadow, os.R_OK):
        assert shadow.read_text().split("\n")[1] not in result.output


def test_no_socket_reaches_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = python(
            "import socket\n"
            f"for place in (('127.0.0.1', {port}), ('192.0.2.1', 80), ('1.1.1.1', 53)):\n"
            "    try:\n"
            "        socket.create_connection(place, 1)\n"
            "        print('REACHED', place)\n"
            "    except OSError as error:\n"
            "        print(type(error).__name__)\n"
        )
    assert "REACHED" not in result.output
    assert len(result.output.split()) == 3


def test_sockets_with_names_outside_the_file_system_are_not_shared() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0agentflan-test")
        server.listen()
        result = python(
            "import socket\n"
            "try:\n    socket.socket(socket.AF_UNIX).connect('\\0agentflan-test')\n    print('REACHED')\n"
            "except OSError as error:\n    print(error)\n"
        )
    assert "refused" in result.output


def test_a_fork_bomb_is_bounded(attack) -> None:
    attack("bomb() { sleep 4714.125 & bomb | bomb & }; bomb; sleep 1; echo over")

    assert len(alive("4714.125")) <= LIMITS.processes
    assert shell("echo next").output == "next\n"


def test_processes_are_counted_for_each_sandbox_also_when_the_host_is_root() -> None:
    result = python(
        "import os, time\n"
        "made = 0\n"
        "try:\n"
        "    while made < 500:\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(60)\n"
        "        made += 1\n"
        "except OSError as error:\n"
        "    print(type(error).__name__, made)\n"
    )
    assert result.output.startswith("BlockingIOError")
    assert 10 < int(result.output.split()[1]) <= LIMITS.processes + 4


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm", "/", "/usr", "/var/tmp", "/dev", "/run"])
def test_the_disk_cannot_be_filled(attack, place: str) -> None:
    result = attack(
        f"cd {place} && for i in 1 2 3 4 5; do head -c 30000000 /dev/zero > fill$i; done; cat fill* 2>/dev/null | wc -c"
    )
    assert result.ended is Ended.ITSELF
    last = result.output.strip().split("\n")[-1]
    assert not last.isdigit() or int(last) <= LIMITS.disk_megabytes << 20


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm", "/root"])
def test_many_empty_files_are_stopped(attack, place: str) -> None:
    """Each takes memory of the kernel that neither the size of the file system nor any process accounts for."""
    program = (
        "import os, sys\n"
        "for number in range(100_000):\n"
        "    try:\n        os.mkdir(f'{sys.argv[1]}/{number}')\n"
        "    except OSError as error:\n        sys.exit(f'refused {error.errno}')\n"
        "print('MADE THEM', flush=True)\n"
    )
    result = attack(f"python3 -c {shlex.quote(program)} {place}")

    assert "MADE THEM" not in result.output
    assert result.code != 0


def test_one_process_cannot_take_much_memory(attack) -> None:
    result = attack("python3 -c \"x = b'x' * (400 << 20); print('GOT IT')\"")

    assert "GOT IT" not in result.output
    assert result.ended is Ended.ITSELF


def test_many_processes_cannot_take_much_memory_together(attack) -> None:
    hog = "import time; x = b'x' * (120 << 20); print('holds', flush=True); time.sleep(1); print('kept', flush=True)"
    result = attack(f'for i in 1 2 3 4 5 6 7 8; do python3 -c "{hog}" & done; wait')

    assert result.output.splitlines().count("kept") <= 2


@pytest.mark.parametrize(
    "call",
    [
        "os.memfd_create('x')",
        "ctypes.CDLL(None, use_errno=True).shmget(0, 1 << 20, 0o1600) >= 0 or raise_()",
        "ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0 or raise_()",
    ],
)
def test_memory_that_no_limit_counts_is_refused(call: str) -> None:
    result = python(
        "import ctypes, os\ndef raise_():\n    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))\n"
        f"try:\n    {call}\n    print('GOT IT')\nexcept OSError as error:\n    print(error.errno)\n"
    )
    assert result.output == "1\n"


def test_killing_the_parent_ends_the_attacker_alone(attack) -> None:
    result = attack("kill -9 $PPID; kill -9 -1; kill -9 1; sleep 1")

    assert result.ended in (Ended.ITSELF, Ended.GONE, Ended.TIME)
    assert os.getpid() > 1
    assert shell("echo next").output == "next\n"


def test_links_lead_nowhere(attack, tmp_path) -> None:
    (tmp_path / "secret").write_text("canary-9120")
    (tmp_path / "victim").write_text("untouched")
    result = attack(
        f"cd /tmp; ln -s / root; ln -s {tmp_path} out; cat out/secret root{tmp_path}/secret "
        f"/proc/1/root{tmp_path}/secret /proc/self/cwd/../../..{tmp_path}/secret 2>&1; "
        f"echo changed > out/victim; echo changed > /proc/1/root{tmp_path}/victim; "
        f"mkdir -p {tmp_path}; echo changed > {tmp_path}/victim; chroot /proc/1/root ls {tmp_path}; true"
    )
    assert result.ended is Ended.ITSELF
    assert "canary-9120" not in result.output
    assert (tmp_path / "victim").read_text() == "untouched"


def test_the_hosts_programs_stay_as_they_are(attack) -> None:
    before = Path("/usr/bin/env").stat()
    attack("echo changed > /usr/bin/env; rm -f /usr/bin/env; chmod 777 /usr/bin; touch /usr/bin/agentflan_was_here")

    assert Path("/usr/bin/env").stat().st_mtime_ns == before.st_mtime_ns
    assert not Path("/usr/bin/agentflan_was_here").exists()


def test_an_endless_loop_is_stopped(attack) -> None:
    begin = time.monotonic()
    result = attack("while :; do :; done")

    assert result.ended in (Ended.TIME, Ended.ITSELF)  # the CPU limit may come first
    assert time.monotonic() - begin < LIMITS.seconds + 3


def test_endless_sleep_is_stopped() -> None:
    result = shell("trap '' TERM INT HUP; sleep 1000", Limits(seconds=0.5))

    assert (result.code, result.ended) == (124, Ended.TIME)


def test_endless_output_is_cut(attack) -> None:
    begin = time.monotonic()
    result = attack("yes")

    assert result.ended is Ended.OUTPUT
    assert len(result.output) <= LIMITS.output_bytes
    assert time.monotonic() - begin < 3


def test_output_that_is_no_text_is_text_all_the_same(attack) -> None:
    assert attack("printf '\\377\\376\\000x'").output == "\ufffd\ufffd\x00x"


def test_nothing_is_left_behind() -> None:
    mark = "4711.125"
    begin = time.monotonic()
    result = shell(f"(setsid nohup sleep {mark} > /dev/null 2>&1 &) ; (sleep {mark} &); echo started")

    assert result.output == "started\n"
    assert time.monotonic() - begin < 2
    assert gone(mark)


def test_a_closed_machine_leaves_nothing_behind() -> None:
    mark = "4712.125"
    machine = Machine(LIMITS)
    machine.type(f"setsid nohup sleep {mark} > /dev/null 2>&1 &")
    assert machine.type(f"sleep 0.2; grep -al {mark} /proc/[0-9]*/cmdline | wc -l").output.strip() != "0"
    assert alive(mark)
    machine.close()

    assert gone(mark)


def test_a_killed_harness_leaves_nothing_behind() -> None:
    mark = "4713.125"
    program = (
        "from agentflan.sandbox import *\n"
        "machine = Machine(Limits())\n"
        f"machine.type('sleep {mark} &')\n"
        "print('ready', flush=True)\n"
        f"run(['sleep', '{mark}'], Limits(seconds=100))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment)
    assert process.stdout.readline() == b"ready\n"
    end = time.monotonic() + 20
    while (inside := _started(mark)) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert inside == 2
    time.sleep(0.5)  # see `_WALLS`: bubblewrap's own death signal is set as the program starts
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    assert gone(mark)


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has not proved yet that this host can make sandboxes; what it proves does not outlive the test."""
    from agentflan.sandbox import _program

    _program.require.cache_clear()
    yield
    monkeypatch.undo()
    _program.require.cache_clear()


def test_a_host_without_bubblewrap_is_refused(unproven, monkeypatch, tmp_path) -> None:
    from agentflan.sandbox import _bubblewrap

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(_bubblewrap, "PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match="bwrap, prlimit not found"):
        run(["true"], LIMITS)


def test_a_host_whose_walls_do_not_hold_is_refused(unproven, monkeypatch) -> None:
    from agentflan.sandbox import _program

    monkeypatch.setattr(_program, "_PROOF", Limits(seconds=5, processes=500))
    with pytest.raises(SandboxUnavailable, match="does not bound the number of processes"):
        run(["true"], LIMITS)
