"""The paper: its data, its words without numbers, the same bytes twice, and its tables as LaTeX."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import matplotlib.figure
import pytest
import yaml
from synthetic_study import write_study

from agentflan import cli, latex
from agentflan.commands import make_table
from agentflan.errors import ConfigError
from agentflan.files import read_json, write_json
from agentflan.manuscript import read_choices, side_by_side
from agentflan.outline import FIGURES, TABLES
from agentflan.provenance.store import store_for

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "paper"
# Digits that are no numbers: names of things, of files and of lengths.
NAMES = re.compile(
    r'Llama-2|[=>] 0\b|\* 100\b|"(table|figure)\d+"|\d+(\.\d+)?(pt|cm|em|fr)\b|width: \d+%|names: \d|//.*'
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tables of a made-up study with their records, and a blank drawing for each figure."""
    folder = tmp_path_factory.mktemp("tree") / "results"
    write_study(folder / "mini", ROOT / "config", {"agent_flan": 0.8, "react": 0.3, "oracle": 1.0})
    common = ["--plan", str(folder / "mini" / "plan.json"), "--results", str(folder / "mini")]
    common += ["--published", str(PAPER / "published")]
    for name in TABLES:
        assert cli.main(["make_table", "--name", name, *common, "--out", str(folder / f"{name}.csv")]) == 0
    matplotlib.figure.Figure((2, 1)).savefig(folder / "figure1.pdf", metadata={"CreationDate": None})
    for name in FIGURES[1:]:
        shutil.copy(folder / "figure1.pdf", folder / f"{name}.pdf")
    return folder


@pytest.fixture(scope="module")
def data(results: Path) -> dict[str, Any]:
    words = ["--config", str(ROOT / "config"), "--choices", str(PAPER / "choices.yaml")]
    words += ["--published", str(PAPER / "published"), "--results", str(results)]
    out = results / "mini" / "manuscript.json"
    assert cli.main(["write_manuscript", "--study", "mini", *words, "--out", str(out)]) == 0
    return read_json(out)


def _make_paper(data: Path, figures: Path, out: Path, source: Path = PAPER) -> int:
    words = ["--source", str(source), "--data", str(data), "--figures", str(figures), "--out", str(out)]
    return cli.main(["make_paper", *words])


def test_the_verdicts_are_those_of_the_claims_table(data: dict[str, Any]) -> None:
    assert sum(data["verdicts"].values()) == len(data["claims"])
    found = {claim["id"]: claim["verdict"] for claim in data["claims"]}
    assert found["held_out_teval"] == "reproduced"
    assert found["some_react_helps"] == "not testable here"
    assert all(claim["reasons"] for claim in data["claims"] if claim["verdict"] == "not testable here")


def test_published_and_own_values_stand_side_by_side(data: dict[str, Any]) -> None:
    table = data["tables"]["table1"]
    row = next(row for row in table["rows"] if row["keys"] == ["Agent-FLAN"])
    cells = dict(zip(table["columns"], row["cells"], strict=True))

    assert cells["T-Eval"]["published"] == "66.0"
    assert float(cells["T-Eval"]["ours"]) != 66.0
    assert re.fullmatch(r"\[\d+\.\d, \d+\.\d\]", cells["T-Eval"]["interval"])
    assert cells["Overall"] == {"published": "41.7", "ours": "not run", "interval": ""}
    assert data["tables"]["table4"]["keys"] == ["MODEL", "DATA"]


def test_a_value_that_the_paper_lacks_has_no_published_one() -> None:
    compared = [
        {"table": "t", "row": "A", "column": "x", "published": "", "low": "1.25", "high": "2", "status": "done"},
    ]
    table = side_by_side("t", [{"study": "s", "key": "A", "x": "1.5"}], compared)

    assert table["rows"] == [{"keys": ["A"], "cells": [{"published": "", "ours": "1.5", "interval": "[1.2, 2.0]"}]}]


