"""A machine behaves as a Linux of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentflan.errors import SandboxUnavailable
from agentflan.sandbox import Ended, Limits, Machine


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    try:
        machine = Machine(Limits(seconds=1.5))
    except SandboxUnavailable as missing:
        pytest.skip(str(missing))
    yield machine
    machine.close()


def test_the_shell_keeps_its_folder_and_variables(machine: Machine) -> None:
    machine.type("mkdir -p /srv/a && cd /srv/a && NUMBER=7 && greet() { echo hello; }")

    assert machine.type("pwd; echo $NUMBER; greet").output == "/srv/a\n7\nhello\n"


def test_a_command_has_its_exit_code_and_both_streams(machine: Machine) -> None:
    result = machine.type("echo out; echo err >&2; (exit 3)")

    assert (result.code, result.output, result.ended) == (3, "out\nerr\n", Ended.ITSELF)


def test_several_lines_quotes_and_a_syntax_error_are_one_command(machine: Machine) -> None:
    assert machine.type('for x in \'a b\' "c"; do\n  echo "<$x>"\ndone').output == "<a b>\n<c>\n"
    assert machine.type("echo 'never closed").code != 0
    assert machine.type("echo still here").output == "still here\n"


def test_a_stopped_command_leaves_the_shell_as_it_was(machine: Machine) -> None:
    machine.type("cd /srv; KEPT=yes; sleep 500 &")
    result = machine.type("echo begins; sleep 100")

    assert (result.code, result.output, result.ended) == (124, "begins\n", Ended.TIME)
    assert "/srv yes\n" in machine.type("echo $PWD $KEPT").output
    assert "500" in machine.type("ps aux | grep '[s]leep 500' || grep -al 500 /proc/*/cmdline").output


def test_a_shell_that_ends_or_hangs_is_replaced(machine: Machine) -> None:
    assert machine.type("exit 5").code == 5
    assert machine.type("echo new").output == "new\n"
    assert machine.type("while :; do :; done").ended is Ended.TIME
    assert machine.type("echo newer").output == "newer\n"
    machine.type("exec 1>&- 2>&-; exec sleep 100")
    assert machine.type("echo newest").output == "newest\n"


def test_programs_beside_the_shell_do_not_see_it(machine: Machine) -> None:
    machine.type("cd /srv; ls() { echo faked; }; export SECRET=1; echo data > /srv/file")

    result = machine.run(["bash", "-c", 'pwd; cat /srv/file; echo "$1|$2|$SECRET"; exit 4', "--", "a b", "c'd"])

    assert (result.code, result.output) == (4, "/\ndata\na b|c'd|\n")


def test_its_root_may_change_everything_in_it(machine: Machine) -> None:
    made = machine.type(
        "echo 1 > /usr/stock.log && printf '#!/bin/bash\\necho tool $1\\n' > /usr/local/bin/tool && "
        "chmod +x /usr/local/bin/tool && tool x && touch /etc/new ~/new /new && rm /etc/new && echo done"
    )
    assert made.output == "tool x\ndone\n"


def test_machines_share_nothing(machine: Machine) -> None:
    machine.type("touch /usr/mine /tmp/mine")
    other = Machine(Limits(seconds=2))
    try:
        assert other.type("ls /usr/mine /tmp/mine 2>&1 | grep -c 'No such'").output == "2\n"
    finally:
        other.close()


def test_the_machine_of_a_harness_with_rights_has_users(machine: Machine) -> None:
    if machine.type("grep -q 65536 /proc/self/uid_map").code:
        pytest.skip("the harness is an ordinary user: its machines have one user")
    result = machine.type("useradd -m jack && touch /home/jack/x && chown jack /home/jack/x && su jack -c 'id -un'")

    assert result.output.endswith("jack\n")
