"""ALFWorld: commands and goals of the embedded household, the protocol, the real games and their list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmark_examples import Bench, say

from agentflan import datasets
from agentflan.benchmarks import _textworld
from agentflan.benchmarks import agentbench_alfworld as alfworld
from agentflan.benchmarks._bleu import bleu, most_similar
from agentflan.benchmarks._household import NOTHING, Household
from agentflan.errors import ConfigError, NotAvailable, RecordError
from agentflan.files import write_json, write_jsonl

NAME = "agentbench_alfworld"
ROOM = {
    "task": "do it.",
    "places": [
        {"name": "desk 1", "things": ["cup 1", "lamp 1"]},
        {"name": "shelf 1", "things": ["cup 2"]},
        {"name": "fridge 1", "things": ["egg 1"], "closed": True},
        {"name": "sink 1", "things": []},
        {"name": "stove 1", "things": []},
    ],
    "goal": {"thing": "cup", "place": "shelf", "count": 1, "state": ""},
    "solution": [],
}


def room(**goal: Any) -> Household:
    return Household(ROOM | {"goal": ROOM["goal"] | goal})


def do(home: Household, *commands: str) -> list[str]:
    return [home.step(command) for command in commands]


def test_a_household_says_what_happens() -> None:
    home = room()

    assert home.observation == (
        "You are in the middle of a room. You see a desk 1, a shelf 1, a fridge 1, a sink 1, a stove 1. "
        "Your task is to: do it."
    )
    assert do(home, "go to desk 1", "take cup 1 from desk 1", "inventory", "go to fridge 1", "open fridge 1") == [
        "On the desk 1, you see a cup 1, a lamp 1.",
        "You pick up the cup 1 from the desk 1.",
        "You hold a cup 1.",
        "The fridge 1 is closed.",
        "You open the fridge 1. In the fridge 1, you see a egg 1.",
    ]
    assert do(home, "cool cup 1 with fridge 1", "examine cup 1", "put cup 1 in/on fridge 1", "close fridge 1") == [
        "You cool the cup 1 with the fridge 1.",
        "The cup 1 is cool.",
        "You put the cup 1 in/on the fridge 1.",
        "You close the fridge 1.",
    ]
    assert do(home, "take egg 1 from fridge 1", "fly", "go to fridge 1") == [NOTHING] * 3


def test_only_possible_commands_are_listed() -> None:
    home = room()
    do(home, "go to fridge 1")

    assert home.commands == [
        "examine fridge 1",
        "go to desk 1",
        "go to shelf 1",
        "go to sink 1",
        "go to stove 1",
        "inventory",
        "look",
        "open fridge 1",
    ]


@pytest.mark.parametrize(
    ("goal", "commands"),
    [
        ({"place": "desk"}, []),
        ({}, ["go to shelf 1"]),
        ({"count": 2}, ["go to desk 1", "take cup 1 from desk 1", "go to shelf 1", "put cup 1 in/on shelf 1"]),
        (
            {"state": "hot"},
            [
                *("go to desk 1", "take cup 1 from desk 1", "go to stove 1", "heat cup 1 with stove 1"),
                *("go to shelf 1", "put cup 1 in/on shelf 1"),
            ],
        ),
        ({"state": "lit"}, ["go to shelf 1", "take cup 2 from shelf 1", "go to desk 1", "use lamp 1"]),
    ],
)
def test_goals(goal: dict[str, Any], commands: list[str]) -> None:
    home = room(**goal)
    before = home.won
    seen = do(home, *commands)

    assert NOTHING not in seen
    assert home.won
    assert before == (goal in ({}, {"place": "desk"}))


def test_cooling_undoes_heating_and_a_clean_thing_stays_clean() -> None:
    home = room(state="hot")
    do(home, "go to desk 1", "take cup 1 from desk 1", "go to stove 1", "heat cup 1 with stove 1", "go to sink 1")
    do(home, "clean cup 1 with sink 1", "go to fridge 1", "cool cup 1 with fridge 1")

    assert home.step("examine cup 1") == "The cup 1 is clean and cool."


def test_bleu_is_that_of_nltk() -> None:
    assert bleu("go to desk 1", "go desk 1") == pytest.approx(0.16793545727180179)  # by nltk 3.10, as are the others
    assert bleu("put cup 1 in/on desk 1", "put cup 1 on desk 1") == pytest.approx(0.293945703509473)
    assert bleu("go to desk 1", "go to desk 1") == 1
    assert bleu("look", "inventory") == 0


@pytest.mark.parametrize(
    ("reply", "command"),
    [
        ("THOUGHT: I go.\n ACTION: Go to desk 1", "go to desk 1"),
        ("ACTION: put the cup 1 on shelf 1\nACTION: look", "put cup 1 in/on shelf 1"),
        ("go to desk", "go to desk 1"),
        ("ACTION: sing", "sing"),  # like nothing
        ("", ""),
    ],
)
def test_the_command_of_a_reply(reply: str, command: str) -> None:
    possible = ["go to desk 1", "go to shelf 1", "put cup 1 in/on shelf 1", "look"]

    assert alfworld.read_command(reply, possible) == command


def test_without_choices_a_text_stays() -> None:
    assert most_similar("go", [], 0.01) == "go"


def test_a_dialogue_begins_with_instruction_and_one_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of(NAME, monkeypatch, limit=1)
    write_json(
        tmp_path / "prompt.json", {"instruction": "Live.", "demonstrations": {"put": ["a room", "ACTION: look"]}}
    )
    place, two = alfworld.read_tasks(tmp_path, bench.settings)

    request = alfworld.episode(place, bench.settings).send(None)

    assert [text for _, text in request.messages[:4]] == [
        "Live.",
        "OK. I'll follow your instructions and try my best to solve the task.",
        "Here is one example.\na room",
        "ACTION: look",
    ]
    assert request.messages[4][1].startswith("Here is your task. You are in the middle of a room.")
    assert request.max_new_tokens == 128
    assert len(alfworld.episode(two, bench.settings).send(None).messages) == 3  # no example of its category


def test_three_equal_replies_end_an_episode_from_the_fourth_step_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of(NAME, monkeypatch)

    assert [(row["outcome"], row["steps"]) for row in bench.play(say("ACTION: look"))] == [("invalid_action", 4)] * 6
    varied = bench.play(lambda calls: [f"ACTION: zz{call.step % 3}" for call in calls])
    assert [(row["outcome"], row["steps"], row["not_possible"]) for row in varied] == [("task_limit", 35, 35)] * 6


def test_the_score_is_the_share_of_all_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of(NAME, monkeypatch)
    rows = bench.play_oracle()
    rows[0] = {"id": "h0", "outcome": "task_error", "error": "OSError: gone"}
    score = bench.score(rows)

    assert (score["value"], score["n"]) == (pytest.approx(500 / 6, abs=1e-3), 6)
    assert score["parts"]["categories"] == {"pick_and_place": pytest.approx(200 / 3, abs=1e-3), "pick_two_obj": 100}
    assert score["parts"]["environment"].startswith("our own households")


def test_the_environment_must_be_that_of_the_games(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="key environment: found 'thor'; expected embedded or alfworld"):
        Bench.of(NAME, monkeypatch, environment="thor")
    with pytest.raises(ConfigError, match="key environment: the game h0 needs 'embedded'"):
        Bench.of(NAME, monkeypatch, environment="alfworld")


def test_a_broken_household_is_a_sentence(tmp_path: Path) -> None:
    write_json(tmp_path / "standard.json", {"pick_and_place": ["a"]})
    write_jsonl(tmp_path / "households.jsonl", [{"game": "a", "task": 3}])

    with pytest.raises(RecordError, match=r"households\.jsonl: record 1 \(a\), field task: found 3; expected a string"):
        list(datasets.load(NAME).read(tmp_path))


def test_the_real_list_has_50_games(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "standard.json").symlink_to(shared_data / "agentbench" / "alfworld_standard.json")
    rows = list(datasets.load(NAME).read(tmp_path))

    assert (len(rows), len({row["id"] for row in rows})) == (50, 50)
    assert [sum(row["category"] == name for row in rows) for name in datasets.load(NAME).CATEGORIES] == [
        9,
        9,
        8,
        8,
        8,
        8,
    ]
    assert rows[0]["id"].startswith("pick_and_place_simple-Pencil-None-Shelf-308/trial_")


def test_a_game_that_is_not_there_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"id": "a", "category": "pick_and_place", "game": "json_2.1.1/a/game.tw-pddl", "household": None}
    bench = Bench.of(NAME, monkeypatch, rows=[row], environment="alfworld", games=str(tmp_path))

    with pytest.raises(NotAvailable, match="no such game of ALFWorld"):
        alfworld.episode(bench.tasks[0], bench.settings).send(None)


def test_a_game_of_the_real_package_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = pytest.importorskip("alfworld")
    logic = Path(package.__file__).parent / "data"
    solution = ["go to desk 1", "take cup 1 from desk 1", "go to shelf 1", "move cup 1 to shelf 1"]
    game = {
        "pddl_domain": (logic / "alfred.pddl").read_text(),
        "grammar": (logic / "alfred.twl2").read_text().replace("UNKNOWN GOAL", "move the cup"),
        "pddl_problem": PROBLEM,
        "solvable": True,
        "walkthrough": solution,
    }
    write_json(tmp_path / "game.tw-pddl", game)
    row = {"id": "a", "category": "pick_and_place", "game": "game.tw-pddl", "household": None}
    bench = Bench.of(NAME, monkeypatch, rows=[row], environment="alfworld", games=str(tmp_path))

    assert bench.score(bench.play_oracle())["value"] == 100
    home = _textworld.Game(tmp_path / "game.tw-pddl")
    assert home.observation.startswith("You are in the middle of a room.")
    assert home.observation.endswith("\nYour task is to: move the cup.")
    assert home.step("go to desk 1").startswith("On the desk 1, you see a cup 1")
    assert not home.won


PROBLEM = """
(define (problem small)
 (:domain alfred)
 (:objects
   agent1 - agent
   loc_0 loc_1 loc_2 - location
   Desk_bar__minus_01_dot_00 Shelf_bar__minus_02_dot_00 - receptacle
   Cup_bar__minus_01_dot_10 - object
   CupType - otype
   DeskType ShelfType - rtype)
 (:init
   (= (total-cost) 0)
   (atLocation agent1 loc_0)
   (receptacleAtLocation Desk_bar__minus_01_dot_00 loc_1)
   (receptacleAtLocation Shelf_bar__minus_02_dot_00 loc_2)
   (receptacleType Desk_bar__minus_01_dot_00 DeskType)
   (receptacleType Shelf_bar__minus_02_dot_00 ShelfType)
   (objectType Cup_bar__minus_01_dot_10 CupType)
   (pickupable Cup_bar__minus_01_dot_10)
   (canContain DeskType CupType)
   (canContain ShelfType CupType)
   (inReceptacle Cup_bar__minus_01_dot_10 Desk_bar__minus_01_dot_00)
   (objectAtLocation Cup_bar__minus_01_dot_10 loc_1))
 (:goal (inReceptacle Cup_bar__minus_01_dot_10 Shelf_bar__minus_02_dot_00))
 (:metric minimize (total-cost)))
"""
