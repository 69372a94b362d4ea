"""The backend of API models against a real server that serves a tiny model, and that goes wrong in every way."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import benchmark_examples
import pytest
from model_server import ModelServer, serve
from tiny_model import make_checkpoint

from agentflan import datasets
from agentflan.backends import Call, Reply, cut, openai_api
from agentflan.backends.transformers_local import LocalModel
from agentflan.benchmarks._protocol import COMMON_DEFAULTS, Request
from agentflan.cli import main
from agentflan.episodes import play_all
from agentflan.errors import AgentFlanError, ConfigError, NotAvailable
from agentflan.files import read_json, read_jsonl
from agentflan.study import ApiModel

KEY = "sk-canary-5f1c0d"
BENCHMARK = SimpleNamespace(NAME="count")
CHAT = Request(messages=(("system", "be kind"), ("user", "rain in Oslo?")), max_new_tokens=6)
RAW = Request(prompt="the rain", max_new_tokens=9)
NO_LIMIT = {"max_cost": None, "max_total_tokens": 10**6}
QUICK = {"backoff": 0.01, "attempts": 4, "timeout": 2.0, "longest_pause": 1.0, **NO_LIMIT}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return LocalModel(make_checkpoint(tmp_path_factory.mktemp("model") / "tiny", "llama2"))


@pytest.fixture
def server(model: LocalModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve(model) as running:
        yield running


def settings(server: ModelServer, folder: Path, **api: Any) -> dict[str, Any]:
    return COMMON_DEFAULTS | {"api": {"base_url": server.url, "cache": str(folder), **QUICK, **api}}


def ask(server: ModelServer, folder: Path, *requests: Request, **api: Any) -> list[Reply]:
    agent = openai_api.start("m/x", BENCHMARK, settings(server, folder, **api))
    return agent([Call(request, {}, 0) for request in requests])


def talk(text: str) -> Request:
    return replace(CHAT, messages=(("user", text),))


# ---- what is asked and what comes back -------------------------------------------------------------------------------


def test_the_served_model_replies_as_the_local_one(server: ModelServer, model: LocalModel, tmp_path: Path) -> None:
    requests = [CHAT, talk("the rain in a town"), talk("go on")]

    replies, local = ask(server, tmp_path, *requests), model.generate(requests)

    assert replies == local
    assert [(reply.prompt_tokens, reply.reply_tokens) for reply in replies] == [
        (reply.prompt_tokens, reply.reply_tokens) for reply in local
    ]
    assert any(replies)


def test_what_was_asked_is_not_asked_again(server: ModelServer, tmp_path: Path, monkeypatch: Any) -> None:
    first = ask(server, tmp_path, CHAT, RAW, CHAT)
    monkeypatch.delenv("OPENAI_API_KEY")

    assert ask(server, tmp_path, CHAT, RAW, CHAT) == first
    assert len(server.asked) == 2


@pytest.mark.parametrize("change", [{"max_new_tokens": 3}, {"stop": ("x",)}, {"messages": (("user", "rain?"),)}])
def test_whatever_changes_a_reply_is_asked_anew(server: ModelServer, tmp_path: Path, change: dict[str, Any]) -> None:
    ask(server, tmp_path, CHAT)
    ask(server, tmp_path, replace(CHAT, **change))
    ask(server, tmp_path, CHAT, temperature=0.5)

    assert len(server.asked) == 3


def test_a_raw_prompt_is_a_turn_or_is_completed(server: ModelServer, model: LocalModel, tmp_path: Path) -> None:
    ask(server, tmp_path, RAW)
    completed = ask(server, tmp_path, RAW, raw="completions")

    assert server.asked[0]["messages"] == [{"role": "user", "content": "the rain"}]
    assert server.asked[1]["prompt"] == "the rain"
    assert completed == model.generate([RAW])


def test_both_calls_of_a_raw_protocol_stop_at_the_line_end(server: ModelServer, tmp_path: Path) -> None:
    """HotpotQA asks twice a step, with the stop string "\\n"; a server that does not know it is cut here."""
    server.faults = lambda text, attempt: {"text": "I look.\nAction 1: more"}
    thought = Request(prompt="Question: who?\nThought 1:", stop=("\n",), max_new_tokens=9)

    reply = ask(server, tmp_path, thought, raw="completions")[0]

    assert reply == cut("I look.\nAction 1: more", ("\n",)) == "I look."
    assert server.asked[0]["stop"] == ["\n"]


def test_an_empty_reply_is_a_reply(server: ModelServer, tmp_path: Path) -> None:
    server.faults = lambda text, attempt: {"text": ""}

    assert ask(server, tmp_path, CHAT) == [""]
    assert server.tries == {"rain in Oslo?": 1}


def test_a_reply_cannot_be_begun_for_a_chat_server(server: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="cannot continue"):
        ask(server, tmp_path, replace(CHAT, prefix="Thought:"))
    ask(server, tmp_path, replace(RAW, prefix=" falls"), raw="completions")

    assert [asked["prompt"] for asked in server.asked] == ["the rain falls"]


def run_and_score(
    name: str, server: ModelServer, folder: Path, monkeypatch: pytest.MonkeyPatch, **chosen: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Transcripts and score of the served model on a benchmark's invented tasks, by the commands."""
    rows = getattr(benchmark_examples, name)
    monkeypatch.setattr(datasets, "load", lambda data: SimpleNamespace(read=lambda folder: rows()))
    transcripts, scores = folder / "agent" / "t.jsonl", folder / "s.json"
    api = {"api": {"base_url": server.url, "cache": str(folder / "cache"), **QUICK}}
    common = ["--benchmark", name, "--data", str(folder), "--settings", json.dumps(chosen | api)]
    asked = ["--backend", "openai", "--model", "m/x", "--out", str(transcripts)]
    assert main(["run_episodes", *common, *asked]) == 0
    assert main(["score_transcripts", *common, "--transcripts", str(transcripts), "--out", str(scores)]) == 0
    return list(read_jsonl(transcripts)), read_json(scores)


