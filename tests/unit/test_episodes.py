"""The runner: lock step, resuming, broken episodes, and the two commands around it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import benchmark_examples
import pytest

from agentflan import benchmarks, datasets, episodes
from agentflan.backends import Call, Reply
from agentflan.benchmarks._protocol import COMMON_DEFAULTS, Request, errors_of
from agentflan.cli import main
from agentflan.commands import run_episodes
from agentflan.episodes import play_all, play_chunk, read_transcripts
from agentflan.errors import NotAvailable, RecordError
from agentflan.files import read_json, read_jsonl, write_json, write_jsonl

SETTINGS = COMMON_DEFAULTS | {"batch": 2}
TASKS = [{"id": f"t{number}", "steps": number % 3 + 1} for number in range(7)]


def count_up(task: dict[str, Any], settings: dict[str, Any]) -> Any:
    """Asks as often as the task says; a reply "break" breaks the environment."""
    for step in range(task["steps"]):
        reply = yield Request(messages=(("user", f"{task['id']}.{step}"),))
        if reply == "break":
            raise OSError("gone")
    return {"prediction": reply, "outcome": "completed"}


BENCHMARK = SimpleNamespace(NAME="count", episode=count_up)


class Echo:
    """Answers with the last message and counts its batches; may be killed before one of them."""

    def __init__(self, killed_at: int = -1) -> None:
        self.batches: list[int] = []
        self.killed_at = killed_at

    def __call__(self, calls: list[Call]) -> list[str]:
        if len(self.batches) == self.killed_at:
            raise KeyboardInterrupt
        self.batches.append(len(calls))
        return [call.request.messages[-1][1] for call in calls]


def play(out: Path, agent: Echo, identity: str = "a") -> int:
    return play_all(BENCHMARK, TASKS, agent, SETTINGS, out, {"model": identity})


def test_all_open_requests_of_a_step_are_one_batch() -> None:
    agent = Echo()
    rows = play_chunk(BENCHMARK, TASKS, agent, SETTINGS)

    assert agent.batches == [7, 4, 2]
    assert [row["prediction"] for row in rows] == [f"t{number}.{number % 3}" for number in range(7)]
    assert rows[2]["replies"] == ["t2.0", "t2.1", "t2.2"]
    assert rows[2]["messages"] == [{"role": "user", "content": "t2.2"}, {"role": "assistant", "content": "t2.2"}]


@pytest.mark.parametrize("killed_at", range(10))
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(killed_at: int, tmp_path: Path) -> None:
    play(tmp_path / "whole.jsonl", Echo())
    out, again = tmp_path / "out.jsonl", Echo()
    try:
        play(out, Echo(killed_at))
        assert killed_at == 9  # all nine batches were played
    except KeyboardInterrupt:
        assert not out.exists()
        play(out, again)

    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert killed_at < 2 or len(again.batches) < 9  # finished chunks are not played again
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["out.jsonl", "whole.jsonl"]


def test_a_line_that_was_cut_off_is_played_again(tmp_path: Path) -> None:
    play(tmp_path / "whole.jsonl", Echo())
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path / "out.jsonl", Echo(killed_at=6))
    part = tmp_path / "out.jsonl.part"
    part.write_bytes(part.read_bytes()[:-9])

    play(tmp_path / "out.jsonl", Echo())

    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_chunks_of_another_model_are_not_used(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path / "out.jsonl", Echo(killed_at=6), "a")
    agent = Echo()

    play(tmp_path / "out.jsonl", agent, "b")

    assert len(agent.batches) == 9


def break_the_first(calls: list[Call]) -> list[str]:
    return ["break" if call.task["id"] == "t0" else "fine" for call in calls]


def test_a_broken_environment_ends_only_its_own_episode() -> None:
    rows = play_chunk(BENCHMARK, TASKS[:2], break_the_first, SETTINGS)

    assert rows[0] == {
        "id": "t0",
        "outcome": "task_error",
        "error": "OSError: gone",
        "replies": ["break"],
        "messages": [{"role": "user", "content": "t0.0"}, {"role": "assistant", "content": "break"}],
        "crashes": ["OSError: gone", "OSError: gone"],
    }
    assert rows[1]["outcome"] == "completed"


class Fragile:
    """An environment that breaks in the second step of its first `crashes` lives."""

    def __init__(self, crashes: int) -> None:
        self.crashes, self.lives = crashes, 0
        self.NAME, self.episode = "fragile", self._play

    def _play(self, task: dict[str, Any], settings: dict[str, Any]) -> Any:
        self.lives += 1
        life = self.lives
        yield Request(prompt="one")
        if life <= self.crashes:
            raise BrokenPipeError("the simulator is dead")
        reply = yield Request(prompt="two")
        return {"prediction": reply, "outcome": "completed"}


@pytest.mark.parametrize(("crashes", "outcome"), [(0, "completed"), (1, "completed"), (2, "task_error")])
def test_a_dead_environment_is_restarted_once(crashes: int, outcome: str) -> None:
    fragile = Fragile(crashes)

    row = play_chunk(fragile, TASKS[:1], lambda calls: ["go"] * len(calls), SETTINGS)[0]

    assert row["outcome"] == outcome
    assert row.get("crashes", []) == ["BrokenPipeError: the simulator is dead"] * crashes
    assert row["replies"] == (["go", "go"] if outcome == "completed" else ["go"])


def test_the_agent_is_silent_after_a_request_that_it_cannot_answer() -> None:
    asked: list[str] = []

    def answer(calls: list[Call]) -> list[str]:
        asked.extend(call.request.messages[-1][1] for call in calls)
        full = [call.request.messages[-1][1] == "t2.1" for call in calls]
        return [Reply("", 900, 0, "context_limit") if long else Reply("fine", 9, 2) for long in full]

    rows = play_chunk(BENCHMARK, TASKS[1:3], answer, SETTINGS)

    assert [row["outcome"] for row in rows] == ["completed", "context_limit"]
    assert rows[1]["replies"] == ["fine", ""]
    assert rows[1]["error"] == "a request does not fit the model's context"
    assert rows[1]["usage"] == {"requests": 2, "prompt_tokens": 909, "reply_tokens": 2}
    assert "t2.2" not in asked
    assert errors_of(rows) == {"t2": "a request does not fit the model's context"}


def test_progress_is_a_line_for_each_tenth_where_there_is_no_terminal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    play(tmp_path / "out.jsonl", Echo())

    assert caplog.messages[0] == "count episodes: 1 of 7"
    assert caplog.messages[-1] == "count episodes: 7 of 7"


SLOW_RUN = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_episodes import Echo, play
class Slow(Echo):
    def __call__(self, calls):
        time.sleep(0.03)
        print(len(self.batches), flush=True)
        return super().__call__(calls)
play(Path({out!r}), Slow())
"""


