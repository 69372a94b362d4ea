"""OS interaction: what a reply means, what is shown, how it is judged, and the real tasks in the sandbox."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from benchmark_examples import Bench, agentbench_os, say

from agentflan import datasets
from agentflan.backends import Call
from agentflan.benchmarks.agentbench_os import matches, parse_reply
from agentflan.errors import FileError, RecordError, SandboxUnavailable
from agentflan.sandbox import Limits, Machine

NAME = "agentbench_os"


def do(*commands: str) -> str:
    return "Think: so.\n\nAct: bash\n\n" + "\n".join(f"```bash\n{command}\n```" for command in commands)


def bench(monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], **settings: Any) -> Bench:
    return Bench.of(NAME, monkeypatch, [agentbench_os()[0] | row], **settings)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Think: a\n\nAct: bash\n\n```bash\nls\n```", ("bash", "ls")),
        (do("cd /", "ls\npwd"), ("bash", "cd /\n\nls\npwd")),
        ("Act: Bash", ("bash", "")),
        ("Act: finish", ("commit", None)),
        ("Think: x\nAct: answer(7)", ("commit", "7")),
        ("Act: answer(f(x) (y))", ("commit", "f(x) (y)")),
        ("Act: answer 7", ("", None)),
        ("Act: finish\nAct: answer 7", ("commit", None)),  # the last one is none, so the one before counts
        ("Act: answer(1)\nAct: bash\n```bash\nls\n```", ("bash", "ls")),
        ("Act: think", ("", None)),
        ("answer(7)", ("", None)),
        ("", ("", None)),
    ],
)
def test_a_reply_is_read_as_upstream_reads_it(reply: str, expected: tuple[str, str | None]) -> None:
    assert parse_reply(reply) == expected


@pytest.mark.parametrize(
    ("answer", "wanted", "right"),
    [
        (" love ", {"answer": "love", "strip": True}, True),
        (" love ", {"answer": "love"}, False),
        ("loved", {"answer": "love", "strip": True}, False),
        ("it is 7 km", {"regex": r"\b7\b", "strip": True}, True),
        (None, {"regex": ".*"}, False),
        (None, {"answer": "None", "strip": True}, False),
    ],
)
def test_an_answer_matches_as_a_whole_or_by_pattern(answer: str | None, wanted: dict[str, Any], right: bool) -> None:
    assert matches(answer, wanted) is right


def test_the_shell_is_one_through_all_rounds_and_its_output_is_shown(monkeypatch) -> None:
    played = bench(monkeypatch, {}).play(say(do("cd /srv; X=5"), do("pwd; echo $X"), do("true"), "Act: answer(40)"))

    row = played[0]
    shown = [turn["content"] for turn in row["messages"] if turn["role"] == "user"][1:]
    assert shown == [
        "The output of the OS is empty.",
        "The output of the OS:\n\n/srv\n5",
        "The output of the OS is empty.",
    ]
    assert (row["passed"], row["outcome"], row["commands"], row["prediction"]) == (True, "completed", 3, "40")


def test_long_output_is_cut(monkeypatch) -> None:
    for length, tail in ((800, "x" * 20), (801, "\n[truncated because the output is too long]")):
        row = bench(monkeypatch, {}).play(say(do(f"printf 'x%.0s' $(seq {length})"), "Act: finish"))[0]
        shown = row["messages"][-2]["content"].removeprefix("The output of the OS:\n\n")
        assert shown == "x" * 780 + tail


def test_the_rounds_are_limited(monkeypatch) -> None:
    row = bench(monkeypatch, {}).play(say(do("true")))[0]

    assert (row["outcome"], row["commands"], row["passed"]) == ("task_limit", 8, False)


def test_a_reply_without_an_action_ends_the_episode(monkeypatch) -> None:
    row = bench(monkeypatch, {}).play(say("I do not know."))[0]

    assert (row["outcome"], row["passed"]) == ("invalid_action", False)


@pytest.mark.parametrize(
    ("last", "outcome"),
    [(do("true"), "task_limit"), ("I do not know.", "invalid_action"), ("Act: finish", "completed")],
)
def test_the_machine_is_checked_without_an_answer_too(last: str, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = {"match": None, "check": [["bash", 'test "$1" = None && cat /srv/made']], "example": None}
    done = bench(monkeypatch, task).play(say(do("touch /srv/made"), last))[0]
    undone = bench(monkeypatch, task).play(say(do("true"), last))[0]

    assert (done["outcome"], done["prediction"], done["passed"], done["checks"]) == (outcome, None, True, [0])
    assert (undone["passed"], undone["checks"]) == (False, [1])


def test_a_check_of_the_answer_fails_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    check = ["python", "import sys; sys.exit(int(sys.argv[1]) != 7)"]
    row = bench(monkeypatch, {"match": None, "check": [check], "example": None}).play(say("Seven."))[0]

    assert (row["outcome"], row["passed"], row["checks"]) == ("invalid_action", False, [1])


def test_a_dialogue_that_does_not_fit_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    task = {"match": None, "check": [["bash", "test -e /srv/made"]], "example": None}
    row = bench(monkeypatch, task, max_segments=300).play(say(do("touch /srv/made; seq 400")))[0]

    assert (row["outcome"], row["passed"]) == ("context_limit", True)


def test_a_command_that_hangs_is_stopped_and_the_episode_goes_on(monkeypatch) -> None:
    row = bench(monkeypatch, {}, seconds=0.5).play(say(do("echo begins; sleep 60"), "Act: answer(40)"))[0]

    assert row["messages"][-2]["content"] == "The output of the OS:\n\nbegins"
    assert row["passed"]


def test_checks_see_the_answer_the_machine_and_each_others_output(monkeypatch) -> None:
    checks = [
        ["bash", 'test "$1" = "a b" && cat /srv/made && echo second'],
        None,
        ["python", "import sys; sys.exit(sys.argv[1:] != ['a b', 'made\\nsecond\\n', 'example\\n'])"],
    ]
    task = {"match": None, "check": checks, "example": ["bash", "echo example"]}
    right = bench(monkeypatch, task).play(say(do("cd /tmp; echo made > /srv/made"), "Act: answer(a b)"))[0]
    wrong = bench(monkeypatch, task).play(say(do("echo made > /srv/made"), "Act: answer(a)"))[0]

    assert (right["passed"], right["checks"]) == (True, [0, 0, 0])
    assert (wrong["passed"], wrong["checks"]) == (False, [1])


def test_a_check_is_not_given_the_errors_of_the_example(monkeypatch) -> None:
    check = ["python", "import sys; sys.exit(int(sys.argv[1]) != int(sys.argv[2]))"]
    task = {"match": None, "check": [None, check], "example": ["bash", "echo denied >&2; echo 7"]}

    assert bench(monkeypatch, task).play(say("Act: answer(7)"))[0]["passed"]


def test_the_shell_cannot_fool_the_checks(monkeypatch) -> None:
    task = {"match": None, "check": [["bash", "test -e /srv/made"]], "example": None}
    cheat = do("test() { true; }; export -f test; alias test=true; shopt -s expand_aliases; PATH=/tmp; exec true")

    assert not bench(monkeypatch, task).play(say(cheat, "Act: finish"))[0]["passed"]


def test_what_starts_before_the_task_goes_on_while_it_is_played(monkeypatch) -> None:
    start = "while true; do echo tick >> ~/log; sleep 0.1; done &"
    row = bench(monkeypatch, {"start": start, "match": {"answer": "grows"}}).play(
        say(
            do("a=$(wc -l < ~/log); sleep 0.5; b=$(wc -l < ~/log); test $b -gt $a && echo grows"),
            "Act: answer(grows)",
        )
    )[0]

    assert row["messages"][-2]["content"].endswith("grows")
    assert row["passed"]


def test_a_task_that_cannot_be_prepared_is_a_broken_episode(monkeypatch) -> None:
    played = bench(monkeypatch, {"init": [["bash", "echo no such thing; exit 3"]]})
    rows = played.play(say("Act: finish"))

    assert rows[0]["outcome"] == "task_error"
    assert "init script ends with 3: no such thing" in rows[0]["error"]
    assert played.score(rows)["value"] == 0


@pytest.mark.parametrize(("deaths", "outcome"), [(1, "completed"), (2, "task_error")])
def test_a_dead_machine_is_replaced_and_its_episode_begins_again_once(
    deaths: int, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Machine] = []

    class Watched(Machine):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    def generate(calls: list[Call]) -> list[str]:
        if calls[0].step == 1 and len(made) <= deaths:
            made[-1]._process.kill()
            made[-1]._process.wait()
        return [(do("touch /srv/mark"), do("ls /srv"), "Act: answer(40)")[calls[0].step]]

    monkeypatch.setattr("agentflan.benchmarks.agentbench_os.Machine", Watched)
    played = bench(monkeypatch, {})
    rows = played.play(generate)
    died = ["MachineDied: the machine is gone"] * deaths

    assert (rows[0]["outcome"], rows[0]["crashes"], len(made)) == (outcome, died, 2)
    assert played.score(rows)["value"] == (100 if outcome == "completed" else 0)


def test_without_a_sandbox_nothing_is_run(monkeypatch) -> None:
    def missing(*limits: Any) -> Machine:
        raise SandboxUnavailable("no sandbox: bwrap not found")

    monkeypatch.setattr("agentflan.benchmarks.agentbench_os.Machine", missing)
    played = bench(monkeypatch, {})
    with pytest.raises(SandboxUnavailable, match="bwrap not found"):
        next(played.module.episode(played.tasks[0], played.settings))


def test_a_task_names_what_is_wrong_with_it(tmp_path) -> None:
    def read(row: dict[str, Any]) -> list[dict[str, Any]]:
        path = tmp_path / "data" / "1" / "stock.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([row]))
        return list(datasets.load(NAME).read(tmp_path))

    with pytest.raises(FileError, match=r"no data/<group>/\*.json"):
        list(datasets.load(NAME).read(tmp_path / "nowhere"))
    with pytest.raises(RecordError, match=r"record 1, field evaluation: found nothing; expected an object"):
        read({"description": "d"})
    with pytest.raises(
        RecordError, match=r"field evaluation.check.language: found 'c'; expected one of 'bash', 'python'"
    ):
        read({"description": "d", "evaluation": {"check": {"language": "c", "code": ""}}})
    with pytest.raises(RecordError, match=r"field evaluation.match.regex: found a broken pattern"):
        read({"description": "d", "evaluation": {"match": {"regex": "("}}})
    with pytest.raises(RecordError, match=r"field evaluation.example: found nothing; expected the script that null"):
        read({"description": "d", "evaluation": {"check": [None]}})
    with pytest.raises(FileError, match=r"scripts/1/check/x.py: found no such file"):
        read({"description": "d", "evaluation": {"check": [{"file": "check/x.py"}]}})
    task = read({"description": "d", "create": ["odd"], "start": "a &", "evaluation": {"match": "7"}})[0]
    assert (task["init"], task["start"], task["match"]) == ([], "a &", {"answer": "7", "strip": True})


def test_all_tasks_of_upstream_are_144_of_which_9_match_an_answer(shared_data: Path) -> None:
    folder = shared_data / "agentbench" / "os_interaction"
    if not folder.exists():
        pytest.skip("only three of AgentBench's files of OS tasks are among the records, without their scripts")
    tasks = list(datasets.load(NAME).read(folder))
    groups = Counter(task["group"] for task in tasks)

    assert groups == {"1": 7, "2": 5, "3": 6, "4": 19, "5": 10, "6": 9, "7": 88}
    assert (len(tasks), sum(task["match"] is not None for task in tasks)) == (144, 9)
    assert all((task["match"] is None) == bool(task["check"]) for task in tasks)


def many_users() -> bool:
    machine = Machine(Limits())
    try:
        return machine.type("grep -q 65536 /proc/self/uid_map").code == 0
    finally:
        machine.close()


# What the scripts of the real tasks do, in words of our own: upstream's are not among the real records.
SCRIPTS = {
    "check/integer-match.py": "import sys\nsys.exit(int(sys.argv[1]) != int(sys.argv[2]))",
    "check/string-match.py": "import sys\nsys.exit(sys.argv[1].strip() != sys.argv[2].strip())",
    "check/size-match.py": "import sys\nsys.exit(sys.argv[1].strip() != sys.argv[2].strip())",
    "check/0.sh": 'test "$(calc "2 * (9 / 3)")" = 6.0',
    "checking/0.sh": 'test "$(calc "2 * (9 / 3)")" = 6.0',
    "checking/1.sh": 'mkdir -p /opt/a/b; touch /opt/a/x /opt/a/b/y; test "$(count /opt/a)" = 2',
    "checking/2.sh": 'test "$(date-format 2023-5-1 %Y/%m)" = 2023/05',
    "example/0.sh": """cd /usr/local/bin