def test_all_known_inconsistencies_and_reasons_are_told(data: dict[str, Any]) -> None:
    assert [item["item"] for item in data["errata"]] == [str(number) for number in range(1, 19)]
    assert all(found["says"] for item in data["errata"] for found in item["found"])
    assert all(item["reason"] and item["places"] for item in data["not_run"])


def test_every_artefact_has_its_hash_and_tables_their_record(data: dict[str, Any], results: Path) -> None:
    assert set(data["artefacts"]) == {*TABLES, *FIGURES}
    for name in TABLES:
        record = results / ".provenance" / "records" / data["artefacts"][name]["record"]
        assert data["artefacts"][name]["sha256"] in record.read_text()
    assert data["artefacts"]["figure1"]["record"] == ""  # drawn here, by no command
    assert data["records"] == len(TABLES) == data["cost"][0]["jobs"]
    assert re.fullmatch("[0-9a-f]{64}", data["root"])


def test_the_records_that_it_reads_are_no_inputs_but_tables_are(data: dict[str, Any], results: Path) -> None:
    """No step makes records, so an audit would miss the record of each one."""
    record = next(each for each in store_for(results).records() if each.content["command"] == "write_manuscript")
    read = {entry["path"] for entry in record.content["inputs"]}
    assert "results/table1.csv" in read and not any(".provenance" in path for path in read)


def test_a_table_edited_by_hand_has_no_record(results: Path, tmp_path: Path) -> None:
    from agentflan.provenance.citation import cite
    from agentflan.provenance.lineage import Lineage

    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    (copy / "table1.csv").write_text("study\n")

    assert cite(Lineage(store_for(copy)), copy / "table1.csv")["record"] == ""
    assert cite(Lineage(store_for(copy)), copy / "table2.csv")["record"]


def test_choices_are_filled_from_the_configuration(data: dict[str, Any], tmp_path: Path) -> None:
    assert all(choice["silent"] and "{" not in choice["chosen"] for choice in data["choices"])
    mixture = next(choice for choice in data["choices"] if choice["about"] == "Shares of the mixture")
    assert "retrieval 0.25" in mixture["chosen"]

    (tmp_path / "choices.yaml").write_text("- {about: x, silent: y, chosen: '{study.nam}'}")
    with pytest.raises(ConfigError, match=r"\{study.nam\}.*'nam'"):
        read_choices(tmp_path / "choices.yaml", data["configuration"])


def test_the_same_data_makes_the_same_bytes(data: dict[str, Any], results: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "here" / "paper.pdf", tmp_path / "there" / "other.pdf"
    copy = tmp_path / "moved"
    shutil.copytree(PAPER, copy / "paper")
    shutil.copytree(results, copy / "figures")

    assert _make_paper(results / "mini" / "manuscript.json", results, first) == 0
    assert _make_paper(copy / "figures" / "mini" / "manuscript.json", copy / "figures", second, copy / "paper") == 0

    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"%PDF") and len(first.read_bytes()) > 50_000


def test_other_data_makes_another_paper_and_broken_words_are_named(
    data: dict[str, Any], results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "paper.typ").write_text('#let data = json("manuscript.json")\n#data.study.name')
    write_json(tmp_path / "manuscript.json", {"figures": [], "finished": "", "study": {"name": "one"}})
    assert _make_paper(tmp_path / "manuscript.json", results, tmp_path / "one.pdf", tmp_path) == 0
    write_json(tmp_path / "manuscript.json", {"figures": [], "finished": "", "study": {"name": "other"}})
    assert _make_paper(tmp_path / "manuscript.json", results, tmp_path / "other.pdf", tmp_path) == 0
    assert (tmp_path / "one.pdf").read_bytes() != (tmp_path / "other.pdf").read_bytes()

    write_json(tmp_path / "manuscript.json", {"figures": [], "finished": "", "study": {}})
    assert _make_paper(tmp_path / "manuscript.json", results, tmp_path / "none.pdf", tmp_path) == 1
    assert "paper.typ: found a document that cannot be set" in capsys.readouterr().err
    assert not (tmp_path / "none.pdf").exists()