@pytest.mark.parametrize("batches", [0, 1, 3, 5, 8])
def test_a_run_that_is_killed_outright_goes_on(batches: int, tmp_path: Path) -> None:
    play(tmp_path / "whole.jsonl", Echo())
    out, again = tmp_path / "out.jsonl", Echo()
    code = SLOW_RUN.format(tests=str(Path(__file__).parent), out=str(out))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=_environment()) as process:
        for _ in range(batches + 1):
            process.stdout.readline()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()

    play(out, again)

    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert len(again.batches) <= 9 - max(0, batches - 2)  # of nine; a chunk takes three at most


def _environment() -> dict[str, str]:
    paths = [str(Path(__file__).parent.parent), *sys.path]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def test_an_episode_must_end_in_a_known_way() -> None:
    def give_up(task: Any, settings: Any) -> Any:
        yield Request(prompt="?")
        return {"prediction": "", "outcome": "gave_up"}

    with pytest.raises(RecordError, match="found 'gave_up'"):
        play_chunk(SimpleNamespace(episode=give_up), TASKS[:1], lambda calls: ["x"], SETTINGS)


def test_transcripts_hold_exactly_the_episodes_of_the_tasks(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write_jsonl(path, [{"id": "t0", "outcome": "completed"}])

    assert len(read_transcripts(path, TASKS[:1])) == 1
    with pytest.raises(RecordError, match=r"t\.jsonl: record 2, field id: found the end of the file; expected 't1'"):
        read_transcripts(path, TASKS[:2])
    with pytest.raises(RecordError, match=r"t\.jsonl: record 1, field id: found 't0'; expected the end"):
        read_transcripts(path, [])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({}, r"record 2, field id: found None; expected the id of a task, a text"),
        ({"id": 1}, r"record 2, field id: found 1; expected the id of a task, a text"),
        ({"id": ["t1"]}, r"record 2, field id: found \['t1'\]; expected the id of a task, a text"),
        ({"id": "t0"}, r"record 2, field id: found 't0'; expected 't1': one episode a task, in the tasks' order"),
        ({"id": "t2"}, r"record 2, field id: found 't2'; expected 't1': one episode a task, in the tasks' order"),
        (
            {"id": "t1", "outcome": ["completed"]},
            r"record 2 \(t1\), field outcome: found \['completed'\]; expected one",
        ),
    ],
)
def test_an_episode_that_is_not_its_tasks_is_named(second: dict[str, Any], message: str, tmp_path: Path) -> None:
    rows = [{"id": "t0"}, second, {"id": "t1"}]
    write_jsonl(tmp_path / "t.jsonl", [{"outcome": "completed"} | row for row in rows])

    with pytest.raises(RecordError, match=r"t\.jsonl: " + message):
        read_transcripts(tmp_path / "t.jsonl", TASKS[:3])