printf '#!/bin/bash\\npython3 -c "print($*)"\\n' > calc; chmod +x calc""",
    "example/1.sh": """cd /usr/bin
printf '#!/bin/bash\\nfind "$1" -type f | wc -l\\n' > count; chmod +x count""",
    "example/2.sh": """cd /usr/bin
printf '#!/bin/bash\\ndate -d "$1" "+$2"\\n' > date-format; chmod +x date-format""",
    "init/stock-log.sh": """names=(Alice Bob); actions=(Purchase Sell)
for i in $(seq 400); do
    echo "${names[RANDOM % 2]} | ${actions[RANDOM % 2]} | $((RANDOM % 100)) | $((RANDOM % 1000))"
done > /usr/stock.log""",
}


@pytest.mark.parametrize("file", ["os_1_stock", "os_5_new", "os_dev"])
def test_the_examples_of_real_tasks_are_right(shared_data: Path, tmp_path: Path, file: str) -> None:
    (tmp_path / "data" / "1").mkdir(parents=True)
    shutil.copy(shared_data / "agentbench" / f"{file}.json", tmp_path / "data" / "1")
    for name, text in SCRIPTS.items():
        path = tmp_path / "scripts" / "1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    played = Bench(NAME, tmp_path, seconds=60.0)
    gold = {task["id"]: played.module.gold_replies(task, played.settings) for task in played.tasks}

    def generate(calls: list[Call]) -> list[str]:
        replies = [gold[call.task["id"]][call.step] for call in calls]
        return [reply(call.request) if callable(reply) else reply for reply, call in zip(replies, calls, strict=True)]

    rows = played.play(generate)
    missing = "" if many_users() else "useradd"  # what an ordinary user's machine cannot do
    beyond = {task["id"] for task in played.tasks if missing and missing in str(task["init"])}
    failed = {row["id"]: row for row in rows if not row.get("passed") and row["id"] not in beyond}
    assert len(rows) == {"os_1_stock": 7, "os_5_new": 10, "os_dev": 26}[file]
    assert not failed, json.dumps(failed, indent=1)
