"""Negative samples answer in plain words, with tools that do not help or without tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentflan.cli import main
from agentflan.commands import build_negatives as command
from agentflan.errors import AgentFlanError, NotAvailable
from agentflan.files import read_jsonl, write_jsonl
from agentflan.negative import (
    Plan,
    Query,
    build_negatives,
    irrelevant_tools,
    plan_kinds,
    read_queries,
    read_tools,
    request,
)
from agentflan.records import CONVERSATION, Trajectory, Turn, to_json
from agentflan.replies import ReplySettings, cache_key

NAMES = ("weather_for_sky", "humidity_for_sky", "recipe_for_kitchen", "stock_for_bank", "Finish")
TOOLS = {name: {"name": name, "description": "d", "parameters": {}} for name in NAMES}


def asking(number: int, text: str = "", tools: tuple[str, ...] = ("weather_for_sky", "Finish")) -> Trajectory:
    turns = (
        Turn("system", "s"),
        Turn("user", f"\n{text or f'query {number}'}\nBegin!\n"),
        Turn("assistant", "r", True),
    )
    return Trajectory(f"q_{number}", "toolbench", turns, tools=tuple(TOOLS[name] for name in tools))


def talking(number: int) -> Trajectory:
    turns = (Turn("user", f"hello {number}"), Turn("assistant", f"hi {number}", True), Turn("user", "bye"))
    return Trajectory(f"s_{number}", "sharegpt", turns)


ASKING = [asking(number) for number in range(20)]
POOL = read_tools([asking(0, tools=NAMES)])


def reply_to_all(conversations: list[list[dict[str, str]]]) -> list[str]:
    return [f"reply to {conversation[-1]['content']}" for conversation in conversations]


def build(queries: list[Trajectory], plan: Plan, seed: int = 0) -> list[Trajectory]:
    talks = [Query(f"s_{n}", "sharegpt", f"hello {n}", frozenset(), f"hi {n}") for n in range(20)]
    return build_negatives(read_queries(queries), talks, POOL, plan, reply_to_all, seed)


def test_queries_are_distinct_and_without_the_protocol() -> None:
    queries = list(read_queries([asking(7, "Will it rain?"), asking(3, "Will it rain?")]))

    assert [(query.id, query.text) for query in queries] == [("q_3", "Will it rain?")]


def test_the_model_is_asked_without_tools() -> None:
    (query,) = read_queries([asking(1)])

    assert request(query) == [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "query 1"},
    ]


@pytest.mark.parametrize(
    ("reading", "expected"),
    [("appendix", Plan(381, 380, 0)), ("section", Plan(381, 0, 380)), ("both", Plan(381, 190, 190))],
)
def test_readings(reading: str, expected: Plan) -> None:
    assert plan_kinds(761, 0.5, reading) == expected


def test_half_with_irrelevant_tools() -> None:
    samples = build(ASKING, Plan(5, 5, 0))

    plain = [sample for sample in samples if not sample.tools]
    tooled = [sample for sample in samples if sample.tools]
    assert (len(plain), len(tooled)) == (5, 5)
    assert {sample.turns[0].content for sample in plain} == {"You are a helpful assistant."}
    for sample in tooled:
        names = {tool["name"] for tool in sample.tools}
        assert names <= {"recipe_for_kitchen", "stock_for_bank"}, "neither offered, nor of the same service, nor Finish"
        assert all(name in sample.turns[0].content for name in names)
    for sample in samples:
        assert sample.turns[2].content == f"reply to {sample.turns[1].content}"
        assert [span.capability for span in sample.turns[2].spans] == [CONVERSATION]


def test_ordinary_conversation_with_tools_needs_no_model() -> None:
    samples = build([], Plan(0, 0, 4))

    assert len(samples) == 4
    assert all(sample.tools and sample.dataset == "sharegpt" for sample in samples)
    assert all(sample.turns[2].content == sample.turns[1].content.replace("hello", "hi") for sample in samples)


def test_the_same_samples_whatever_the_order() -> None:
    assert build(ASKING, Plan(4, 4, 4)) == build(ASKING[::-1], Plan(4, 4, 4))
    assert build(ASKING, Plan(4, 4, 4)) != build(ASKING, Plan(4, 4, 4), seed=1)


def test_too_few_queries_are_shared_out() -> None:
    samples = build(ASKING, Plan(30, 30, 0))

    assert [sum(1 for sample in samples if bool(sample.tools) is tooled) for tooled in (False, True)] == [10, 10]


def test_a_tool_named_in_the_query_is_relevant() -> None:
    query = Query("q", "toolbench", "Find me a recipe", frozenset())

    drawn = {tool["name"] for seed in range(20) for tool in irrelevant_tools(query, POOL, seed)}
    assert drawn == {"weather_for_sky", "humidity_for_sky", "stock_for_bank"}


def test_a_pool_without_irrelevant_tools_is_an_error() -> None:
    query = Query("q", "toolbench", "What humidity?", frozenset({"weather_for_sky"}))

    with pytest.raises(AgentFlanError, match="--tools"):
        irrelevant_tools(query, [TOOLS["humidity_for_sky"], TOOLS["weather_for_sky"]], seed=0)


def test_tools_of_the_same_service_are_the_last_resort() -> None:
    query = Query("q", "toolbench", "rain", frozenset({"weather_for_sky"}))

    assert irrelevant_tools(query, [TOOLS["humidity_for_sky"]], seed=0) == [TOOLS["humidity_for_sky"]]


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    """Arguments of the command on files whose replies are all known."""
    write_jsonl(tmp_path / "toolbench.jsonl", map(to_json, [*ASKING, asking(99, "last", NAMES)]))
    write_jsonl(tmp_path / "sharegpt.jsonl", map(to_json, map(talking, range(9))))
    known = [{"key": cache_key("m", request(query)), "reply": "As a model, no."} for query in read_queries(ASKING)]
    write_jsonl(tmp_path / "replies.jsonl", known)
    options = {
        "queries": "toolbench.jsonl",
        "general": "sharegpt.jsonl",
        "replies-cache": "replies.jsonl",
        "out": "n.jsonl",
    }
    paths = [part for name, file in options.items() for part in (f"--{name}", str(tmp_path / file))]
    return ["build_negatives", *paths, "--model", "m"]


def test_the_command_needs_no_key_when_all_replies_are_known(
    inputs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    before = (tmp_path / "replies.jsonl").read_bytes()

    assert main([*inputs, "--count", "8", "--reading", "both", "--seed", "3"]) == 0

    assert capsys.readouterr().out == "8 of 8 samples wanted, 4 with tools\n"
    assert (tmp_path / "replies.jsonl").read_bytes() == before
    assert all(row["stream"] == "negative" for row in read_jsonl(tmp_path / "n.jsonl"))


def test_without_a_key_and_a_reply_the_command_says_what_to_set(
    inputs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    assert main([*inputs, "--count", "30"]) == 1

    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err
    assert not (tmp_path / "n.jsonl").exists()


def test_general_conversations_must_be_given_for_the_section_reading(
    inputs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    place = inputs.index("--general")

    assert main([*inputs[:place], *inputs[place + 2 :], "--reading", "section"]) == 1

    assert "expected --general" in capsys.readouterr().err


def test_a_cap_in_dollars_needs_the_prices_of_the_model(
    inputs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")

    assert main([*inputs, "--count", "30"]) == 1

    assert "model m: prompt_price and reply_price not given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "prices"),
    [
        ([], (0.5, 1.5)),
        (["--prompt-price", "3", "--reply-price", "4"], (3, 4)),
        (["--model", "gpt-4"], (None, None)),
        (["--model", "gpt-4", "--prompt-price", "30", "--reply-price", "60"], (30, 60)),
        (["--model", "mine", "--prompt-price", "0", "--reply-price", "0"], (0, 0)),
    ],
)
def test_only_gpt_3_5_has_known_prices(
    flags: list[str], prices: tuple[float | None, ...], inputs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: Any, settings: ReplySettings, **others: Any) -> list[str]:
        found.append((settings.prompt_price, settings.reply_price))
        raise NotAvailable("no server")

    found: list[tuple[float | None, ...]] = []
    monkeypatch.setattr(command, "fetch_replies", stop)

    assert main([*inputs[:-2], *flags, "--count", "8"]) == 1
    assert found == [prices]
