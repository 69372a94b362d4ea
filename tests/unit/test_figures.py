"""Figures: text that never overflows, real cases found in transcripts, and the same bytes on every run."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import matplotlib
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from agentflan import cli
from agentflan.commands import make_figure
from agentflan.figures import _losses, _negatives, _page, _transcripts, figure4, figure6, figure9
from agentflan.figures._page import Card, page, wrap
from agentflan.files import write_json, write_jsonl
from agentflan.outline import outline
from agentflan.plan import Plan
from agentflan.provenance.opened import OpenedFiles
from agentflan.records import CONVERSATION, REASONING, RETRIEVAL, UNDERSTANDING, Trajectory, Turn, to_json, turn_of

BASELINE, OURS = {"label": "AgentTuning*", "agents": ["base-s0"]}, {"label": "Agent-FLAN", "agents": ["ours-s0"]}
CALL = 'Thought: hm.\nAction: {name}\nAction Input: {{"city": "Ulm"}}'
NASTY = "long" * 60 + " $x^2$ \t 你好 🦜 a\u0301 \\frac{1}{2}\r\n\n" + "words and words " * 40


@pytest.fixture(scope="module")
def plan(root: Path) -> dict[str, Any]:
    """The plan of the study `mini`."""
    return outline(Plan.load(root / "config", "mini"))


def texts(figure: Figure) -> str:
    """Everything that a figure says."""
    return " ".join(text.get_text() for text in figure.findobj(Text))


def plain_row(key: str, reply: str, signs: list[str], circumstance: str) -> dict[str, Any]:
    """A transcript of Agent-H."""
    messages = [{"role": "user", "content": f"hello {key}"}, {"role": "assistant", "content": reply}]
    kind = {"circumstance": circumstance, "wants_call": circumstance == "d"}
    return {"id": key, **kind, "signs": signs, "replies": [reply], "messages": messages}


def tool_row(key: str, name: str, fault: str) -> dict[str, Any]:
    """A transcript of the ToolBench tasks with one step."""
    reply = CALL.format(name=name)
    messages = [{"role": "system", "content": "find_map: maps"}, {"role": "user", "content": "a map"}]
    step = {"action": name, "arguments": {}, "fault": fault}
    messages.append({"role": "assistant", "content": reply})
    return {"id": key, "steps": [step], "passed": not fault, "replies": [reply], "messages": messages}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Transcripts of two agents: the baseline hallucinates, ours does not."""
    calling = CALL.format(name="find_map")
    for agent, faulty in (("base-s0", True), ("ours-s0", False)):
        folder = tmp_path / "transcripts" / agent
        plain = [
            plain_row("p1", "Fine, thanks.", [], "a"),
            plain_row("p2", calling if faulty else "Hello.", ["react"] if faulty else [], "b"),
            plain_row("p3", calling, ["react"], "d"),
        ]
        tools = [
            tool_row("t1", "find_map", ""),
            tool_row("t2", *(("draw_map", "tool") if faulty else ("find_map", ""))),
        ]
        write_jsonl(folder / "agent_h.jsonl", plain)
        write_jsonl(folder / "toolbench_eval.jsonl", tools)
    return tmp_path


@given(
    st.lists(st.tuples(st.text(st.sampled_from("ab \n{}你"), max_size=40), st.sampled_from(["", "red"])), max_size=5),
    st.integers(1, 30),
)
def test_wrapped_lines_fit_and_lose_nothing(pieces: list[tuple[str, str]], columns: int) -> None:
    lines = wrap(pieces, columns, lines=10_000)
    assert all(sum(len(text) for text, _ in line) <= columns for line in lines)
    for colour in ("", "red"):
        shown = "".join(text for line in lines for text, own in line if own == colour)
        given_text = "".join(text for text, own in pieces if own == colour)
        assert shown.replace(" ", "") == "".join(given_text.split()).replace("你", "□")


def test_wrapping_breaks_at_spaces_and_clips() -> None:
    assert wrap([("one two", ""), (" three", "red")], 8, 9) == [[("one two", "")], [("three", "red")]]
    assert wrap([("a\nb\nc\nd", "")], 8, 3) == [[("a", "")], [("b", "")], [("…", "")]]
    assert _page.clip("a title that is too long", 9) == "a title …"


