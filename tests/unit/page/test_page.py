"""The page as text: what it shows, that data never becomes markup, that the same results give the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_tree import HOSTILE, RAW, Tree, make_tree

from agentflan import cli
from agentflan.page import contents
from agentflan.page.contents import figures, tables, title
from agentflan.page.render import memory, seconds

MakePage = Callable[[], Path]


def _data(page: Path) -> dict[str, Any]:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())[1])


def _verdicts(page: Path) -> dict[str, str]:
    return {each["path"]: each["verdict"] for each in _data(page)["artefacts"]}


def test_a_number_has_its_sources_interval_and_published_value(tree: Tree, page: MakePage) -> None:
    data = _data(page())
    number = next(each for each in data["numbers"] if each["text"] == "13.4")
    assert (number["interval"], number["published"]) == ("10.1 to 16.9", "31.0")
    assert number["name"] == f"{HOSTILE}, T-Eval" and number["title"] == "Table 1"
    ((path, place),) = number["sources"]
    assert path == "results/mini/scores/tiny-flan-s0/teval.json" == data["artefacts"][place]["path"]
    assert data["sources"][path]["transcripts"]["count"] == 10
    not_run = next(each for each in data["numbers"] if each["text"] == "not run")
    assert not_run["note"].startswith("no GPU") and not_run["published"] == "44.4"


def test_each_number_has_its_own_verdict(tree: Tree, page: MakePage) -> None:
    verdicts = {each["text"]: each["verdict"] for each in _data(page())["numbers"]}
    assert verdicts == {"13.4": "SUBSTITUTE", "not run": "NOT-RUN", "100": "OK"}
    table = tree.root / "results" / "table1.csv"
    table.write_text(table.read_text().replace("100", "101"))
    verdicts = {each["text"]: each["verdict"] for each in _data(page())["numbers"]}
    assert verdicts["13.4"] == "TAMPERED"


def test_every_artefact_down_to_the_raw_files_is_there_with_its_record(tree: Tree, page: MakePage) -> None:
    data = _data(page())
    paths = {each["path"]: each for each in data["artefacts"]}
    assert {f"results/mini/raw/d{number}" for number in range(RAW)} <= set(paths)
    raw = paths["results/mini/raw/d3"]
    assert raw["sources"] == ["hub/d3@abc123 (licence: MIT; files and hashes: receipt.json)"]
    record = data["records"][paths["results/mini/mixed/flan.jsonl"]["record"]]
    assert record["command"] == "mix_training_set" and record["seeds"] == {"seed": 7}
    assert record["line"].startswith("agentflan mix_training_set --settings ")
    assert len(record["inputs"]) == RAW and len(record["outputs"][0][1]) == 64
    assert "command_line" not in record["parameters"]
    assert data["environments"][record["environment"]]["locks"] == {"uv.lock": "5" * 64}
    assert data["machines"][record["machine"]]["host"] == "node1"


def test_what_comes_from_data_never_becomes_markup(tree: Tree, page: MakePage) -> None:
    text = page().read_text()
    assert "window.hacked" in text  # it is shown,
    assert "<img src=x" not in text and "<script>window" not in text and "<b>no markup" not in text  # but as text
    assert len(re.findall("<script", text)) == 2 == len(re.findall("</script", text))
    assert "default-src 'none'" in text and "unsafe-inline" not in text
    assert "<code" in text and "&lt;b&gt;no markup" in text  # the caption


def test_the_same_results_give_the_same_bytes(tree: Tree, page: MakePage) -> None:
    first = page().read_bytes()
    assert page().read_bytes() == first  # although the page has a record of its own by now
    assert any("make_page" in record.path.name for record in tree.store.records())


def test_no_address_leads_outside(tree: Tree, page: MakePage) -> None:
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page().read_text())
    assert addresses and all(address.startswith(("#", "data:")) for address in addresses)


def test_what_the_jobs_took_is_summed_by_stage(tree: Tree, page: MakePage) -> None:
    text = re.sub(r"\s+", " ", page().read_text())
    assert re.search(rf'<th scope="row">raw</th><td>{RAW}</td><td>1 min 40 s</td>', text)
    assert "Attempts that failed or were replaced come on top: 1, 2.5 s" in text
    assert "1 attempt more was killed: only the start is known" in text
    assert "1 min 30 s from the first start to the last end" in text


def test_attempts_that_failed_or_were_killed_stand_at_their_jobs_record(tree: Tree, page: MakePage) -> None:
    data = _data(page())
    others = {record["command"]: record["earlier"] for record in data["records"] if record["earlier"]}
    assert others == {
        "score_transcripts": [["2026-01-01T00:00:00.000+00:00", "failed"]],
        "train_checkpoint": [["2025-01-02T00:00:00.000+00:00", "killed"]],
    }
    note = next(iter(tree.store.started())).content
    tree.store.start(note["attempt"], note | {"start": "2026-02-01T00:00:00.000+00:00"})  # it may run still
    assert not any("killed" in dict(record["earlier"]).values() for record in _data(page())["records"])


def test_the_study_and_its_stand_ins_are_told(tree: Tree, page: MakePage) -> None:
    text = page().read_text()
    assert "<h1>Study <em>mini</em></h1>" in text
    assert "model: trained from scratch in place of public weights</li>" in text


def test_the_claims_have_a_place_of_their_own(tree: Tree, page: MakePage) -> None:
    text = page().read_text()
    assert 'id="claims"' in text and "negatives cut hallucination" in text
    (tree.root / "results" / "claims.csv").unlink()
    assert 'id="claims"' not in page().read_text()


def test_a_flipped_byte_far_below_is_on_the_page(tree: Tree, page: MakePage) -> None:
    (tree.root / "results" / "mini" / "filtered" / "d5.jsonl").write_text("something else")
    made = page()
    assert _verdicts(made)["results/mini/filtered/d5.jsonl"] == "TAMPERED"
    assert "other bytes than recorded" in made.read_text()


def test_a_damaged_record_is_told_and_ends_nothing(tree: Tree, page: MakePage) -> None:
    record = next(record for record in tree.store.records() if record.content["command"] == "mix_training_set")
    broken = {name: record.content[name] for name in ("attempt", "command", "state", "end", "outputs")}
    record.path.write_text(json.dumps(broken))
    assert _verdicts(page())["results/mini/mixed/flan.jsonl"] == "TAMPERED"


def test_hundreds_of_records_stay_below_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: MakePage
) -> None:
    monkeypatch.chdir(tmp_path)
    make_tree(tmp_path, raw=300)
    assert page().stat().st_size < 5_000_000


def test_a_page_over_the_limit_is_refused(tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("agentflan.commands.make_page.LARGEST", 1000)
    assert cli.main(["make_page", "--captions", "captions"]) == 1
    assert "expected at most 1,000" in capsys.readouterr().err
    assert not (tree.root / "results" / "index.html").exists()


def test_nothing_to_show_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["make_page"]) == 1
    assert "no table and no figure" in capsys.readouterr().err


def test_a_broken_table_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    Path("results/table1.csv").write_text("study,MODEL\nmini,a,b\n")
    assert cli.main(["make_page"]) == 1
    assert "results/table1.csv: found 3 fields in line 2; expected 2" in capsys.readouterr().err


def test_a_large_drawing_gives_way_to_a_smaller_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LARGEST_FIGURE", 10)
    for name, size in (("figure1.svg", 11), ("figure1.png", 9), ("figure10.svg", 9), ("figure2.svg", 11)):
        (tmp_path / name).write_bytes(b"x" * size)
    found = figures(sorted(tmp_path.iterdir()))
    assert [(each.title, each.path.name, bool(each.image)) for each in found] == [
        ("Figure 1", "figure1.png", True),
        ("Figure 2", "figure2.svg", False),
        ("Figure 10", "figure10.svg", True),
    ]


def test_tables_stand_in_the_order_of_the_paper(tmp_path: Path) -> None:
    for name in ("table2", "table10", "bounds", "comparison", "claims", "table1"):
        (tmp_path / f"{name}.csv").write_text("study,a\nmini,1\n")
    names = [table.name for table in tables(sorted(tmp_path.glob("*.csv")))]
    assert names == ["table1", "table2", "table10", "bounds", "claims", "comparison"]
    assert title("data_speed") == "Data speed"


@pytest.mark.parametrize(
    ("value", "text"), [(0.44, "0.4 s"), (59.97, "1 min 0 s"), (125, "2 min 5 s"), (7500, "2 h 5 min")]
)
def test_times_are_for_people(value: float, text: str) -> None:
    assert seconds(value) == text


def test_memory_is_for_people() -> None:
    assert (memory(3 * 2**20), memory(3 * 2**29)) == ("3 MiB", "1.5 GiB")
