"""Tables: the paper's aggregates, what is not run, and that no published number ever passes for ours."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from agentflan import cli
from agentflan.benchmarks._protocol import OUTCOMES
from agentflan.commands import make_table
from agentflan.errors import FileError
from agentflan.files import read_json, write_json
from agentflan.formulas import HELD_IN_BENCHMARKS, HELD_IN_WEIGHTS, h_score, held_in, overall
from agentflan.outline import outline, table_files
from agentflan.plan import Plan
from agentflan.statistics import Group, estimate
from agentflan.tables import _points, comparison, failures, table1, table2, table3, table4, table5, table6
from agentflan.tables._scores import Measure, combine, score

TABLES = {"table1": table1, "table2": table2, "table3": table3, "table4": table4, "table5": table5, "table6": table6}
HELD_IN_VECTORS = {  # evaluation of AgentTuning's untuned models and AgentLM-7B: alfworld webshop mind2web kg os db
    "GPT-4": ((78.0, 58.6, 22.6, 52.1, 36.8, 33.7), 2.751),
    "GPT-3.5": ((14.0, 67.2, 15.7, 27.2, 32.6, 15.0), 1.591),
    "Llama2-7B": ((2.0, 4.4, 3.7, 0.0, 8.3, 0.3), 0.188),
    "AgentLM-7B": ((84.0, 63.6, 6.4, 18.1, 17.4, 30.6), 1.957),
}
SEEDS = ["ours-s0", "ours-s1"]


@pytest.fixture
def plan() -> dict[str, Any]:
    """A plan with one row a table: two seeds of one agent, and a row that the study has no agent for."""
    ours, none = {"label": "Agent-FLAN", "agents": SEEDS}, {"label": "GPT-4", "agents": [], "reason": "no key"}
    names = ("agent_h", "teval", "hotpotqa", "sciworld", "mmlu", "gsm8k", "humaneval")
    return {
        "name": "tiny",
        "not_run": {"webarena": "no browser", "held_in": "no rooms"},
        "benchmarks": [{"name": name, "title": name} for name in names],
        "bounds": [{"label": "oracle", "agents": ["oracle"]}],
        "failures": [{"label": "oracle", "agents": ["oracle"], "benchmarks": ["teval"]}],
        "table1": [none, ours],
        "table2": [ours | {"label": "All (Weighted)", "condition": "weighted"}],
        "table3": [ours],
        "table4": [ours | {"label": label, "model": "Llama2-7B"} for label in ("general data", "Agent-FLAN")],
        "table5": [
            {"label": "Llama2-7B", "gpus": 0, "lr": 2e-5, "warmup_lr": 4e-6, "batch": 32, "schedule": "cosine"},
            {"label": "Llama2-13B", "reason": "no such size"},
        ],
        "table6": [{"label": "OS", "dataset": "os"}, {"label": "ToolBench", "dataset": "toolbench"}],
        "figure1": {
            "reference": ours | {"label": "oracle", "agents": ["oracle"]},
            "rows": [ours | {"label": "x"}, ours],
        },
        "figure7": [ours | {"fraction": 1.0}],
        "figure8": [ours | {"series": "Agent-FLAN", "model": "Llama2-7B"}],
    }


@pytest.fixture
def results(tmp_path: Path, plan: dict[str, Any]) -> Path:
    """Scores that no published table holds."""
    for number, agent in enumerate([*SEEDS, "oracle"]):
        for benchmark in plan["benchmarks"]:
            value = 100.0 if agent == "oracle" else 11.125 + 2 * number
            row = {"value": value, "low": value - 1, "high": value + 3, "n": 40, "protocol": "by rule"}
            row["parts"] = {"H_ReAct": 7.03125, "H_General": 5.03125}
            row["samples"] = [{"weight": 1.0, "values": [value / 100] * 40}]
            row["outcomes"] = dict.fromkeys(OUTCOMES, 0)
            write_json(tmp_path / "scores" / agent / f"{benchmark['name']}.json", row)
    write_json(tmp_path / "mixed" / "weighted.tokens.json", {"all": 2_345_678, "loss": 123_456})
    write_json(tmp_path / "filtered" / "os.counts.json", {"kept": 1777})
    write_json(tmp_path / "filtered" / "toolbench.counts.json", {"kept": 3})
    return tmp_path


@pytest.mark.parametrize("row", HELD_IN_VECTORS)
def test_held_in_reproduces_the_published_aggregates(row: str) -> None:
    scores, expected = HELD_IN_VECTORS[row]
    assert held_in(dict(zip(HELD_IN_WEIGHTS, scores, strict=True))) == pytest.approx(expected, abs=6e-4)


def test_held_in_refuses_five_tasks() -> None:
    with pytest.raises(ValueError, match="alfworld"):
        held_in({"os": 1.0, "db": 1.0, "kg": 1.0, "webshop": 1.0, "mind2web": 1.0})


def test_overall_is_the_mean_of_five() -> None:
    assert overall([28.5, 20.0, 4.68, 66.0, 89.1]) == pytest.approx(41.656)
    with pytest.raises(ValueError, match="five"):
        overall([28.5, 66.0, 89.1])


@pytest.mark.parametrize(
    ("parts", "expected"), [((9.9, 11.9), 89.10), ((15.6, 13.5), 85.45), ((18.1, 14.0), 83.95), ((21.7, 21.0), 78.65)]
)
def test_h_score(parts: tuple[float, float], expected: float) -> None:
    assert h_score(*parts) == pytest.approx(expected)


def test_seeds_are_averaged_and_a_missing_column_leaves_no_overall(plan: dict[str, Any], results: Path) -> None:
    frame = table1.build(plan, results).set_index("MODEL")
    assert list(frame.columns) == [
        "study",
        "HELD-IN",
        "HotpotQA",
        "SciWorld",
        "WebArena",
        "T-Eval",
        "Agent-H",
        "Overall",
    ]
    assert frame.loc["Agent-FLAN"].tolist() == ["tiny", "not run", "12.1", "12.1", "not run", "12.1", "12.1", "not run"]
    assert set(frame.loc["GPT-4"].tolist()) == {"tiny", "not run"}
    measure = score(plan, results, plan["table1"][1], "teval")
    assert (measure.value, measure.low, measure.high, measure.n) == (12.125, 11.125, 13.125, 40)
    assert measure.note == "mean of 2 seeds. by rule"


def test_the_interval_of_several_seeds_holds_how_they_and_their_tasks_differ(
    plan: dict[str, Any], results: Path
) -> None:
    def write(first: int, second: int) -> None:
        for agent, right in zip(SEEDS, (first, second), strict=True):
            values = [1.0] * right + [0.0] * (40 - right)
            found = estimate([Group(1.0, values)], agent)
            write_json(results / "scores" / agent / "teval.json", found._asdict())

    def width() -> float:
        measure = score(plan, results, plan["table1"][1], "teval")
        assert measure.value == 50.0 and measure.low < 50.0 < measure.high
        return measure.high - measure.low

    write(20, 20)
    alike, alone = width(), read_json(results / "scores" / SEEDS[0] / "teval.json")
    assert alike == pytest.approx(alone["high"] - alone["low"], rel=0.15)
    write(30, 10)
    assert width() > 1.5 * alike
    write_json(results / "scores" / SEEDS[1] / "teval.json", estimate([Group(1.0, [1.0] * 3)], "x")._asdict())
    with pytest.raises(FileError, match=r"other samples.*expected those of scores/ours-s0"):
        score(plan, results, plan["table1"][1], "teval")
    write_json(results / "scores" / SEEDS[1] / "teval.json", {"value": 4.0, "low": 3.0, "high": 5.0, "n": 40})
    assert score(plan, results, plan["table1"][1], "teval").low is None  # no samples, no interval together


def test_overall_is_computed_from_unrounded_columns(plan: dict[str, Any], results: Path) -> None:
    plan["not_run"] = {}
    plan["benchmarks"].append({"name": "webarena", "title": "WebArena"})
    for agent in SEEDS:
        write_json(results / "scores" / agent / "webarena.json", {"value": 4.6798, "n": 812})
    cells = {cell.column: cell for cell in table1.cells(plan, results) if cell.row == ("Agent-FLAN",)}
    assert cells["Overall"].measure.value == pytest.approx((4 * 12.125 + 4.6798) / 5)
    assert cells["WebArena"].text() == "4.68"
    assert "does not run agentbench_alfworld" in cells["HELD-IN"].measure.note


def test_held_in_column_needs_all_six_score_files(plan: dict[str, Any], results: Path) -> None:
    plan["not_run"] = {}
    plan["benchmarks"] += [{"name": name, "title": name} for name in HELD_IN_BENCHMARKS.values()]
    entry = {"label": "GPT-4", "agents": ["gpt"]}
    for task, value in zip(HELD_IN_WEIGHTS, HELD_IN_VECTORS["GPT-4"][0], strict=True):
        row = {"value": value, "protocol": f"as {task} is played"}
        write_json(results / "scores" / "gpt" / f"agentbench_{task}.json", row)
    whole = score(plan, results, entry, "held_in")
    assert whole.value == pytest.approx(2.751, abs=6e-4)
    assert "as kg is played" in whole.note
    (results / "scores" / "gpt" / "agentbench_kg.json").unlink()
    missing = score(plan, results, entry, "held_in")
    assert missing.value is None
    assert "not run: agentbench_kg" in missing.note


def test_a_score_that_was_not_run_keeps_its_reason(plan: dict[str, Any], results: Path) -> None:
    write_json(results / "scores" / SEEDS[1] / "teval.json", {"status": "not run", "reason": "server is down"})
    measure = score(plan, results, plan["table1"][1], "teval")
    assert (measure.value, measure.note) == (None, "server is down")


def test_a_stale_file_of_a_column_that_is_not_run_is_not_read(plan: dict[str, Any], results: Path) -> None:
    write_json(results / "scores" / SEEDS[0] / "webarena.json", {"value": 99.0})
    assert score(plan, results, plan["table1"][1], "webarena") == Measure(None, note="no browser")


def test_components_of_agent_h(plan: dict[str, Any], results: Path) -> None:
    frame = table3.build(plan, results)
    assert frame.loc[0, ["H_ReAct", "H_General", "H_Score"]].tolist() == ["7.0", "5.0", "12.1"]
    path = results / "scores" / SEEDS[0] / "agent_h.json"
    write_json(path, read_json(path) | {"parts": {}})
    with pytest.raises(FileError, match="H_ReAct"):
        table3.build(plan, results)


def test_a_component_has_the_interval_of_its_samples(plan: dict[str, Any], results: Path) -> None:
    for agent, called in zip(SEEDS, (4, 12), strict=True):
        path = results / "scores" / agent / "agent_h.json"
        samples = [{"weight": 1.0, "values": [1.0] * called + [0.0] * (40 - called)}]
        parts = {"H_ReAct": 2.5 * called, "H_General": 0.0}
        write_json(path, read_json(path) | {"parts": parts, "part_samples": {"H_ReAct": samples}})
    found = {cell.column: cell.measure for cell in table3.cells(plan, results)}

    react, general = found["H_ReAct"], found["H_General"]
    assert react.value == 20.0 and react.n == 40 and len(react.sources) == 2
    assert 0 < react.low < 10 and 30 < react.high < 50  # a seed drawn alone has 10 or 30
    assert (general.value, general.low) == (0.0, None)


def test_tokens_settings_and_counts(plan: dict[str, Any], results: Path) -> None:
    assert table2.build(plan, results).iloc[0, 2:4].tolist() == ["0.123", "2.35"]
    settings = table5.build(plan, results).set_index("Hyper-Params")
    assert settings["Llama2-7B"].tolist() == ["0", "2e-5", "4e-6", "32", "Cosine"]
    assert set(settings["Llama2-13B"]) == {"not run"}
    assert table6.build(plan, results)["Sample Num"].tolist() == ["1,777", "3", "1,780"]
    (results / "filtered" / "os.counts.json").unlink()
    assert table6.build(plan, results)["Sample Num"].tolist() == ["not run", "3", "not run"]


def test_changes_of_table_4(plan: dict[str, Any], results: Path) -> None:
    plan["table4"][0]["agents"] = SEEDS[1:]
    frame = table4.build(plan, results).set_index("DATA")
    assert frame.loc["Agent-FLAN", "MMLU change"] == "-1.0"
    assert frame.loc["general data", "MMLU change"] == ""


def _played(results: Path, agent: str, benchmark: str, values: list[float]) -> None:
    found = estimate([Group(1.0, values)], agent)
    write_json(results / "scores" / agent / f"{benchmark}.json", found._asdict())


def test_a_change_has_the_interval_of_pairs(plan: dict[str, Any], results: Path) -> None:
    """Both rows played the same tasks: a row that does one more of forty tasks has a narrow interval, not two wide."""
    half = [1.0, 0.0] * 20
    for agent, values in zip(SEEDS, (half, [1.0, 1.0, *half[2:]]), strict=True):
        _played(results, agent, "mmlu", values)
    plan["table4"] = [row | {"agents": [agent]} for row, agent in zip(plan["table4"], SEEDS, strict=True)]
    found = {cell.column: cell.measure for cell in table4.cells(plan, results)}
    change = found["MMLU change"]
    assert (change.value, change.low) == (2.5, 0.0) and 5.0 <= change.high <= 10.0
    assert found["MMLU"].high - found["MMLU"].low > 25


def test_the_interval_of_held_in_is_that_of_its_weighted_tasks(plan: dict[str, Any], results: Path) -> None:
    plan["not_run"] = {}
    entry = {"label": "Agent-FLAN", "agents": SEEDS[:1]}
    plan["benchmarks"] += [{"name": name, "title": name} for name in HELD_IN_BENCHMARKS.values()]
    for name in HELD_IN_BENCHMARKS.values():
        _played(results, SEEDS[0], name, [1.0, 0.0] * 20)
    whole = score(plan, results, entry, "held_in")
    deviation = sum((50 / 40**0.5 / weight / 6) ** 2 for weight in HELD_IN_WEIGHTS.values()) ** 0.5
    assert whole.high - whole.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)
    write_json(results / "scores" / SEEDS[0] / f"{name}.json", {"value": 50.0})
    assert score(plan, results, entry, "held_in").low is None  # no samples, no interval


def test_a_bar_has_no_interval_where_its_reference_may_score_nothing(plan: dict[str, Any], results: Path) -> None:
    found = {cell.row[0]: cell.measure for cell in _points.margins(plan, results)}["T-Eval"]
    assert found.low is not None and found.low <= found.value <= found.high
    _played(results, "oracle", "teval", [1.0] + [0.0] * 39)
    found = {cell.row[0]: cell.measure for cell in _points.margins(plan, results)}["T-Eval"]
    assert (found.low, found.high) == (None, None) and found.value is not None


def test_combine_names_what_is_missing() -> None:
    parts = {"a": Measure(1.0), "b": Measure(None, note="why")}
    assert combine(parts, lambda *values: sum(values), "a rule").note == "a rule; not run: b (why)"


def test_comparison_lists_every_published_value(root: Path, plan: dict[str, Any], results: Path) -> None:
    frame = comparison.build(plan, results, root / "paper" / "published")
    assert tuple(frame.columns) == comparison.COLUMNS
    assert set(frame["status"]) == {"done", "not run"}
    assert (frame["ours"] == "").equals(frame["status"] == "not run")
    assert not frame.duplicated(["table", "row", "column"]).any()
    place = frame.set_index(["table", "row", "column"])
    assert place.loc[("table1", "GPT-4", "Overall"), "published"] == "55.1"
    done = place.loc[("table1", "Agent-FLAN", "T-Eval")]
    assert done[["published", "ours", "low", "high", "n"]].tolist() == ["66.0", "12.125", "11.125", "13.125", "40"]
    assert "85.45" in place.loc[("table3", "w/o NS", "H_Score"), "note"]
    assert place.loc[("figure1", "T-Eval", "margin"), "published"] == "+4.0"


def test_no_published_number_is_ever_ours(root: Path, tmp_path: Path, plan: dict[str, Any], results: Path) -> None:
    """With other published numbers, nothing of ours changes; with none of ours, nothing is done."""
    published = root / "paper" / "published"
    for path in published.glob("*.csv"):
        rows = path.read_text(encoding="utf-8").replace("2", "9").replace("8", "7")
        (tmp_path / "forged" / path.name).parent.mkdir(exist_ok=True)
        (tmp_path / "forged" / path.name).write_text(rows, encoding="utf-8")
    mine = ["ours", "low", "high", "n", "status"]
    keys = ["table", "row", "column"]
    true = comparison.build(plan, results, published).set_index(keys)[mine]
    forged = comparison.build(plan, results, tmp_path / "forged").set_index(keys)[mine]
    shared = true.index.intersection(forged.index)
    assert len(shared) > 20
    assert true.loc[shared].equals(forged.loc[shared])
    nothing = comparison.build(plan, tmp_path / "empty", published)
    assert set(nothing[nothing["table"] != "table5"]["ours"]) == {""}
    for table in TABLES.values():
        assert not {"published", "csv"} & set(vars(table))


def test_published_tables_have_the_rows_and_columns_of_ours(root: Path) -> None:
    """The same places in the printed tables and in the tables of the study `mini`."""
    whole = outline(Plan.load(root / "config", "mini"))
    for name, table in TABLES.items():
        printed = comparison.read_published(root / "paper" / "published" / f"{name}.csv", len(table.KEYS))
        ours = {(" / ".join(cell.row), cell.column) for cell in table.cells(whole, root / "nowhere")}
        assert set(printed) <= ours, name
        assert {column for _, column in ours - set(printed)} <= {"All tokens (M)", "Own web sites"}, name


def test_errata_name_printed_places(root: Path) -> None:
    """Every erratum about a cell quotes what is printed there, and all 18 items are kept."""
    published = root / "paper" / "published"
    with (published / "errata.csv").open(encoding="utf-8") as handle:
        errata = list(csv.DictReader(handle))
    assert {int(row["item"]) for row in errata} == set(range(1, 19))
    for row in errata:
        if not row["table"]:
            continue
        keys = comparison._PARTS[row["table"]][1]
        printed = comparison.read_published(published / f"{row['table']}.csv", keys)[row["row"], row["column"]]
        assert row["printed"] in ("", printed, "3.5"), row  # 3.5 is the margin that the text derives from the cell


def test_published_aggregates_have_the_known_errors_only(root: Path) -> None:
    """Overall, recomputed from the printed columns, differs from the printed one in the row of erratum 1 alone."""
    printed = comparison.read_published(root / "paper" / "published" / "table1.csv", 1)
    rows = dict.fromkeys(row for row, _ in printed)
    wrong = [
        row
        for row in rows
        if abs(overall([float(printed[row, column]) for column in table1.HELD_OUT]) - float(printed[row, "Overall"]))
        > 0.0501
    ]
    assert wrong == ["GPT-3.5"]


def test_the_command_writes_every_table(
    root: Path, tmp_path: Path, plan: dict[str, Any], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(tmp_path / "plan.json", plan)
    common = ["make_table", "--plan", str(tmp_path / "plan.json"), "--results", str(results)]
    common += ["--published", str(root / "paper" / "published")]
    for name in sorted({*make_table.names()} - {"claims"}):  # claims ask for every row: test_claims has such a study
        out = tmp_path / "out" / f"{name}.csv"
        assert cli.main([*common, "--name", name, "--out", str(out)]) == 0
        first = out.read_bytes()
        cli.main([*common, "--name", name, "--out", str(out)])
        assert out.read_bytes() == first
        assert first.decode().splitlines()[0].split(",")[0] in ("study", "table")
    assert cli.main([*common, "--name", "table7", "--out", str(tmp_path / "x.csv")]) == 1
    assert "table1" in capsys.readouterr().err


def test_scores_that_a_row_leaves_out_are_not_asked_for(root: Path) -> None:
    plan = Plan.load(root / "config", "onegpu")
    files = table_files(plan, "table1")
    fireact = next(entry for entry in outline(plan)["table1"] if entry["label"] == "FireAct-7B")["agents"][0]

    assert f"scores/{fireact}/hotpotqa.json" in files
    assert not any(file.startswith(f"scores/{fireact}/agentbench_") for file in files)
    assert sum(file.endswith("/agentbench_db.json") for file in files) > 1


def test_failures_are_counted_by_kind_for_every_agent_and_benchmark(plan: dict[str, Any], tmp_path: Path) -> None:
    outcomes = {
        "completed": 4,
        "context_limit": 1,
        "invalid_action": 2,
        "task_limit": 3,
        "task_error": 5,
        "api_error": 6,
    }
    row = {"value": 1.0, "outcomes": outcomes, "parts": {"faults": {"format": 7, "tool": 8, "arguments": 9}}}
    write_json(tmp_path / "scores" / "a" / "teval.json", row)
    write_json(tmp_path / "scores" / "a" / "agent_h.json", row | {"parts": {}})
    write_json(tmp_path / "scores" / "a" / "mmlu.json", {"status": "not run", "reason": "no data"})
    plan["failures"] = [{"label": "a", "agents": ["a"], "benchmarks": ["teval", "agent_h", "mmlu"]}]

    frame = failures.build(plan, tmp_path).set_index("BENCHMARK")

    assert list(frame.columns)[:7] == [
        "study",
        "AGENT",
        "episodes",
        "completed",
        "parse error",
        "limit reached",
        "environment error",
    ]
    assert frame.loc["teval"].tolist() == ["tiny", "a", "21", "4", "2", "4", "5", "6", "7", "8", "9"]
    assert frame.loc["agent_h"].tolist()[-3:] == ["", "", ""]
    assert frame.loc["mmlu"].tolist()[2:] == ["not run"] * 9


def test_the_failures_of_a_study_are_those_of_all_its_tables(root: Path) -> None:
    plan = Plan.load(root / "config", "mini")
    files = table_files(plan, "failures")

    for name in ("table1", "table2", "table3", "bounds"):
        assert {file for file in table_files(plan, name) if file.startswith("scores/")} <= set(files)
    assert len(files) == len(set(files))
