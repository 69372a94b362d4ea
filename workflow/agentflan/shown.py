"""What a model was shown in an episode, without saying anything twice.

Most conversations grow: the last request holds all that was shown. Where it does not (a web page at a time, turns that
make room for others) each message stands once, and each request is a list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from agentflan.benchmarks._protocol import Request

Message = tuple[str, str]  # role and content; a raw prompt has the role ""


def earlier(requests: Sequence[Request]) -> dict[str, Any]:
    """What the last request does not hold, as JSON; {} if it holds all.

    Returns:
        "messages": each message of all requests once, and "requests": for each request the numbers of its messages, as
        ranges: "0-2,5".
    """
    asked = [_messages(request) for request in requests]
    if not asked or all(_begins(each, asked[-1]) for each in asked):
        return {}
    numbers: dict[Message, int] = {}
    places = [[numbers.setdefault(message, len(numbers)) for message in messages] for messages in asked]
    messages = [{"role": role, "content": content} for role, content in numbers]
    return {"messages": messages, "requests": [",".join(_ranges(each)) for each in places]}


def requests_of(shown: dict[str, Any]) -> list[list[dict[str, str]]]:
    """The messages of each request, from what `earlier` gave."""
    found = []
    for ranges in shown["requests"]:
        ends = [part.split("-") for part in ranges.split(",") if part]
        places = [place for part in ends for place in range(int(part[0]), int(part[-1]) + 1)]
        found.append([shown["messages"][place] for place in places])
    return found


def _messages(request: Request) -> tuple[Message, ...]:
    return request.messages or (("", request.prompt),)


def _begins(messages: Sequence[Message], last: Sequence[Message]) -> bool:
    """Whether the last request holds these messages; a raw prompt grows as a text."""
    if messages[:1] and not messages[0][0]:
        return not last[0][0] and last[0][1].startswith(messages[0][1])
    return tuple(last[: len(messages)]) == tuple(messages)


def _ranges(places: Sequence[int]) -> Iterator[str]:
    start = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[end - 1] + 1:
            first, final = places[start], places[end - 1]
            yield f"{first}-{final}" if final > first else str(first)
            start = end