def test_a_protocol_that_begins_replies_is_not_run_and_says_why(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, score = run_and_score("humaneval", server, tmp_path, monkeypatch, protocol="instruct")

    assert (score["status"], "value" in score, server.asked) == ("not run", False, [])
    assert score["reason"].startswith("chat servers cannot continue a reply that was begun for them")


@pytest.mark.parametrize("protocol", ["lm_eval", "agenttuning"])
def test_choices_are_read_from_a_free_reply(
    protocol: str, server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults = lambda text, attempt: {"text": "Answer: B"}
    rows, score = run_and_score("mmlu", server, tmp_path, monkeypatch, protocol=protocol)
    right = [row for row in benchmark_examples.mmlu() if row["split"] == "test" and row["answer"] == 1]

    assert score["value"] == pytest.approx(100 * len(right) / score["n"], abs=1e-3)
    assert score["parts"]["free_replies"] == score["n"] > len(right) > 0
    assert protocol == "lm_eval" or rows[0]["messages"][-1]["content"] == "Answer: B"


def test_an_unknown_api_setting_is_refused(server: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"key api: found speed; expected .*attempts"):
        ask(server, tmp_path, CHAT, speed=3)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("concurrency", 0, "expected greater than 0"),  # no request would ever have its turn
        ("concurrency", "a", "expected a valid integer"),
        ("attempts", 0, "expected greater than 0"),
        ("timeout", "x", "expected a valid number"),
        ("timeout", float("nan"), "expected a finite number"),
        ("temperature", float("inf"), "expected a finite number"),
        ("cache", 5, "expected a valid string"),
        ("base_url", 5, "expected a valid string"),
        ("key_name", 5, "expected a valid string"),
        ("max_total_tokens", "5", "expected a valid integer"),
        ("max_cost", -1.0, "expected greater than or equal to 0"),
        ("limit_name", "foo", "expected 'max_tokens' or 'max_completion_tokens'"),
        ("raw", "zz", "expected 'chat' or 'completions'"),
        ("model", "gpt", "expected --model alone"),
    ],
)
def test_a_wrong_api_setting_is_refused_before_anything_is_asked(
    server: ModelServer, tmp_path: Path, key: str, value: Any, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        ask(server, tmp_path, CHAT, **{key: value})
    assert str(caught.value).startswith(f"settings of count: key api.{key}: found {value!r}; {expected}")
    assert server.asked == []


def test_every_wrong_api_setting_is_named(server: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        ask(server, tmp_path, CHAT, attempts=0, seed=1.5)
    assert [problem.split(":")[1] for problem in caught.value.problems] == [" key api.seed", " key api.attempts"]


def test_the_api_settings_of_a_study_are_those_of_the_backend() -> None:
    """A study hands over what it has checked, so the backend must take all of it."""
    block = ApiModel(model="m", max_total_tokens=5).model_dump(exclude={"model"})

    openai_api.start("m", BENCHMARK, {"api": block | {"cache": "c"}})
    with pytest.raises(ConfigError, match="key api: found 5; expected an object"):
        openai_api.start("m", BENCHMARK, {"api": 5})


# ---- what goes wrong -------------------------------------------------------------------------------------------------


FAULTS = {
    "busy": {"status": 429, "headers": {"Retry-After": "0"}},
    "broken": {"status": 500},
    "gone": {"status": 503},
    "late": {"slow": 1.0},
    "cut stream": {"cut": True},
    "half an object": {"broken": True},
    "a page": {"page": True},
}


def test_what_passes_is_tried_again(server: ModelServer, model: LocalModel, tmp_path: Path) -> None:
    server.faults = lambda text, attempt: FAULTS[text] if attempt <= 2 else None
    requests = [talk(text) for text in FAULTS]

    assert ask(server, tmp_path, *requests, timeout=0.5) == model.generate(requests)
    assert server.tries == dict.fromkeys(FAULTS, 3)


def test_a_server_is_waited_for_as_long_as_it_asks(server: ModelServer, tmp_path: Path) -> None:
    server.faults = lambda text, attempt: {"status": 429, "headers": {"Retry-After": "0.4"}} if attempt == 1 else None

    ask(server, tmp_path, CHAT)

    first, second = server.times["rain in Oslo?"]
    assert second - first >= 0.4


def test_a_wait_that_is_too_long_ends_the_run(server: ModelServer, tmp_path: Path) -> None:
    server.faults = lambda text, attempt: {"status": 429, "headers": {"Retry-After": "3600"}}

    with pytest.raises(NotAvailable, match="status 429"):
        ask(server, tmp_path, CHAT)
    assert server.tries == {"rain in Oslo?": 1}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 401}, "OPENAI_API_KEY is not accepted"),
        ({"status": 404}, "no such model or address"),
        ({"status": 429, "code": "insufficient_quota"}, "quota is used up"),
    ],
)
def test_a_closed_door_is_not_knocked_at_twice(
    server: ModelServer, tmp_path: Path, fault: dict[str, Any], message: str
) -> None:
    server.faults = lambda text, attempt: fault

    with pytest.raises(NotAvailable, match=message):
        ask(server, tmp_path, CHAT, concurrency=1)
    assert server.tries == {"rain in Oslo?": 1}