def test_no_number_is_typed_in_the_words() -> None:
    words = NAMES.sub("", (PAPER / "paper.typ").read_text())
    assert [line for line in words.splitlines() if re.search(r"\d", line)] == []

    style = (PAPER / "style.typ").read_text()
    strings = {text for text in re.findall(r'"([^"\n]*)"', style) if re.search(r"\d", text)}
    assert {text for text in strings if not text.startswith("#")} == {"a4", "1.1", "0", "1"}  # paper, numbering, digits

    texts = [choice[key] for choice in yaml.safe_load((PAPER / "choices.yaml").read_text()) for key in choice]
    claims = yaml.safe_load((PAPER / "published" / "claims.yaml").read_text())["claims"]
    texts += [claim[key] for claim in claims for key in ("says", "untested") if key in claim]
    assert [text for text in texts if re.search(r"\d", re.sub(r"{.*?}", "", text))] == []  # braces hold names of keys


def test_every_table_is_written_as_latex(data: dict[str, Any], results: Path, tmp_path: Path) -> None:
    assert cli.main(["write_latex", "--data", str(results / "mini" / "manuscript.json"), "--out", str(tmp_path)]) == 0

    assert {path.stem for path in tmp_path.glob("*.tex")} == {*make_table.names()} - {"comparison"}
    text = (tmp_path / "table1.tex").read_text()
    assert r"66.0 \\ \textbf{" in text
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert {line.count("&") for line in rows} == {len(data["tables"]["table1"]["columns"])}


def test_tex_sets_every_table(data: dict[str, Any], results: Path, tmp_path: Path) -> None:
    """By TeX itself, where there is one with the packages; nothing may be cut at the foot of a page."""
    if not shutil.which("pdflatex") or not shutil.which("kpsewhich"):
        pytest.skip("no pdflatex")
    missing = [name for name in latex.PACKAGES if subprocess.run(["kpsewhich", f"{name}.sty"]).returncode]
    if missing:
        pytest.skip(f"TeX has no {', '.join(missing)}")
    assert cli.main(["write_latex", "--data", str(results / "mini" / "manuscript.json"), "--out", str(tmp_path)]) == 0
    inputs = [rf"\noindent\input{{{path.name}}}\clearpage" for path in sorted(tmp_path.glob("*.tex"))]
    head = rf"\documentclass{{article}}\usepackage[landscape]{{geometry}}\usepackage{{{','.join(latex.PACKAGES)}}}"
    (tmp_path / "all.tex").write_text("\n".join([head, r"\begin{document}\tiny", *inputs, r"\end{document}"]))
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace")

    assert done.returncode == 0 and (tmp_path / "all.pdf").exists(), done.stdout[-2000:]
    assert r"Overfull \vbox" not in done.stdout


def test_a_long_table_breaks_over_pages_and_a_wide_one_is_turned() -> None:
    long = latex.grid({"columns": ["agent", "n"], "rows": [["a", "1"]] * 50})
    assert long.startswith(r"\begin{longtable}{lc}") and long.count(r"\endhead") == 1
    wide = latex.grid({"columns": ["agent", "x", "y", "z"], "rows": [["oracle", "100.0", "", "not run"]]})
    assert wide.splitlines()[2:6] == [r"agent & oracle \\", r"\midrule", r"x & 100.0 \\", r"y &  \\"]


def test_latex_prints_any_text() -> None:
    assert latex.escape("100 % of a_b & {c} −3 \\") == r"100 \% of a\_b \& \{c\} $-$3 \textbackslash{}"
    assert latex.escape("-0.3 [-1, 2] by Llama-2") == "$-$0.3 [$-$1, 2] by Llama-2"
    assert latex.escape("a < b | c") == "a $<$ b $|$ c"
    assert latex.table("lc", ["a_b", "c"], [["1", "2"]]).splitlines()[2:5] == [
        r"a\_b & c \\",
        r"\midrule",
        r"1 & 2 \\",
    ]
