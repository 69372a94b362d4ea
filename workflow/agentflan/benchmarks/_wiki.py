"""A frozen Wikipedia: the pages that the questions bring along, searched by title.

Upstream asks the live Wikipedia, whose pages change from day to day. Here every answer is fixed by the task file.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_SIMILAR = 5  # titles offered when a page is not found
_K1, _B = 1.5, 0.75  # BM25: how soon repeated words count less, and how much long titles do
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Wiki:
    """Pages: title → paragraphs."""

    pages: dict[str, tuple[str, ...]]

    @staticmethod
    def of(contexts: Iterable[Any]) -> Wiki:
        """The union of question contexts; the first version of a page stays.

        Args:
            contexts: each a list of [title, sentences].
        """
        pages: dict[str, tuple[str, ...]] = {}
        for context in contexts:
            for title, sentences in context:
                paragraphs = "".join(sentences).split("\n\n")
                pages.setdefault(title, tuple(filter(None, map(str.strip, paragraphs))))
        return Wiki(pages)

    def page(self, title: str) -> tuple[str, ...]:
        """The paragraphs of a page, by its title or else up to case, spaces and underscores; () if there is none."""
        return self.pages.get(title) or self.pages.get(self._by_normal_title.get(normalise(title), ""), ())

    def similar(self, title: str) -> list[str]:
        """Titles that share words with the one asked for, best first by BM25, ties by title."""
        scores: Counter[str] = Counter()
        for word in sorted(set(_words(title)) & self._titles_by_word.keys()):
            holders = self._titles_by_word[word]
            rarity = math.log(1 + (len(self.pages) - len(holders) + 0.5) / (len(holders) + 0.5))
            for holder, times in holders.items():
                length = len(_words(holder)) / self._mean_length
                scores[holder] += rarity * times * (_K1 + 1) / (times + _K1 * (1 - _B + _B * length))
        return sorted(scores, key=lambda holder: (-scores[holder], holder))[:_SIMILAR]

    @cached_property
    def _titles_by_word(self) -> dict[str, Counter[str]]:
        """Word → titles that hold it, with how often."""
        found: dict[str, Counter[str]] = {}
        for title in self.pages:
            for word in _words(title):
                found.setdefault(word, Counter())[title] += 1
        return found

    @cached_property
    def _mean_length(self) -> float:
        return sum(len(_words(title)) for title in self.pages) / len(self.pages)

    @cached_property
    def _by_normal_title(self) -> dict[str, str]:
        return {normalise(title): title for title in sorted(self.pages)}


def normalise(title: str) -> str:
    """Titles are equal up to case, spaces and underscores."""
    return " ".join(title.replace("_", " ").lower().split())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