def test_nothing_overflows_the_page() -> None:
    cards = [Card(NASTY, ((NASTY, ""), (NASTY, "#ffcccc")), lines=30), Card("", ((NASTY, ""),))]
    figure = page([[cards, cards, cards], [cards]], legend=[("meaning", "#ffcccc")])
    width, height = figure.get_size_inches() * figure.dpi
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.findobj(Text) if text.get_text()]
    assert len(boxes) > 100
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)


def test_the_font_is_the_one_that_matplotlib_ships() -> None:
    """A system font of the same name may differ from machine to machine."""
    for family in ("DejaVu Sans", _page.FONT):
        assert Path(matplotlib.font_manager.findfont(family)).is_relative_to(matplotlib.get_data_path())


def test_losses_are_means_per_token(tmp_path: Path) -> None:
    rows = [(step, "capability", "reasoning", 10.0 * step, 5) for step in (1, 2)]
    rows += [(2, "capability", "retrieval", 3.0, 6), (1, "stream", "react", 99.0, 1)]
    frame = pandas.DataFrame(rows, columns=["step", "kind", "group", "loss_sum", "tokens"])
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path in paths:
        frame.to_parquet(path)
    losses = _losses.mean_losses(paths, "capability")
    assert losses["reasoning"].tolist() == [2.0, 4.0]
    assert losses["retrieval"].dropna().to_dict() == {2: 0.5}


def test_the_record_of_a_figure_sees_its_losses(tmp_path: Path) -> None:
    path = tmp_path / "agent.parquet"
    rows = [{"step": 1, "kind": "capability", "group": "reasoning", "loss_sum": 2.0, "tokens": 1}]
    pandas.DataFrame(rows).to_parquet(path)
    opened = OpenedFiles([tmp_path])
    opened.watch()
    _losses.mean_losses([path], "capability")
    assert opened.stop() == ([path], [])


def test_hallucinations_are_found_and_marked(results: Path) -> None:
    said = texts(figure4.draw({"name": "x", "figure4": [OURS, BASELINE]}, results))
    assert "agent_h p2" in said
    assert "toolbench_eval t2" in said
    assert 'There is no tool "draw_map"' in said
    assert "none found. Transcripts searched: 3" in texts(figure4.draw({"name": "x", "figure4": [OURS]}, results))


def test_a_call_without_tools_is_an_action_hallucination(results: Path) -> None:
    rows = [plain_row("p9", CALL.format(name="dig"), ["react"], "c")]
    write_jsonl(results / "transcripts" / "ours-s0" / "agent_h.jsonl", rows)
    said = texts(figure4.draw({"name": "x", "figure4": [OURS]}, results))
    assert 'No tool is given, yet the reply calls "dig".' in said
    assert "none found. Transcripts searched: 1" in said


def test_marks_cover_the_words_that_are_wrong() -> None:
    pieces = _transcripts.mark_signs("Hm. Thought: I will use it", ["react", "general"])
    assert [text for text, colour in pieces if colour] == ["Thought:", "I will use"]
    assert [text for text, colour in _transcripts.mark_action(CALL.format(name="dig"), "red") if colour] == ["dig"]


def test_the_case_is_one_that_only_ours_gets_right(results: Path) -> None:
    said = texts(figure9.draw({"name": "x", "figure9": [BASELINE, OURS]}, results))
    assert "ToolBench, t2: 1 of 2 cases are right with Agent-FLAN and wrong with AgentTuning*" in said
    assert "Agent-H, p2: 1 of 2 cases are right with Agent-FLAN and wrong with AgentTuning*" in said
    swapped = texts(figure9.draw({"name": "x", "figure9": [OURS, BASELINE]}, results))
    assert "0 of 2 cases are right with AgentTuning* and wrong with Agent-FLAN; this is the shortest of all" in swapped


def test_circumstances_of_training_conversations() -> None:
    rows = [
        {"id": "1", "stream": "general"},
        {"id": "2.plain", "stream": "negative"},
        {"id": "3.irrelevant", "stream": "negative", "tools": [{}]},
        {"id": "4.conversation", "stream": "negative", "tools": [{}]},
        {"id": "5", "stream": "chat", "tools": [{}]},
        {"id": "6", "stream": "react"},
        {"id": "7", "stream": "instruction"},
    ]
    counts = figure6.count_circumstances(rows)
    assert counts == {"a": 1, "c": 1, "irrelevant": 1, "b": 1, "d": 2, "instruction": 1}


