"""Every benchmark keeps the promises that the runner, the tables and the reader of a score rely on."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from benchmark_examples import Bench

from agentflan import benchmarks
from agentflan.benchmarks._protocol import OUTCOMES, Request, complete_settings
from agentflan.episodes import check_outcome
from agentflan.errors import ConfigError, RecordError
from agentflan.world.build import build_world

NAMES = benchmarks.names()
FEW = dict.fromkeys(("agentinstruct", "toolbench_kept", "toolbench_dropped", "sharegpt", "fireact"), 1) | {
    "pretraining_conversations": 1,
    "pretraining_texts": 1,
}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded world with all of its tasks and hardly any training data."""
    folder = tmp_path_factory.mktemp("world")
    build_world(folder, 0, FEW)
    return folder


def test_the_four_benchmarks_of_the_embedded_study_are_found() -> None:
    assert {"agent_h", "hotpotqa", "teval", "toolbench_eval"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_says_what_it_is(name: str) -> None:
    module = benchmarks.load(name)

    assert name == module.NAME
    assert module.TITLE and module.DATA
    assert module.PROTOCOL.format_map(complete_settings(module, {}))


@pytest.mark.parametrize("name", NAMES)
def test_tasks_have_unique_ids_and_a_limit_keeps_some_of_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [task["id"] for task in Bench.of(name, monkeypatch, limit=None).tasks]
    some = [task["id"] for task in Bench.of(name, monkeypatch, limit=2).tasks]

    assert len(whole) == len(set(whole)) > len(some) > 0
    assert set(some) <= set(whole)


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_asks_for_something(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for request in Bench.of(name, monkeypatch).ask():
        assert isinstance(request, Request)
        assert bool(request.messages) != bool(request.prompt)


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_scores_near_100_and_the_random_agent_near_chance(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench.of(name, monkeypatch)
    oracle, lost = bench.score(bench.play_oracle()), bench.score(bench.play_random())

    assert oracle["value"] > 99
    assert oracle["outcomes"]["completed"] == len(bench.tasks)
    assert lost["value"] < bench.chance + 10
    assert lost["low"] <= lost["value"] <= lost["high"]


@pytest.mark.parametrize("name", NAMES)
def test_the_embedded_world_has_solvable_tasks(name: str, world: Path) -> None:
    folder = world / benchmarks.load(name).DATA
    if not folder.exists():
        pytest.skip("the world holds no tasks of it: it has a stand-in there, or is not played on made-up tasks")
    bench = Bench(name, folder)
    oracle, lost = bench.score(bench.play_oracle()), bench.score(bench.play_random())

    assert len(Bench(name, folder, limit=None).tasks) >= 40
    assert oracle["value"] > 99
    assert lost["value"] < bench.chance + 10


@pytest.mark.parametrize("name", NAMES)
def test_a_score_is_a_pure_function_of_its_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of(name, monkeypatch)
    rows = bench.play_random()
    stored = json.loads(json.dumps(rows))
    before = copy.deepcopy(stored)

    first = bench.score(stored)

    assert first == bench.score(list(reversed(rows)))
    assert stored == before
    required = ["value", "low", "high", "n", "samples", "parts", "outcomes"]
    assert list(first) in (required, [*required, "part_samples"])
    assert json.loads(json.dumps(first)) == first


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_episode_counts_0_and_is_listed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of(name, monkeypatch)
    rows = bench.play_oracle()
    whole = bench.score(rows)
    broken = [{"id": row["id"], "outcome": "task_error", "error": "OSError: gone"} for row in rows]

    score = bench.score(broken)

    assert (score["value"], score["n"]) == (0, whole["n"])
    assert score["outcomes"]["task_error"] == len(rows)
    assert set(score["parts"]["errors"]) == {row["id"] for row in rows}


@pytest.mark.parametrize("name", NAMES)
def test_outcomes_are_from_the_closed_list(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of(name, monkeypatch)
    row = bench.play_random()[0]

    assert row["outcome"] in OUTCOMES
    with pytest.raises(RecordError, match=r"outcome: found 'gave_up'; expected one of completed"):
        check_outcome(row | {"outcome": "gave_up"}, "t.jsonl", 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_mistyped_setting_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"key limt: no such setting \(did you mean 'limit'\?\)"):
        complete_settings(benchmarks.load(name), {"limt": 3})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ({"rows": -1}, "key rows: found -1; expected a whole number from 1"),
        ({"batch": "4"}, "key batch: found '4'; expected a whole number from 1"),
        ({"limit": 0}, "key limit: found 0; expected a whole number from 1 or null"),
        ({"limit": True}, "key limit: found True; expected"),
        ({"restarts": 1.5}, "key restarts: found 1.5; expected a whole number from 0"),
        ({"kept_gib": "1"}, "key kept_gib: found '1'; expected a number from 0"),
        ({"cache_gib": float("nan")}, "key cache_gib: found nan; expected a number from 0"),
        ({"api": []}, r"key api: found \[\]; expected an object"),
        ({"threads": None}, "key threads: found None; expected a whole number from 1"),
    ],
)
def test_a_setting_is_of_the_kind_of_its_default(name: str, setting: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ConfigError, match=f"settings of {name}: {wanted}"):
        complete_settings(benchmarks.load(name), setting)


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_settings_that_can_be_given(name: str) -> None:
    module = benchmarks.load(name)
    whole = complete_settings(module, {})
    changed = whole | {"limit": None, "seed": 0, "cache_gib": 2}

    assert complete_settings(module, whole) == whole
    assert complete_settings(module, changed) == changed
