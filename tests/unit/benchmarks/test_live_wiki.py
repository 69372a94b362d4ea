"""The live Wikipedia, in whose place a few pages stand: asked once for each title, and never where the file knows."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmark_examples import Bench

from agentflan.benchmarks._live_wiki import LiveWiki
from agentflan.errors import NotAvailable


class Wikipedia(SimpleNamespace):
    """The names of the package `wikipedia` that are used."""

    class PageError(Exception):
        pass

    class DisambiguationError(Exception):
        pass

    def __init__(self, **pages: str) -> None:
        super().__init__(pages=pages, asked=[])

    def page(self, title: str) -> SimpleNamespace:
        self.asked.append(title)
        if title == "Down":
            raise ConnectionError("no network")
        if title not in self.pages:
            raise self.DisambiguationError if title == "Mercury" else self.PageError
        return SimpleNamespace(content=self.pages[title])

    def search(self, title: str) -> list[str]:
        return [f"{title} (planet)", f"{title} (god)"]


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Wikipedia:
    package = Wikipedia(Rome="Rome is old.\n\n\n== River ==\nIt has one.\n\n")
    monkeypatch.setitem(sys.modules, "wikipedia", package)
    return package


def test_a_page_is_its_paragraphs_and_is_fetched_once(live: Wikipedia, tmp_path: Path) -> None:
    first = LiveWiki(tmp_path / "w.jsonl")
    assert first.page("Rome") == first.page("Rome") == ("Rome is old.", "== River ==\nIt has one.")
    later = LiveWiki(tmp_path / "w.jsonl")

    assert later.page("Rome")[0] == "Rome is old."
    assert live.asked == ["Rome"]


@pytest.mark.parametrize("title", ["Mercury", "Nothing"])
def test_a_title_of_no_or_several_pages_has_similar_ones(live: Wikipedia, tmp_path: Path, title: str) -> None:
    wiki = LiveWiki(tmp_path / "w.jsonl")

    assert wiki.page(title) == ()
    assert wiki.similar(title) == [f"{title} (planet)", f"{title} (god)"]
    assert live.asked == [title]


def test_what_is_missing_is_told(live: Wikipedia, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wiki = LiveWiki(tmp_path / "w.jsonl")
    with pytest.raises(NotAvailable, match=r"cannot be reached \(ConnectionError\)"):
        wiki.page("Down")
    monkeypatch.setitem(sys.modules, "wikipedia", None)
    with pytest.raises(NotAvailable, match="package wikipedia, which is not installed"):
        wiki.page("Rome")


def test_episodes_search_it_and_the_protocol_says_so(
    live: Wikipedia, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"wiki": "live", "wiki_cache": str(tmp_path / "w.jsonl"), "limit": 1, "protocol": "chat"}
    bench = Bench.of("hotpotqa", monkeypatch, **settings)
    rows = bench.play(lambda calls: ["Action: " + ("Finish[x]" if call.step else "Search[Rome]") for call in calls])

    assert live.asked == ["Rome"]
    assert "Observation: Rome is old." in str(rows[0]["messages"])
    assert "live pages" in bench.module.PROTOCOL.format_map(bench.settings)


def test_a_score_does_not_depend_on_what_others_have_seen_since(
    live: Wikipedia, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "w.jsonl"
    settings = {"wiki": "live", "wiki_cache": str(cache), "protocol": "chat"}
    rows = Bench.of("hotpotqa", monkeypatch, **settings).play_oracle()
    before = Bench.of("hotpotqa", monkeypatch, **settings).score(rows)
    LiveWiki(cache).page("Rome")

    assert Bench.of("hotpotqa", monkeypatch, **settings).score(rows) == before
    assert before["parts"]["pages"] is None
