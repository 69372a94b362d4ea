"""WebArena as a benchmark: episodes on sites, what a score counts, and what is said where something is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmark_examples import Bench, say, webarena_embedded
from benchmark_examples import webarena as examples

from agentflan.benchmarks import _browser
from agentflan.benchmarks._web_hosts import Hosts
from agentflan.benchmarks._web_sites import serve
from agentflan.cli import main
from agentflan.errors import ConfigError
from agentflan.files import read_json, read_jsonl, write_json
from agentflan.study import load

NO_SITES = "WebArena's sites are not here: no address for reddit, shopping"


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with serve(webarena_embedded()[0]["content"]) as running:
        yield running


def bench(monkeypatch: pytest.MonkeyPatch, hosts: Hosts | None = None, **settings: Any) -> Bench:
    given = {"hosts": dict(hosts.real)} if hosts else {}
    return Bench.of("webarena", monkeypatch, **{"settle": 0.0, "action_seconds": 60.0, **given, **settings})


# ---- episodes --------------------------------------------------------------------------------------------------------


def test_an_episode_on_sites_of_the_configuration(monkeypatch: pytest.MonkeyPatch, hosts: Hosts) -> None:
    played = bench(monkeypatch, hosts, limit=1)
    asked = []

    def agent(calls: list[Any]) -> list[str]:
        asked.extend(call.request.messages[-1][1] for call in calls)
        return say("```click [8]```", "I think so", "```click [99]```", "```stop [$10]```")(calls)

    row = played.play(agent)[0]

    assert asked[0].startswith("OBSERVATION:\nTab 0 (current): Shop")
    assert asked[0].endswith("OBJECTIVE: Find the Arden pot and say what it costs.\nPREVIOUS ACTION: None")
    assert "PREVIOUS ACTION: click [8] where [8] is link 'pots'" in asked[1]
    assert "URL: http://onestopmarket.com/category/pots" in asked[1]
    assert "the format was incorrect" in asked[2] and "no matching element" in asked[3]
    assert (row["outcome"], row["prediction"], row["failed_actions"]) == ("completed", "$10", {"3": "no such element"})
    assert row["browser"].startswith("Chromium ")
    assert "127.0.0.1" not in str(row)
    assert played.score([row])["value"] == 100


def test_an_agent_that_gives_up_thinking_is_stopped_and_scored(monkeypatch: pytest.MonkeyPatch, hosts: Hosts) -> None:
    played = bench(monkeypatch, hosts, limit=1)
    row = played.play(say("hm"))[0]

    assert (row["outcome"], row["prediction"]) == ("invalid_action", "Early stop: Failed to parse actions for 3 times")
    assert row["evidence"]["url"] == "http://onestopmarket.com/"
    assert played.score([row])["value"] == 0


@pytest.mark.parametrize(("deaths", "outcome"), [(1, "completed"), (2, "task_error")])
def test_a_dead_browser_is_replaced_and_its_episode_begins_again_once(
    deaths: int, outcome: str, monkeypatch: pytest.MonkeyPatch, hosts: Hosts
) -> None:
    played = bench(monkeypatch, hosts, limit=1)
    killed = []

    def agent(calls: list[Any]) -> list[str]:
        if len(killed) < deaths:
            chromium = _browser.shared("")
            killed.append(chromium.wait(chromium._browser.close(), 60))
            return ["```click [8]```" for _ in calls]
        return ["```stop [$10]```" for _ in calls]

    row = played.play(agent)[0]
    score = played.score([row])

    assert (row["outcome"], len(row["crashes"])) == (outcome, deaths)
    assert score["parts"]["browsers_that_died"] == deaths
    assert score["value"] == (100 if outcome == "completed" else 0)


# ---- scores ----------------------------------------------------------------------------------------------------------


def row(name: str, answer: str, url: str = "") -> dict[str, Any]:
    evidence = {"url": url, "pages": []}
    return {"id": name, "prediction": answer, "evidence": evidence, "outcome": "completed", "browser": "Chromium 1"}


def test_a_score_is_of_all_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upstream leaves episodes that broke out of the mean."""
    broken = {"id": "2", "outcome": "task_error", "error": "OSError: gone"}
    rows = [row("0", "$10"), row("1", "", "http://onestopmarket.com/product/S1"), broken, row("3", "", "elsewhere")]

    score = bench(monkeypatch).score(rows)

    assert (score["value"], score["n"], score["parts"]["solved"]) == (50, 4, 2)
    assert score["parts"]["errors"] == {"2": "OSError: gone"}
    assert score["parts"]["sites"] == {"shopping": 50}
    assert score["parts"]["browser"] == ["Chromium 1"]


