"""Records: JSON and back without loss, and a broken field is named."""

from __future__ import annotations

import pytest

from agentflan.errors import RecordError
from agentflan.records import REASONING, RETRIEVAL, Trajectory, Turn, from_json, to_json, turn_of


def _trajectory() -> Trajectory:
    reply = turn_of("assistant", [("Thought: ", REASONING, True), ("go", REASONING, False), ("", RETRIEVAL, False)])
    return Trajectory("os_1", "os", (Turn("user", "hi"), reply), "chat", ({"name": "bash"},))


def test_round_trip() -> None:
    assert from_json(to_json(_trajectory())) == _trajectory()


def test_pieces_cover_the_content() -> None:
    turn = _trajectory().turns[1]
    assert "".join(text for text, _ in turn.pieces()) == turn.content == "Thought: go"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": 3}, "field id"),
        ({"turns": None}, "field turns"),
        ({"turns": [{"role": "human", "content": ""}]}, r"field turns\[0\]\.role"),
        ({"turns": [{"role": "user"}]}, r"field turns\[0\]\.content"),
        ({"turns": [{"role": "assistant", "content": "ab", "spans": [[1, "reasoning", 0]]}]}, r"turns\[0\]\.spans"),
    ],
)
def test_a_broken_field_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(RecordError, match=rf"x\.jsonl: record 7 .*{field}"):
        from_json(to_json(_trajectory()) | change, "x.jsonl", 7)
