"""The page in a real headless Chromium, from disk: clicks, keys, filter, themes; no request and no error.

Skips with the reason where Playwright or a Chromium is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
from page_tree import HOSTILE, RAW, make_tree

from agentflan import cli
from agentflan.benchmarks._browser import find_chromium
from agentflan.errors import NotAvailable

_FLAGS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_MOST_BOXES = 16  # of a lineage with forty raw folders
NUMBER = "button[data-number]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    try:
        executable = find_chromium()
    except NotAvailable as missing:
        pytest.skip(str(missing))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable or None, args=_FLAGS, chromium_sandbox=False)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the made-up tree, on disk."""
    folder = tmp_path_factory.mktemp("tree")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("agentflan.files.os.fsync", lambda number: None)
        make_tree(folder)
        assert cli.main(["make_page", "--captions", "captions"]) == 0
    return (folder / "results" / "index.html").as_uri()


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens the page in a tab; at the end there must have been no request, no error and no hostile script."""
    tabs, troubles = [], []

    def open_page(hash: str = "", **settings: Any) -> Any:
        tab = browser.new_context(**settings).new_page()
        tab.set_default_timeout(60_000)
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("request", lambda request: _is_inside(request.url, address) or troubles.append(request.url))
        tab.goto(address + hash)
        tabs.append(tab)
        return tab

    yield open_page
    assert not troubles
    for tab in tabs:
        assert tab.evaluate("window.hacked") is None
        tab.context.close()


def _is_inside(url: str, address: str) -> bool:
    return url.startswith("data:") or url.partition("#")[0] == address


def _boxes(tab: Any) -> list[str]:
    return tab.locator("#graph .node").evaluate_all("nodes => nodes.map(node => node.getAttribute('aria-label'))")


def _focused(tab: Any) -> str:
    return tab.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.id")


def test_a_clicked_number_opens_its_lineage_down_to_the_raw_files(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.locator(NUMBER, has_text="13.4").first.click()
    assert tab.locator("#lineage").is_visible()
    assert tab.locator("#lineage-title").inner_text() == f"13.4 — {HOSTILE}, T-Eval"
    assert "the paper prints 31.0" in tab.locator("#lineage-about").inner_text()
    boxes = _boxes(tab)
    for expected in (
        "number: 13.4; SUBSTITUTE",
        "tables: table1.csv; SUBSTITUTE",
        "scores: tiny-flan-s0/teval.json; SUBSTITUTE",
        "checkpoints: tiny-base; SUBSTITUTE",
        "mixed: flan.jsonl; OK",
        f"filtered: {RAW} × filtered; OK",
        f"raw: {RAW} × raw; OK",
    ):
        assert expected in boxes
    assert not any("oracle" in box for box in boxes)  # the score of another number
    assert len(boxes) <= _MOST_BOXES
    assert "10 episodes: " in tab.locator("#record").inner_text()


def test_each_step_shows_its_record_and_a_group_its_members(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.locator(NUMBER, has_text="13.4").first.click()
    tab.locator("#graph .node", has_text="flan.jsonl").click()
    shown = tab.locator("#record").inner_text()
    for expected in ("agentflan mix_training_set", HOSTILE, "seed 7", "commit c0ffee", "5" * 64, "node1", "100 MiB"):
        assert expected in shown
    assert "2026-01-01 00:00:00 UTC to 2026-01-01 00:01:30 UTC" in shown and "results/mini/logs/" in shown
    tab.locator("#graph .node", has_text=f"{RAW} × raw").click()
    members = tab.locator("#record button.path")
    assert members.count() == RAW
    members.first.click()
    assert "hub/d0" in tab.locator("#record").inner_text()
    tab.get_by_role("button", name="lineage from here").click()
    assert tab.locator("#lineage-title").inner_text() == "results/mini/raw/d0"
    assert any(box.startswith("source: hub/d0@abc123") for box in _boxes(tab))
    tab.locator("#back").click()
    assert tab.locator("#lineage-title").inner_text().startswith("13.4")


def test_boxes_do_not_overlap_and_lines_go_down(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.locator(NUMBER, has_text="13.4").first.click()
    boxes = tab.locator("#graph rect.box").evaluate_all("all => all.map(each => each.getBoundingClientRect().toJSON())")
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart = one["right"] <= other["left"] or other["right"] <= one["left"]
            assert apart or one["bottom"] <= other["top"] or other["bottom"] <= one["top"]
    code = (
        "layOut('number 0', key => nodeOf(key, DATA.numbers[0])).edges.every(e => e.points[0][1] < e.points.at(-1)[1])"
    )
    assert tab.evaluate(code)


def test_the_keyboard_alone_suffices(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.locator("#table1 .open").focus()
    tab.keyboard.press("Tab")
    assert _focused(tab).startswith(f"{HOSTILE}, T-Eval: 13.4, interval 10.1 to 16.9, published 31.0; SUBSTITUTE")
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab.keyboard.press("ArrowRight")
    assert ", MMLU: not run" in _focused(tab)
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowDown")
    assert _focused(tab).startswith("oracle, T-Eval")
    tab.keyboard.press("Enter")
    assert _focused(tab) == "number: 100; OK"
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    assert _focused(tab) == "scores: oracle/teval.json; OK"
    assert "results/mini/scores/oracle/teval.json" in tab.locator("#record").inner_text()
    tab.keyboard.press("Enter")
    assert _focused(tab) == "Record"
    tab.keyboard.press("Escape")
    assert tab.locator("#lineage").is_hidden()
    assert _focused(tab).startswith("oracle, T-Eval")  # back where one was
    tab.keyboard.press("Tab")
    assert not _focused(tab).startswith("oracle")  # one stop a table


def test_a_figure_opens_its_lineage(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.locator("#figure8 .drawing").click()
    assert tab.locator("#lineage-title").inner_text() == "results/figure8.svg"
    assert "transcripts: tiny-flan-s0/teval.jsonl; SUBSTITUTE" in _boxes(tab)
    assert tab.locator("#figure8 img").evaluate("image => image.naturalWidth") > 0


def test_the_filter_leaves_the_chosen_verdicts(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.locator('[data-filter="NOT-RUN"]').click()
    off = tab.locator("#table1 [data-number].off")
    assert off.count() == 2
    assert tab.locator("#figure8").is_hidden()
    assert " of " in tab.locator("#filtered").inner_text()
    tab.locator('[data-filter="OK"]').click()
    assert off.count() == 1
    assert tab.locator("#artefacts tr[data-verdict=OK]").first.is_visible()
    assert tab.locator("#artefacts tr[data-verdict=SUBSTITUTE]").first.is_hidden()
    tab.locator('[data-filter="NOT-RUN"]').click()
    tab.locator('[data-filter="OK"]').click()
    assert tab.locator("main .off").count() == 0


def test_dark_and_light_by_the_system_and_by_the_switch(opened: Callable[..., Any]) -> None:
    def ground(tab: Any) -> str:
        return tab.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = opened(color_scheme="light"), opened(color_scheme="dark")
    assert (ground(light), ground(dark)) == ("rgb(252, 251, 248)", "rgb(22, 24, 27)")
    light.locator("#theme").click()
    light.locator("#theme").click()
    assert light.locator("#theme").inner_text() == "Theme: dark"
    assert ground(light) == ground(dark)
    dark.emulate_media(media="print")
    assert ground(dark) == "rgb(255, 255, 255)"
    assert dark.locator(".bar").is_hidden()


def test_paper_shows_every_artefact_with_its_hash(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    row = tab.locator("#artefacts tr", has_text="results/mini/mixed/flan.jsonl")
    assert row.is_visible() and row.locator("code").inner_text() == sha256(b"all").hexdigest()[:12]
    assert tab.locator("#comparison table").is_visible()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert row.is_hidden()


def test_a_narrow_screen_needs_no_scrolling_sideways(opened: Callable[..., Any]) -> None:
    tab = opened(viewport={"width": 360, "height": 700})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.locator(NUMBER, has_text="13.4").first.click()
    assert tab.evaluate("document.getElementById('lineage').getBoundingClientRect().width") <= 360


def test_an_address_names_a_lineage(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.locator(NUMBER, has_text="100").first.click()
    address = tab.evaluate("location.hash")
    assert opened(hash=address).locator("#lineage-title").inner_text() == "100 — oracle, T-Eval"
    tab.keyboard.press("Escape")
    tab.wait_for_function("location.hash === ''")


def test_every_control_has_a_name(opened: Callable[..., Any]) -> None:
    tab = opened()
    nameless = (
        "all => all.filter(each => !(each.getAttribute('aria-label') || each.textContent).trim()).map(e => e.outerHTML)"
    )
    assert tab.locator("button, a, summary").evaluate_all(nameless) == []
    assert tab.locator("img:not([alt])").count() == 0