def test_counts_of_the_benchmark_stand_in_the_figure(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "mixed" / "weighted.jsonl", [{"id": "1", "stream": "general"}] * 7)
    parts = {"circumstances": {letter: {"n": 31} for letter in "abcd"}}
    write_json(tmp_path / "scores" / "oracle" / "agent_h.json", {"parts": parts})
    figure = {"conditions": [{"label": "w/o NS", "condition": "weighted"}], "agent_h": {"agents": ["oracle"]}}
    said = texts(figure6.draw({"name": "x", "figure6": figure}, tmp_path))
    assert "trained on, w/o NS: 7" in said
    assert "tested on, Agent-H: 31" in said


def test_negative_samples_of_a_kind(tmp_path: Path) -> None:
    turns = (Turn("user", "what?"), turn_of("assistant", [("no.", CONVERSATION, False)]))
    samples = [Trajectory(f"q{number}.plain", "toolbench", turns, "negative") for number in (2, 1)]
    write_jsonl(tmp_path / "decomposed" / "negative.jsonl", map(to_json, samples))
    head, query, reply = _negatives.sample_cards(tmp_path, "plain", "title")
    assert head.pieces[0][0] == "one of 2, id: q1.plain"
    assert (query.pieces[0][0], reply.pieces[0][0]) == ("what?", "no.")
    assert _negatives.sample_cards(tmp_path, "irrelevant", "title") == []


def test_figure_5_shows_the_shortest_trajectory_with_all_capabilities(tmp_path: Path) -> None:
    def dialogue(key: str, thought: str) -> Trajectory:
        said = [(thought, REASONING), ("find_map", RETRIEVAL), ("Ulm", UNDERSTANDING)]
        turns = [Turn("user", "go on"), *(turn_of("assistant", [(text, name, False)]) for text, name in said if text)]
        return Trajectory(key, "toolbench", tuple(turns), "chat")

    rows = [to_json(dialogue("d1", "a long thought")), to_json(dialogue("d2", "short")), to_json(dialogue("d3", ""))]
    for name in ("chat/toolbench", "chat/toolbench.react", "decomposed/reasoning", "decomposed/retrieval"):
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    figure = importlib.import_module("agentflan.figures.figure5")
    said = texts(figure.draw({"name": "x", "figure5": {"dataset": "toolbench"}}, tmp_path))
    assert "1. ReAct: d2" in said
    assert "a long thought" not in said
    assert "not run: not in decomposed/understanding.jsonl" in said


@pytest.mark.parametrize("name", make_figure.names())
def test_every_figure_says_what_was_not_run(name: str, plan: dict[str, Any], tmp_path: Path) -> None:
    figure = importlib.import_module(f"agentflan.figures.{name}").draw(plan, tmp_path)
    assert "not run" in texts(figure)


def test_eleven_figures() -> None:
    assert make_figure.names() == [f"figure{number}" for number in range(1, 12)]


@pytest.mark.parametrize("name", ["figure1", "figure4"])
def test_same_bytes_and_no_date(name: str, plan: dict[str, Any], results: Path) -> None:
    for agent in {agent for entry in plan["figure1"]["rows"] for agent in entry["agents"]} | {"oracle"}:
        write_json(results / "scores" / agent / "teval.json", {"value": float(len(agent)), "low": 1.0, "high": 50.0})
    write_json(results / "plan.json", plan | {"figure4": [BASELINE]})
    contents = []
    for out in (results / "first" / name, results / "second" / name):
        flags = ["--plan", str(results / "plan.json"), "--results", str(results), "--out", str(out)]
        assert cli.main(["make_figure", "--name", name, *flags]) == 0
        contents.append([out.with_name(f"{name}.{kind}").read_bytes() for kind in ("pdf", "svg", "png")])
    assert contents[0] == contents[1]
    pdf, svg, _ = contents[0]
    assert b"CreationDate" not in pdf
    assert b"<dc:date>" not in svg


def test_an_unknown_figure_is_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--plan", "p", "--results", str(results), "--out", "o"]
    assert cli.main(["make_figure", "--name", "figure12", *flags]) == 1
    assert "figure11" in capsys.readouterr().err
