"""What a model was shown, of conversations that grow and of those that do not."""

from __future__ import annotations

import json

import pytest

from agentflan.benchmarks._protocol import Request
from agentflan.shown import earlier, requests_of

SYSTEM, DEMO, FIRST, REPLY, SECOND = ("system", "s"), ("user", "d"), ("user", "1"), ("assistant", "r"), ("user", "2")


def chat(*messages: tuple[str, str]) -> Request:
    return Request(messages=messages)


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [chat(SYSTEM, FIRST)],
        [chat(SYSTEM, FIRST), chat(SYSTEM, FIRST, REPLY, SECOND)],
        [Request(prompt="q"), Request(prompt="q a"), Request(prompt="q a b")],
    ],
)
def test_a_conversation_that_grows_is_in_its_last_request(requests: list[Request]) -> None:
    assert earlier(requests) == {}


@pytest.mark.parametrize(
    ("requests", "messages"),
    [
        ([chat(SYSTEM, DEMO, FIRST), chat(SYSTEM, DEMO, SECOND)], 4),  # a page at a time
        ([chat(SYSTEM, DEMO, FIRST), chat(SYSTEM, FIRST, REPLY, SECOND)], 5),  # a demonstration makes room
        ([chat(SYSTEM, FIRST), chat(SYSTEM)], 2),
        ([chat(SYSTEM, FIRST, FIRST), chat(FIRST)], 2),
        ([Request(prompt="one"), Request(prompt="two")], 2),
    ],
)
def test_all_that_was_shown_can_be_read_again(requests: list[Request], messages: int) -> None:
    shown = json.loads(json.dumps(earlier(requests)))

    assert len(shown["messages"]) == messages
    found = [[(turn["role"], turn["content"]) for turn in request] for request in requests_of(shown)]
    assert found == [list(request.messages) or [("", request.prompt)] for request in requests]


def test_long_conversations_are_short_lists() -> None:
    turns = [("user", str(number)) for number in range(300)]

    assert earlier([chat(*turns), chat(SYSTEM, *turns[100:])])["requests"] == ["0-299", "300,100-299"]
