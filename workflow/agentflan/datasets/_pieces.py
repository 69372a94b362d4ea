"""Replies cut into pieces: what is thought, tool name, argument value, and what is only format around them."""

from __future__ import annotations

import re

from agentflan.records import INSTRUCTION

Pieces = list[tuple[str, str, bool]]  # text, capability, format

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null', re.DOTALL)
_KEY_FOLLOWS = re.compile(r"\s*:")


def cut_groups(text: str, match: re.Match[str], capabilities: dict[str, str]) -> Pieces:
    """Cut at the named groups of a match: they are content, all between them is format.

    Args:
        text: the whole reply; the pieces join to it.
        match: of a pattern on `text`.
        capabilities: what each group trains, by its name.
    """
    spans = [(match.start(name), match.end(name), capability) for name, capability in capabilities.items()]
    return cut_spans(text, [span for span in spans if span[0] >= 0])


def cut_spans(text: str, spans: list[tuple[int, int, str]]) -> Pieces:
    """Cut at (start, end, capability) spans of content that do not overlap; all between them is format."""
    pieces: Pieces = []
    position = 0
    for start, end, capability in sorted(spans):
        pieces += [(text[position:start], INSTRUCTION, True), (text[start:end], capability, False)]
        position = end
    pieces.append((text[position:], INSTRUCTION, True))
    return [piece for piece in pieces if piece[0]]


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without the white space around it."""
    inner = text[start:end]
    start += len(inner) - len(inner.lstrip())
    return start, start + len(inner.strip())


def json_value_spans(text: str, start: int, end: int, capability: str) -> list[tuple[int, int, str]]:
    """The spans of the values in a stretch of JSON; keys, quotes and punctuation are left out.

    Args:
        text: the reply.
        start, end: the stretch that is JSON.
        capability: what the values train.
    """
    spans = []
    for token in _JSON_TOKEN.finditer(text, start, end):
        is_string = token[0][0] == '"'
        if is_string and _KEY_FOLLOWS.match(text, token.end(), end):
            continue
        inner = (token.start() + 1, token.end() - 1) if is_string else token.span()
        if inner[0] < inner[1]:
            spans.append((*inner, capability))
    return spans
