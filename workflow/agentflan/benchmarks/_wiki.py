"""A frozen Wikipedia: the pages that the questions bring along, searched by title.

Upstream asks the live Wikipedia, whose pages change from day to day. Here every answer is fixed by the task file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_SIMILAR = 5  # titles offered when a page is not found
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Wiki:
    """Pages: title → paragraphs."""

    pages: dict[str, tuple[str, ...]]

    @staticmethod
    def of(contexts: Iterable[Any]) -> Wiki:
        """The union of question contexts; the first version of a page stays.

        Args:
            contexts: each a list of [title, sentences] or an object with the lists `title` and `sentences`.
        """
        pages: dict[str, tuple[str, ...]] = {}
        for context in contexts:
            for title, sentences in _pairs(context):
                paragraphs = "".join(sentences).split("\n\n")
                pages.setdefault(title, tuple(filter(None, map(str.strip, paragraphs))))
        return Wiki(pages)

    def page(self, title: str) -> tuple[str, ...]:
        """The paragraphs of a page, by its title or else up to case, spaces and underscores; () if there is none."""
        return self.pages.get(title) or self.pages.get(self._by_normal_title.get(normalise(title), ""), ())

    def similar(self, title: str) -> list[str]:
        """Titles that share words with the one asked for, best first by BM25, ties by title."""
        titles, scorer, known = self._index
        words = sorted(set(_words(title)) & known)
        if not words:
            return []
        scores = scorer.get_scores(words)
        ranked = sorted((place for place in range(len(titles)) if scores[place] > 0), key=lambda place: -scores[place])
        return [titles[place] for place in ranked[:_SIMILAR]]

    @cached_property
    def _by_normal_title(self) -> dict[str, str]:
        return {normalise(title): title for title in sorted(self.pages)}

    @cached_property
    def _index(self) -> tuple[list[str], Any, set[str]]:
        import bm25s

        titles = sorted(self.pages)
        words = [_words(title) for title in titles]
        scorer = bm25s.BM25()
        scorer.index(words, show_progress=False)
        return titles, scorer, {word for row in words for word in row}


def normalise(title: str) -> str:
    """Titles are equal up to case, spaces and underscores."""
    return " ".join(title.replace("_", " ").lower().split())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _pairs(context: Any) -> list[tuple[str, list[str]]]:
    if isinstance(context, dict):
        return list(zip(context["title"], context["sentences"], strict=True))
    return [(title, sentences) for title, sentences in context]