def test_one_refused_request_does_not_end_the_others(server: ModelServer, tmp_path: Path) -> None:
    faults = {
        "long": {"status": 400, "code": "context_length_exceeded"},
        "longer": {"status": 400, "error": "This model's maximum context length is 9 tokens"},
        "odd": {"status": 422},
    }
    server.faults = lambda text, attempt: faults.get(text)

    replies = ask(server, tmp_path, talk("long"), talk("the rain"), talk("longer"), talk("odd"))

    assert [reply.fault for reply in replies] == ["context_limit", "", "context_limit", "api_error"]
    assert server.tries["odd"] == 1


def test_an_outage_keeps_what_was_received(server: ModelServer, tmp_path: Path) -> None:
    ask(server, tmp_path, CHAT)
    server.faults = lambda text, attempt: {"status": 500}
    with pytest.raises(AgentFlanError, match=r"status 500.*repeat the command to go on") as caught:
        ask(server, tmp_path, CHAT, RAW)
    assert not isinstance(caught.value, NotAvailable)  # a run that had begun is not "not run"

    server.faults = lambda text, attempt: None
    assert len(ask(server, tmp_path, CHAT, RAW)) == 2
    assert server.tries["rain in Oslo?"] == 1


def test_a_server_that_is_not_there_is_not_available(server: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="APIConnectionError"):
        ask(server, tmp_path, CHAT, base_url="http://127.0.0.1:9/v1", attempts=2)


# ---- costs -----------------------------------------------------------------------------------------------------------


