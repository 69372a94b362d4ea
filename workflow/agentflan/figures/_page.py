"""Figures made of text: rows of cards whose text is wrapped, marked with colours, and clipped when long.

Text is set in a fixed-width font, so its place is known without asking a renderer and nothing can overflow.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from agentflan.figures._style import WIDTH, blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Piece = tuple[str, str]  # text, background colour or "" for none
Stack = Sequence["Card"]

FONT, SIZE = "DejaVu Sans Mono", 6.0
MARGIN, GAP, INNER_GAP, PADDING = 0.08, 0.09, 0.05, 0.045  # inches; the inner gap is between the cards of a stack
_LETTER = 0.60205 * SIZE / 72  # inches: the advance of the font
_LINE = 1.35 * SIZE / 72
_HEAD = 0.17
_FOOT = 0.16


@dataclass(frozen=True)
class Card:
    """A box of text.

    Attributes:
        title: a line in bold above the text; "" for none.
        pieces: the text, each piece with its background; () for a title alone.
        colour: of the title's bar.
        lines: how many lines are shown; what is longer ends in "…".
    """

    title: str
    pieces: tuple[Piece, ...] = ()
    colour: str = "#d9d9d9"
    lines: int = 24


def page(rows: Sequence[Sequence[Stack]], legend: Sequence[tuple[str, str]] = (), width: float = WIDTH) -> Figure:
    """A figure of rows; a row has stacks of equal width side by side.

    Args:
        rows: from top to bottom.
        legend: (meaning, background colour) of the marks.
        width: inches; the height follows from the text.
    """
    laid = [[_lay_out(stack, _stack_width(row, width)) for stack in row] for row in rows]
    heights = [max((_stack_height(stack) for stack in row), default=0.0) for row in laid]
    top = _HEAD if legend else 0.0
    height = MARGIN + top + sum(heights) + GAP * len(heights) + _FOOT
    figure = blank(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    _draw_legend(axes, legend)
    y = MARGIN + top
    for row, row_height in zip(laid, heights, strict=True):
        _draw_row(axes, row, y, _stack_width(row, width))
        y += row_height + GAP
    return figure


def wrap(pieces: Sequence[Piece], columns: int, lines: int) -> list[list[Piece]]:
    """Cut pieces into at most `lines` lines of at most `columns` letters, at spaces where there are any."""
    pieces = [(printable(text), colour) for text, colour in pieces]
    text = "".join(part for part, _ in pieces)
    ends = list(accumulate(len(part) for part, _ in pieces))
    spans = _without_empty_ends(list(_line_spans(text, columns)))
    shown = [_runs(text, start, end, ends, pieces) for start, end in spans[:lines]]
    if len(spans) > lines:
        shown[-1] = [("…", "")]
    return shown


def clip(text: str, columns: int) -> str:
    """One line of at most `columns` letters."""
    text = printable(" ".join(text.split()))
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


def printable(text: str) -> str:
    """The text with the letters that the font has; others become "□"."""
    known = _letters()
    plain = text.replace("\r\n", "\n").replace("\t", "  ")
    return "".join(
        letter if letter == "\n" or (letter.isprintable() and ord(letter) in known) else "□" for letter in plain
    )


def mark(text: str, spans: Sequence[tuple[int, int]], colour: str) -> tuple[Piece, ...]:
    """The text as pieces, the stretches from start to end marked."""
    pieces: list[Piece] = []
    place = 0
    for start, end in spans:
        pieces += [(text[place:start], ""), (text[start:end], colour)]
        place = end
    return tuple(piece for piece in [*pieces, (text[place:], "")] if piece[0])


def _line_spans(text: str, columns: int) -> Iterator[tuple[int, int]]:
    """Start and end of each line."""
    start = 0
    for paragraph in text.split("\n"):
        end = start + len(paragraph)
        while end - start > columns:
            space = text.rfind(" ", start + 1, start + columns + 1)
            cut = space if space > start else start + columns
            yield start, cut
            start = cut + 1 if space > start else cut
        yield start, end
        start = end + 1


def _without_empty_ends(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The lines without empty ones before the first and after the last."""
    full = [number for number, (start, end) in enumerate(spans) if end > start]
    return spans[full[0] : full[-1] + 1] if full else []


def _runs(text: str, start: int, end: int, ends: list[int], pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces of a line."""
    cuts = [start, *(place for place in ends if start < place < end), end]
    return [(text[left:right], pieces[bisect_right(ends, left)][1]) for left, right in pairwise(cuts) if right > left]


@cache
def _letters() -> frozenset[int]:
    from matplotlib import font_manager

    return frozenset(font_manager.get_font(font_manager.findfont(FONT)).get_charmap())


def _stack_width(row: Sequence[Stack] | Sequence[list], width: float) -> float:
    return (width - 2 * MARGIN - GAP * (len(row) - 1)) / len(row)


Laid = tuple[Card, list[list[Piece]]]


def _lay_out(stack: Stack, width: float) -> list[Laid]:
    return [(card, wrap(card.pieces, _columns(width), card.lines)) for card in stack]


def _columns(width: float) -> int:
    """Letters of a line in a card."""
    return int((width - 2 * PADDING) / _LETTER)


def _card_height(card: Card, lines: list[list[Piece]]) -> float:
    return (_HEAD if card.title else 0) + (_LINE * len(lines) + 2 * PADDING if lines else 0)


def _stack_height(stack: list[Laid]) -> float:
    return sum(_card_height(card, lines) for card, lines in stack) + INNER_GAP * (len(stack) - 1)


def _draw_row(axes: Axes, row: list[list[Laid]], top: float, width: float) -> None:
    for number, stack in enumerate(row):
        left, y = MARGIN + number * (width + GAP), top
        for card, lines in stack:
            _draw_card(axes, card, lines, left, y, width)
            y += _card_height(card, lines) + INNER_GAP


def _draw_card(axes: Axes, card: Card, lines: list[list[Piece]], left: float, top: float, width: float) -> None:
    from matplotlib.patches import Rectangle

    box = {"edgecolor": "#888888", "linewidth": 0.5}
    axes.add_patch(Rectangle((left, top), width, _card_height(card, lines), facecolor="none", **box))
    if card.title:
        axes.add_patch(Rectangle((left, top), width, _HEAD, facecolor=card.colour, **box))
        _draw_line(
            axes, [(clip(card.title, _columns(width)), "")], left + PADDING, top + _HEAD / 2 - _LINE / 2, weight="bold"
        )
        top += _HEAD
    for number, line in enumerate(lines):
        _draw_line(axes, line, left + PADDING, top + PADDING + number * _LINE)


def _draw_line(axes: Axes, line: list[Piece], x: float, top: float, weight: str = "normal") -> None:
    from matplotlib.patches import Rectangle

    for text, colour in line:
        if colour:
            axes.add_patch(Rectangle((x, top), len(text) * _LETTER, _LINE, facecolor=colour, edgecolor="none"))
        axes.text(x, top + 0.76 * _LINE, text, family=FONT, fontsize=SIZE, weight=weight, va="baseline")
        x += len(text) * _LETTER


def _draw_legend(axes: Axes, legend: Sequence[tuple[str, str]]) -> None:
    x = MARGIN
    for meaning, colour in legend:
        _draw_line(axes, [(f" {meaning} ", colour)], x, MARGIN)
        x += (len(meaning) + 4) * _LETTER
