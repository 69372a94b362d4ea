"""Measuring episodes, scoring and simulators: the figures are of the same episodes, of as many turns as asked for."""

from __future__ import annotations

import csv
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmark_examples import CITIES, hotpotqa
from tiny_model import make_checkpoint

from agentflan import datasets
from agentflan.benchmarks import _simulator
from agentflan.benchmarks._simulator import State
from agentflan.cli import main
from agentflan.commands.measure_scoring_speed import MEASURED, _repeat


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_both_ways_play_the_same_episodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load", lambda data: SimpleNamespace(read=lambda folder: iter(hotpotqa())))
    model = make_checkpoint(tmp_path / "tiny", "llama2")
    flags = ["--model", str(model), "--data", str(tmp_path), "--episodes", "5", "--out", str(tmp_path / "speed.csv")]
    settings = '{"protocol": "chat", "max_steps": 2, "max_new_tokens": 4}'

    assert main(["measure_episode_speed", "--benchmark", "hotpotqa", *flags, "--settings", settings]) == 0
    alone, together = read(tmp_path / "speed.csv")

    assert alone["how"] == "one after another" and together["how"] == "side by side, 32 requests together"
    assert alone["ratio"] == "1.0" and float(together["ratio"]) > 0
    for name in ("episodes", "requests", "reply_tokens", "same_replies"):
        assert alone[name] == together[name]
    assert together["episodes"] == together["same_replies"] == "5" and int(together["requests"]) >= 5


def test_every_measured_benchmark_has_its_share_of_the_turns(tmp_path: Path) -> None:
    assert main(["measure_scoring_speed", "--turns", "4000", "--out", str(tmp_path / "speed.csv")]) == 0
    *rows, total = read(tmp_path / "speed.csv")

    assert [row["benchmark"] for row in rows] == list(MEASURED)
    assert all(int(row["turns"]) >= 1000 for row in rows)
    assert int(total["turns"]) == sum(int(row["turns"]) for row in rows)
    assert float(total["seconds"]) > 0 and float(total["ratio"]) > 0


def test_episodes_are_repeated_under_other_ids() -> None:
    tasks: list[dict[str, Any]] = [{"id": city} for city in CITIES[:2]]
    rows = [task | {"replies": ["a", "b"]} for task in tasks]

    many, played = _repeat(tasks, rows, 10)

    assert [task["id"] for task in many] == [row["id"] for row in played]
    assert len({task["id"] for task in many}) == len(many) == 6


class SlowSimulator:
    """A room in which every action takes a twentieth of a second."""

    state = State("You see a room.", "a room", "a pot", 0, 0, False)
    actions: tuple[str, ...] = ()

    def description(self) -> str:
        return "Your task is to wait."

    def valid_actions(self) -> tuple[str, ...]:
        return ("inventory", "look around", "wait1")

    def step(self, action: str) -> State:
        time.sleep(0.05)
        return self.state


def test_simulators_in_parallel_keep_the_model_busier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_simulator, "play", lambda place: nullcontext(SlowSimulator()))
    flags = ["--data", str(tmp_path), "--episodes", "agenttuning", "--simulators", "6", "--workers", "6"]
    flags += ["--turns", "6", "--seconds", "0.1", "--out", str(tmp_path / "busy.csv")]

    assert main(["measure_simulators", *flags]) == 0
    alone, together = read(tmp_path / "busy.csv")

    assert [row["workers"] for row in (alone, together)] == ["1", "6"]
    assert alone["simulators"] == together["simulators"] == "6"
    assert alone["turns"] == together["turns"] == "6"
    assert float(alone["model_busy_percent"]) < 35 < float(together["model_busy_percent"]) <= 100


def test_one_request_at_a_time_is_measured_beside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load", lambda data: SimpleNamespace(read=lambda folder: iter(hotpotqa())))
    model = make_checkpoint(tmp_path / "tiny", "llama2")
    flags = ["--model", str(model), "--data", str(tmp_path), "--episodes", "2", "--out", str(tmp_path / "speed.csv")]
    settings = '{"protocol": "chat", "max_steps": 1, "max_new_tokens": 4, "rows": 1}'

    assert main(["measure_episode_speed", "--benchmark", "hotpotqa", *flags, "--settings", settings]) == 0
    assert [row["same_replies"] for row in read(tmp_path / "speed.csv")] == ["2", "2"]
