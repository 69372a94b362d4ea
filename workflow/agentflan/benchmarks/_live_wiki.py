"""Wikipedia as it is today, asked as upstream's harness asks it; what was seen once is kept in a file for good.

With the file a run can be repeated: no page is fetched twice, and none changes between the agents that share it.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from agentflan.errors import NotAvailable
from agentflan.reply_cache import Answer, append_answer, read_answers

_KIND = "wikipedia"


class LiveWiki:
    """In the place of `Wiki`.

    Args:
        cache: the file of what was seen, by the title that was asked for.
    """

    def __init__(self, cache: Path) -> None:
        self._cache, self._lock = cache, threading.Lock()
        self.pages: dict[str, Any] = {title: json.loads(answer.text) for title, answer in read_answers(cache).items()}

    def page(self, title: str) -> tuple[str, ...]:
        """The paragraphs of the page that Wikipedia finds for a title; () if there is none, or there are several.

        Raises:
            NotAvailable: the package wikipedia is missing, or Wikipedia cannot be reached.
        """
        return tuple(self._look(title)["paragraphs"])

    def similar(self, title: str) -> list[str]:
        """Titles that Wikipedia offers instead."""
        return self._look(title)["similar"]

    def _look(self, title: str) -> dict[str, Any]:
        with self._lock:
            if title not in self.pages:
                self.pages[title] = found = _ask(title)
                append_answer(self._cache, title, _KIND, Answer(json.dumps(found, ensure_ascii=False)))
            return self.pages[title]


def _ask(title: str) -> dict[str, Any]:
    try:
        import wikipedia
    except ImportError:
        raise NotAvailable(
            "the live Wikipedia is asked by the package wikipedia, which is not installed: "
            "pip install wikipedia==1.4.0, or choose the frozen pages"
        ) from None
    try:
        paragraphs = wikipedia.page(title).content.split("\n\n")
        return {"paragraphs": [text.strip() for text in paragraphs if text.strip()], "similar": []}
    except (wikipedia.PageError, wikipedia.DisambiguationError):
        return {"paragraphs": [], "similar": list(wikipedia.search(title))}
    except OSError as error:
        raise NotAvailable(f"Wikipedia cannot be reached ({type(error).__name__}); what was seen is kept") from None
