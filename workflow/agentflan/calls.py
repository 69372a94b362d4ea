"""Calls written out in a format, as pieces that say what is format and what is content (paper §3, Observation 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentflan.elicit import to_json_text
from agentflan.records import INSTRUCTION, RETRIEVAL, UNDERSTANDING

Pieces = list[tuple[str, str, bool]]  # text, capability, format


def fixed(text: str) -> tuple[str, str, bool]:
    """A marker, key or punctuation."""
    return text, INSTRUCTION, True


def json_value(value: Any, capability: str) -> Pieces:
    """A value in JSON. The quotes of a string are format."""
    text = to_json_text(value)
    if isinstance(value, str):
        return [fixed('"'), (text[1:-1], capability, False), fixed('"')]
    return [(text, capability, False)]


def json_object(members: list[tuple[str, Pieces]]) -> Pieces:
    """A JSON object of members already written, on one line."""
    pieces = [fixed("{")]
    for index, (name, value) in enumerate(members):
        pieces += [fixed(f"{', ' if index else ''}{to_json_text(name)}: "), *value]
    return [*pieces, fixed("}")]


def json_arguments(arguments: dict[str, Any], capability: str = UNDERSTANDING) -> Pieces:
    """The arguments of a call as a JSON object."""
    return json_object([(name, json_value(value, capability)) for name, value in arguments.items()])


def json_block(tool: str, arguments: dict[str, Any]) -> Pieces:
    """A fenced JSON object."""
    call = json_object([("name", json_value(tool, RETRIEVAL)), ("arguments", json_arguments(arguments))])
    return [fixed("```json\n"), *call, fixed("\n```")]


def python_block(tool: str, arguments: dict[str, Any]) -> Pieces:
    """A fenced Python dictionary."""
    pieces = [fixed("```python\n{'name': "), (repr(tool), RETRIEVAL, False), fixed(", 'arguments': {")]
    for index, (name, value) in enumerate(arguments.items()):
        pieces += [fixed(f"{', ' if index else ''}{name!r}: "), (repr(value), UNDERSTANDING, False)]
    return [*pieces, fixed("}}\n```")]


def lines_block(tool: str, arguments: dict[str, Any]) -> Pieces:
    """A fenced list, one line an argument, each value in JSON."""
    pieces = [fixed("```\ntool: "), (tool, RETRIEVAL, False)]
    for name, value in arguments.items():
        pieces += [fixed(f"\n{name}: "), (to_json_text(value), UNDERSTANDING, False)]
    return [*pieces, fixed("\n```")]


BLOCKS: tuple[Callable[[str, dict[str, Any]], Pieces], ...] = (json_block, python_block, lines_block)
