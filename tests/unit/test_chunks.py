"""Finished chunks of a run: kept on the disk, used again only if they are whole and of the same run."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentflan.chunks import Chunks

ROWS = [[{"id": "a", "text": "line\u2028separator\r"}, {"id": "b"}], [{"id": "c"}, {"id": "d"}], [{"id": "e"}]]
SIZES = [2, 2, 1]


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / "out.jsonl.part"
    with Chunks(path, "me", SIZES) as chunks:
        for rows in ROWS[:2]:
            chunks.add(rows)
    return path


def test_finished_chunks_are_found_again(part: Path) -> None:
    with Chunks(part, "me", SIZES) as chunks:
        assert (chunks.done, chunks.rows) == (2, [*ROWS[0], *ROWS[1]])
        chunks.add(ROWS[2])
    with Chunks(part, "me", SIZES) as chunks:
        assert chunks.rows == [row for rows in ROWS for row in rows]
    chunks.remove()
    assert not part.exists()


@pytest.mark.parametrize("identity", ["other", ""])
def test_chunks_of_another_run_are_not_used(part: Path, identity: str) -> None:
    with Chunks(part, identity, SIZES) as chunks:
        assert (chunks.done, chunks.rows) == (0, [])


@pytest.mark.parametrize(
    ("damage", "done"),
    [
        (lambda lines: lines[:-1], 1),  # the seal of the second chunk is cut off
        (lambda lines: [*lines[:4], lines[4].replace(b'"c"', b'"x"'), *lines[5:]], 1),  # somebody changed a row
        (lambda lines: [*lines[:2], b"\0\0\0\n", *lines[3:]], 0),
        (lambda lines: [lines[0], b"5\n", *lines[1:]], 0),
        (lambda lines: [b"{\n", *lines[1:]], 0),
        (lambda lines: [lines[0], *lines[4:]], 0),  # the first chunk is lost
        (lambda lines: [], 0),
    ],
)
def test_what_was_damaged_is_done_again_with_all_that_follows(part: Path, damage: object, done: int) -> None:
    part.write_bytes(b"".join(damage(part.read_bytes().splitlines(keepends=True))))

    with Chunks(part, "me", SIZES) as chunks:
        assert chunks.done == done and chunks.rows == [row for rows in ROWS[:done] for row in rows]
        for rows in ROWS[done:]:
            chunks.add(rows)
    with Chunks(part, "me", SIZES) as chunks:
        assert chunks.done == 3


def test_two_runs_at_once_both_keep_all_their_rows(part: Path) -> None:
    with Chunks(part, "me", SIZES) as first, Chunks(part, "me", SIZES) as second:
        for chunks in (first, second):
            chunks.add(ROWS[2])
        assert first.rows == second.rows == [row for rows in ROWS for row in rows]
        first.remove()
        second.remove()