@pytest.mark.parametrize("reason", [{}, {"reason": None}, {"reason": 5}])
def test_not_run_needs_a_reason(reason: dict[str, Any], tmp_path: Path) -> None:
    write_jsonl(tmp_path / "t.jsonl", [{"status": "not run"} | reason])

    with pytest.raises(RecordError, match=r"t\.jsonl: record 1, field reason: found .*; expected why it was not run"):
        read_transcripts(tmp_path / "t.jsonl", TASKS)


def test_transcripts_that_were_not_run_give_their_reason(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "t.jsonl", [{"status": "not run", "reason": "no key"}])

    with pytest.raises(NotAvailable, match="no key"):
        read_transcripts(tmp_path / "t.jsonl", TASKS)


@pytest.fixture
def example_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that give the invented rows."""
    rows = {benchmarks.load(name).DATA: name for name in benchmarks.names()}
    modules = {
        data: SimpleNamespace(read=lambda folder, data=data: getattr(benchmark_examples, data)()) for data in rows
    }
    monkeypatch.setattr(datasets, "load", modules.__getitem__)


def run_and_score(folder: Path, *flags: str, settings: str = "{}", benchmark: str = "toolbench_eval") -> dict[str, Any]:
    transcripts, scores = folder / "agent" / "t.jsonl", folder / "s.json"
    common = ["--benchmark", benchmark, "--data", str(folder), "--settings", settings]
    assert main(["run_episodes", *common, *flags, "--out", str(transcripts)]) == 0
    assert main(["score_transcripts", *common, "--transcripts", str(transcripts), "--out", str(scores)]) == 0
    return read_json(scores)


def test_the_commands_write_transcripts_and_a_score(tmp_path: Path, example_data: None) -> None:
    score = run_and_score(tmp_path, "--backend", "oracle", settings='{"limit": 3}')

    assert list(score)[:5] == ["status", "agent", "benchmark", "protocol", "value"]
    assert (score["status"], score["agent"], score["value"], score["n"]) == ("done", "agent", 100, 3)
    assert score["settings"]["limit"] == 3
    assert len(list(read_jsonl(tmp_path / "agent" / "t.jsonl"))) == 3


def test_chunks_of_other_tasks_or_code_are_not_used(
    tmp_path: Path, example_data: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(*arguments: Any) -> int:
        write_jsonl(tmp_path / "t.jsonl", [])
        seen.append(arguments[-1])
        return 0

    def identity(backend: str = "oracle") -> dict[str, Any]:
        flags = ["--benchmark", "agent_h", "--data", str(raw), "--backend", backend]
        assert main(["run_episodes", *flags, "--out", str(tmp_path / "t.jsonl")]) == 0
        return seen[-1]

    seen: list[dict[str, Any]] = []
    raw = tmp_path / "raw"
    write_json(raw / "tasks.json", 1)
    monkeypatch.setattr(episodes, "play_all", note)
    first = identity()
    assert identity() == first
    write_json(raw / "tasks.json", 10)
    second = identity()
    write_json(raw / "receipt.json", {"files": [{"sha256": "a"}]})
    third = identity()
    write_json(raw / "receipt.json", {"files": [{"sha256": "b"}]})
    assert len({str(found["data"]) for found in (first, second, third, identity())}) == 4
    assert identity("random")["code"] != first["code"]
    monkeypatch.setattr(run_episodes, "code_digest", lambda *modules: " ".join(modules))
    assert identity()["code"] == "commands.run_episodes benchmarks.agent_h backends.oracle"


def test_without_a_key_nothing_gets_a_number(
    tmp_path: Path, example_data: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = json.dumps({"api": {"cache": str(tmp_path / "cache")}})

    score = run_and_score(tmp_path, "--backend", "openai", "--model", "m", settings=settings)

    assert (score["status"], "value" in score) == ("not run", False)
    assert "OPENAI_API_KEY is not set" in score["reason"]


def test_a_scorer_without_its_encoder_gives_no_number(tmp_path: Path, example_data: None) -> None:
    score = run_and_score(tmp_path, "--backend", "random", settings='{"encoder": "no_such_encoder"}', benchmark="teval")

    assert (score["status"], "value" in score) == ("not run", False)
    assert "no_such_encoder" in score["reason"]


@pytest.mark.parametrize("settings", ["[1]", "{", '{"limt": 1}'])
def test_wrong_settings_are_a_sentence(
    settings: str, tmp_path: Path, example_data: None, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--benchmark", "agent_h", "--data", str(tmp_path), "--backend", "oracle", "--settings", settings]

    assert main(["run_episodes", *flags, "--out", str(tmp_path / "t")]) == 1
    assert "settings" in capsys.readouterr().err
