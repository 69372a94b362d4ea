"""Packing: conversations side by side in rows of fixed length, so that padding costs nothing.

Each conversation keeps its own positions and sees only itself; packing changes nothing but speed.
"""

from __future__ import annotations

from bisect import bisect_left, insort


def best_fit(lengths: list[int], capacity: int) -> list[list[int]]:
    """Best-fit decreasing: each item goes into the fullest row that still has room.

    Args:
        lengths: tokens of each conversation, none above `capacity`.
        capacity: tokens of a row.

    Returns:
        Rows of indices; ties are broken by index, so the same lengths always give the same rows.
    """
    rows: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (free tokens, row), sorted
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        length = lengths[index]
        place = bisect_left(room, (length, -1))
        if place < len(room):
            free, row = room.pop(place)
        else:
            free, row = capacity, len(rows)
            rows.append([])
        rows[row].append(index)
        insort(room, (free - length, row))
    return rows