def test_without_a_cap_that_can_be_kept_nothing_is_asked(server: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prompt_price and reply_price not given"):
        ask(server, tmp_path, CHAT, max_cost=5.0, max_total_tokens=None)
    with pytest.raises(ConfigError, match="max_cost not given"):
        ask(server, tmp_path, CHAT, prompt_price=1.0, reply_price=1.0, max_total_tokens=None)
    assert server.asked == []


def test_the_estimate_comes_first(server: ModelServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ask(server, tmp_path, CHAT, RAW, prompt_price=1e4, reply_price=1e4, max_cost=5.0)

    assert "2 replies to ask of m/x" in caplog.messages[0]
    assert "at most 15 reply tokens, at most $0." in caplog.messages[0]
    assert caplog.messages[-1].startswith("2 replies received; so far $0.")


def count_up(task: dict[str, Any], settings: dict[str, Any]) -> Any:
    for step in range(task["steps"]):
        reply = yield talk(f"{task['id']}.{step}")
    return {"prediction": reply, "outcome": "completed"}


def play(server: ModelServer, folder: Path, **api: Any) -> int:
    benchmark = SimpleNamespace(NAME="count", episode=count_up)
    tasks = [{"id": f"t{number}", "steps": 2} for number in range(6)]
    complete = settings(server, folder / "cache", **api) | {"batch": 2}
    agent = openai_api.start("m/x", benchmark, complete)
    return play_all(benchmark, tasks, agent, complete, folder / "out.jsonl", {"model": "m/x"})


def test_a_run_that_reached_its_cap_goes_on_with_a_higher_one(server: ModelServer, tmp_path: Path) -> None:
    play(server, tmp_path / "whole")
    asked = len(server.asked)
    with pytest.raises(AgentFlanError, match="raise max_cost or max_total_tokens and repeat"):
        play(server, tmp_path / "capped", max_total_tokens=250)
    part = tmp_path / "capped" / "out.jsonl.part"
    kept = [row["id"] for row in read_jsonl(part) if "id" in row]

    assert kept in (["t0", "t1"], ["t0", "t1", "t2", "t3"])
    assert not (tmp_path / "capped" / "out.jsonl").exists()

    assert play(server, tmp_path / "capped") == 6
    assert (tmp_path / "capped" / "out.jsonl").read_bytes() == (tmp_path / "whole" / "out.jsonl").read_bytes()
    assert len(server.asked) == 2 * asked  # nothing was asked twice


def test_tokens_are_recorded_for_each_episode(server: ModelServer, tmp_path: Path) -> None:
    play(server, tmp_path)
    row = next(read_jsonl(tmp_path / "out.jsonl"))

    assert row["usage"]["requests"] == 2
    assert row["usage"]["prompt_tokens"] > row["usage"]["reply_tokens"] > 0


def test_a_refused_request_makes_its_episode_an_error(server: ModelServer, tmp_path: Path) -> None:
    server.faults = lambda text, attempt: {"status": 400} if text == "t1.0" else None
    play(server, tmp_path)
    rows = list(read_jsonl(tmp_path / "out.jsonl"))

    assert [row["outcome"] for row in rows] == ["completed", "api_error", *["completed"] * 4]
    assert (rows[1]["replies"], rows[1]["error"]) == ([""], "the server refused a request")
    assert "t1.1" not in server.tries  # the agent is silent from then on


# ---- the key ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [{"status": 401}, {"status": 429}, {"status": 400}, {"status": 500}, {"page": True}])
def test_the_key_is_in_no_message_log_or_file(
    server: ModelServer, tmp_path: Path, fault: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The server repeats the header in its errors, and in its replies."""
    server.faults = lambda text, attempt: fault if text == "t3.1" else {"text": "the key is $KEY, yes"}
    caplog.set_level(logging.DEBUG)
    caught = ""
    try:
        play(server, tmp_path)
    except AgentFlanError as error:
        import traceback

        caught = str(error) + repr(error) + "".join(traceback.format_exception(error))

    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(server.asked) >= 4
    assert any("the key is [key], yes" in text for text in written)
    assert KEY not in caught + caplog.text + "".join(written) + json.dumps([str(path) for path in tmp_path.rglob("*")])


def test_the_key_may_have_another_name(server: ModelServer, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(NotAvailable, match="MY_KEY is not set"):
        ask(server, tmp_path, CHAT, key_name="MY_KEY")
    monkeypatch.setenv("MY_KEY", "any")

    assert len(ask(server, tmp_path, CHAT, key_name="MY_KEY")) == 1