@pytest.mark.parametrize(
    ("solved", "printed"),
    [(37, "4.56"), (51, "6.28"), (10, "1.23"), (2, "0.25"), (6, "0.74"), (22, "2.71"), (38, "4.68")],
)
def test_every_score_that_is_printed_is_a_count_of_812(solved: int, printed: str, shared_data: Path) -> None:
    """The rows of Table 1; 1.23 is printed as 1.2. Episodes that broke stay in the denominator."""
    played = Bench("webarena", shared_data / "webarena")
    exact = {
        task["id"]: task["eval"]["reference_answers"]["exact_match"]
        for task in played.tasks
        if task["eval"]["eval_types"] == ["string_match"] and set(task["eval"]["reference_answers"]) == {"exact_match"}
    }
    right = [row(name, answer) for name, answer in list(exact.items())[:solved]]
    broken = [
        {"id": task["id"], "outcome": "task_error", "error": "OSError: gone"}
        for task in played.tasks
        if task["id"] not in {one["id"] for one in right}
    ]
    score = played.score([*right, *broken])

    assert (score["n"], score["parts"]["solved"]) == (812, solved)
    assert f"{score['value']:.2f}" == printed


def test_answers_that_nobody_judged_count_0_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    task = examples()[0]
    task["eval"]["reference_answers"] = {"must_include": ["pot"], "fuzzy_match": ["ten dollars"]}

    def score(answer: str, **settings: Any) -> dict[str, Any]:
        return Bench.of("webarena", monkeypatch, rows=[task], **settings).score([row("0", answer)])

    nobody = score("pot: ten dollars")
    assert (nobody["value"], nobody["parts"]["judge"], nobody["parts"]["not_judged"]) == (0, "nobody", 1)
    assert score("pot: ten dollars", judge="containment")["value"] == 100
    assert score("pot: 10", judge="containment")["value"] == 0
    assert score("ten dollars", judge="containment")["value"] == 0


# ---- what is missing -------------------------------------------------------------------------------------------------


def test_an_unknown_site_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="key hosts: no such site: shop; there are: reddit, shopping"):
        Bench.of("webarena", monkeypatch, hosts={"shop": "http://x"})


def test_a_judge_without_a_cap_is_refused_before_the_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"key judge_api: .*prompt_price and reply_price not given"):
        bench(monkeypatch, judge="gpt-3.5-turbo-0613")


@pytest.mark.parametrize("study", ["mini", "onegpu", "paper"])
def test_the_judges_of_shipped_studies_have_a_cap(root: Path, study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(root / "config", study).study.benchmarks.get("webarena", {})
    assert Bench.of("webarena", monkeypatch, **settings).tasks


def run(folder: Path, name: str, settings: str = '{"limit": 2}') -> tuple[dict[str, Any], dict[str, Any]]:
    """The first line of the transcripts, and the score, of the random agent."""
    transcripts, scores = folder / "t" / "r.jsonl", folder / "s.json"
    flags = ["--benchmark", name, "--data", str(folder), "--settings", settings]
    assert main(["run_episodes", *flags, "--backend", "random", "--out", str(transcripts)]) == 0
    assert main(["score_transcripts", *flags, "--transcripts", str(transcripts), "--out", str(scores)]) == 0
    return next(read_jsonl(transcripts)), read_json(scores)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Raw files of both benchmarks."""
    from agentflan.randomness import generator
    from agentflan.world import websites

    for name, content in websites.files(generator("test"), 9).items():
        write_json(tmp_path / name, content)
    write_json(tmp_path / "test.raw.json", read_json(tmp_path / "tasks.json"))
    return tmp_path


def test_without_sites_webarena_is_not_run_and_says_why(raw: Path) -> None:
    first, score = run(raw, "webarena")

    assert first["status"] == score["status"] == "not run"
    assert first["reason"].startswith(NO_SITES) and score["reason"] == first["reason"]
    assert "value" not in score


def test_without_playwright_our_sites_are_not_run_and_say_why(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright", None)
    first, score = run(raw, "webarena_embedded")

    assert first["status"] == score["status"] == "not run"
    assert "the package playwright, which is not installed: install the optional group webarena" in score["reason"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ('{"limit": 2}', "but no Chromium: install the system's"),
        ('{"limit": 2, "browser": "/no/chromium"}', "no browser at /no/"),
    ],
)
def test_without_a_chromium_our_sites_are_not_run_and_say_why(
    raw: Path, monkeypatch: pytest.MonkeyPatch, settings: str, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, "playwright", SimpleNamespace(__version__="1.0"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(raw / "nothing"))
    monkeypatch.setattr(_browser.shutil, "which", lambda name: None)
    first, score = run(raw, "webarena_embedded", settings)

    assert first["status"] == score["status"] == "not run"
    assert reason in score["reason"]


def test_our_own_sites_have_another_name(raw: Path) -> None:
    from agentflan import benchmarks
    from agentflan.tables import table1

    ours, real = benchmarks.load("webarena_embedded"), benchmarks.load("webarena")

    assert ours.TITLE != real.TITLE and ours.NAME not in table1.HELD_OUT.values()
    assert "not WebArena's" in ours.PROTOCOL
