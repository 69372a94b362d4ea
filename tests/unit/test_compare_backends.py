"""The parity gate: greedy replies of two backends to the same requests, and what a score says about it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmark_examples import glaive

from agentflan import backends, datasets
from agentflan.backends import Call, random_agent
from agentflan.cli import main
from agentflan.commands.compare_backends import compare
from agentflan.errors import NotAvailable
from agentflan.files import read_json

NAMES = {"backend": "vllm", "reference": "local"}


@pytest.mark.parametrize(("differ", "same"), [(0, True), (2, True), (3, False), (100, False)])
def test_98_of_100_replies_must_be_equal(differ: int, same: bool) -> None:
    verdict = compare(["a"] * 100, ["b"] * differ + ["a"] * (100 - differ), NAMES)

    assert (verdict["same"], verdict["agreement"], verdict["requests"]) == (same, 1 - differ / 100, 100)
    assert verdict["differing"] == [["a", "b"]] * min(differ, 5)
    assert ("DIFFERENT from local" in verdict["sentence"]) is not same


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Compares a backend with the random agent over invented Agent-H tasks, then scores the agent's transcripts."""
    monkeypatch.setattr(datasets, "load", lambda data: SimpleNamespace(read=lambda folder: iter(glaive())))
    known = backends.load

    def compared(other: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        fake = SimpleNamespace(start=other)
        monkeypatch.setattr(backends, "load", lambda name: fake if name == "vllm" else known(name))
        monkeypatch.chdir(tmp_path)
        common = ["--benchmark", "agent_h", "--data", str(tmp_path), "--settings", json.dumps({"limit": 8})]
        flags = ["--model", "m", "--reference", "random", "--tasks", "6", "--out", "parity.json"]
        assert main(["compare_backends", *common, *flags]) == 0
        assert main(["run_episodes", *common, "--backend", "random", "--out", "a/t.jsonl"]) == 0
        scored = ["--transcripts", "a/t.jsonl", "--parity", "parity.json", "--out", "score.json"]
        assert main(["score_transcripts", *common, *scored]) == 0
        return read_json(tmp_path / "parity.json"), read_json(tmp_path / "score.json")

    return compared


def test_a_backend_that_replies_alike_is_said_to(play: Any) -> None:
    verdict, score = play(random_agent.start)

    assert (verdict["status"], verdict["same"], verdict["requests"]) == ("done", True, 6)
    assert score["protocol"].endswith("; run by vllm, like random: 100.0% of 6 greedy replies are equal")
    assert score["parity"] == verdict


def test_a_backend_that_replies_otherwise_is_reported_as_different_in_the_score(play: Any) -> None:
    def other(model: str, benchmark: Any, settings: dict[str, Any]) -> Any:
        usual = random_agent.start(model, benchmark, settings)

        def reply(calls: list[Call]) -> list[str]:
            return [text + "!" * (number == 0) for number, text in enumerate(usual(calls))]

        return reply

    verdict, score = play(other)

    assert (verdict["same"], len(verdict["differing"])) == (False, 1)
    assert "; run by vllm, DIFFERENT from random: 83.3% of 6" in score["protocol"]
    assert score["status"] == "done"


def test_a_backend_that_is_missing_is_not_compared_and_the_score_says_so(play: Any) -> None:
    def other(*arguments: Any) -> Any:
        raise NotAvailable("the vllm backend needs a GPU")

    verdict, score = play(other)

    assert verdict["status"] == "not run"
    assert score["protocol"].endswith("which was not compared with random (the vllm backend needs a GPU)")
