"""Packing: conversations side by side in rows of fixed length, so that padding costs nothing.

Each conversation keeps its own positions and sees only itself; packing changes nothing but speed.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heapreplace


def rows(lengths: list[int], capacity: int, multiple: int = 1) -> list[list[int]]:
    """Packed rows: as few as best fit needs, rounded up to a multiple, the tokens spread evenly over them.

    A pass is as long as its longest row, so even rows waste the least. Without the rounding, processes would wait for
    those that have a row more.

    Args:
        lengths: tokens of each conversation, none above `capacity`.
        capacity: tokens of a row.
        multiple: rows that are computed side by side.

    Returns:
        Rows of indices; fewer than a multiple only where there are fewer conversations.
    """
    tight = best_fit(lengths, capacity)
    wanted = min(-(-len(tight) // multiple) * multiple, len(lengths))
    return _spread(lengths, capacity, wanted) or tight


def _spread(lengths: list[int], capacity: int, count: int) -> list[list[int]]:
    """The longest conversation first, each into the row with the fewest tokens; nothing if one does not fit."""
    spread: list[list[int]] = [[] for _ in range(count)]
    filled = [(0, row) for row in range(count)]  # (tokens, row), a heap
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        tokens, row = filled[0]
        if tokens + lengths[index] > capacity:
            return []
        heapreplace(filled, (tokens + lengths[index], row))
        spread[row].append(index)
    return spread


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
