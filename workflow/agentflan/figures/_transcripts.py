"""Transcripts as figures need them: the rows of an entry's agents, what was shown, and what was replied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.figures._page import Card, Piece, mark
from agentflan.files import read_jsonl
from agentflan.tables._scores import NOT_RUN, Entry

Row = dict[str, Any]

WRONG, RIGHT = "#f5c9b0", "#bfe3d3"  # tints of vermilion and green
PROMPT, REPLY, OBSERVATION = "#e3e3e3", "#cfe2f1", "#f0f0f0"

_SIGNS = {
    "react": re.compile(r"Thought:|Action Input:|Action:|Observation:"),
    "general": re.compile(r"(i will|i need to|i should|let me) (use|call)", re.IGNORECASE),
}
_CALL = re.compile(r"Action:[^\n]*(\nAction Input:[^\n]*)?")
_ACTION = re.compile(r"Action:[ \t]*(?P<name>[^\n]+)")


def read_rows(results: Path, entry: Entry, benchmark: str) -> tuple[list[Row], str]:
    """The episodes of an entry's first agent, or the reason why there are none."""
    if not entry["agents"]:
        return [], entry.get("reason", "the study has no such agent")
    path = results / "transcripts" / entry["agents"][0] / f"{benchmark}.jsonl"
    if not path.exists():
        return [], f"no file transcripts/{entry['agents'][0]}/{benchmark}.jsonl"
    rows = list(read_jsonl(path))
    if rows and rows[0].get("status") == NOT_RUN:
        return [], rows[0]["reason"]
    return rows, "" if rows else "the transcript has no episode"


def prompt_of(row: Row) -> list[tuple[str, str]]:
    """(role, text) of what the agent was shown before its first reply."""
    shown = []
    for message in row.get("messages", []):
        if message["role"] == "assistant":
            break
        shown.append((message["role"], message["content"]))
    return shown


def exchange_of(row: Row) -> list[tuple[str, str]]:
    """(role, text) from the agent's first reply on."""
    return [(message["role"], message["content"]) for message in row.get("messages", [])][len(prompt_of(row)) :]


def text_length(row: Row) -> int:
    """Letters of the whole conversation: short ones are easier to read in a figure."""
    return sum(len(message["content"]) for message in row.get("messages", []))


def prompt_cards(row: Row, lines: int = 16) -> list[Card]:
    """One card a turn before the first reply."""
    names = {"system": "system prompt", "user": "user"}
    return [Card(names.get(role, role), ((text, ""),), PROMPT, lines) for role, text in prompt_of(row)]


def mark_signs(text: str, signs: list[str]) -> tuple[Piece, ...]:
    """The reply with the words marked that make it look like a call."""
    found = sorted(match.span() for sign in signs for match in _SIGNS[sign].finditer(text))
    return mark(text, list(_without_overlap(found)), WRONG)


def mark_action(text: str, colour: str) -> tuple[Piece, ...]:
    """The reply with the name of the called tool marked."""
    return mark(text, [match.span("name") for match in _ACTION.finditer(text)], colour)


def called_name(text: str) -> str:
    """The tool that a reply in ReAct form calls first; "" if it calls none."""
    found = _ACTION.search(text)
    return found["name"].strip() if found else ""


def mark_call(text: str, colour: str) -> tuple[Piece, ...]:
    """The reply with the whole call marked."""
    return mark(text, [match.span() for match in _CALL.finditer(text)], colour)


def _without_overlap(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    end = 0
    for start, stop in spans:
        if start >= end:
            yield start, stop
            end = stop
