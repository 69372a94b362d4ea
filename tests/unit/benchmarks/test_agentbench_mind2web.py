"""Mind2Web: what is shown of a page, how choices go on, and what counts as a right step."""

from __future__ import annotations

import pickle
import re
import shutil
from pathlib import Path
from xml.etree.ElementTree import ParseError

import pytest
from benchmark_examples import CITIES, Bench

from agentflan import datasets
from agentflan.benchmarks import agentbench_mind2web
from agentflan.benchmarks._pages import Choice, show
from agentflan.errors import FileError, RecordError
from agentflan.files import write_json

PAGE = """<html backend_node_id="1"> <div backend_node_id="2"> <div backend_node_id="3">
<a backend_node_id="4" title="Home  Page" href="http://x" name="home page"/>
<select backend_node_id="5" type="size"> <option backend_node_id="6" value="s">
<text backend_node_id="7">S &amp; M</text>
</option> </select> </div> </div> <p backend_node_id="8"> <text backend_node_id="9">far away</text> </p> </html>"""


def test_a_page_is_shown_around_the_elements() -> None:
    text, choices = show(PAGE, ["5"])
    assert text == "<html> <div> <a home page /> <select id=0 size> <option s> S & M </option> </select> </div> </html>"
    assert choices == [Choice("5", "<select id=0 size> <option s> S & M </option> </select>")]
    assert "far away" in show(PAGE, ["8", "4"])[0]
    assert [choice.element for choice in show(PAGE, ["8", "4"])[1]] == ["4", "8"]


def test_a_page_that_is_broken_or_lacks_the_element_is_an_error() -> None:
    with pytest.raises(ParseError):
        show("<html>", ["1"])
    with pytest.raises(KeyError):
        show(PAGE, ["77"])


@pytest.mark.parametrize(
    ("reply", "letter", "action"),
    [
        ("Thought: x\nAnswer: C.\nAction: TYPE\nValue: two words", "C", "TYPE two words"),
        ("Answer: B\nAction: CLICK", "B", "CLICK"),
        ("Answer: A. None of the above", "A", ""),
        ("answer: B", "A", ""),
        ("Answer: Z", "A", ""),
    ],
)
def test_replies(reply: str, letter: str, action: str) -> None:
    assert agentbench_mind2web.parse_reply(reply) == (letter, action)


def test_words_of_an_action_are_a_set() -> None:
    assert agentbench_mind2web.action_f1("TYPE a b", "TYPE b a") == 1
    assert agentbench_mind2web.action_f1("TYPE a", "TYPE a b") == pytest.approx(0.8)
    assert agentbench_mind2web.action_f1("", "CLICK") == 0


def test_what_is_chosen_is_offered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agentbench_mind2web", monkeypatch)
    episode = bench.module.episode(bench.tasks[0], bench.settings)

    def offered(shown: str) -> list[str]:
        return re.findall(r"^[B-F]\. <button id=\d>(\w+)</button>$", shown, re.MULTILINE)

    first = offered(episode.send(None).messages[-1][1])
    second = offered(episode.send("Answer: B\nAction: CLICK").messages[-1][1])
    with pytest.raises(StopIteration) as end:
        episode.send("Answer: A")

    assert (len(first), len(second)) == (5, 2)  # six of the eight buttons are among the ten likeliest elements
    assert first[0] in second
    assert end.value.value["prediction"] == {"element": "", "action": ""}


def test_a_right_element_needs_its_operation_and_value(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agentbench_mind2web", monkeypatch)
    rows = bench.play_oracle()
    wrong = [row | {"prediction": row["prediction"] | {"action": "TYPE another day"}} for row in rows]

    score = bench.score(wrong)

    assert score["value"] == 0
    assert score["parts"]["element_accuracy"] == 100
    assert 0 < score["parts"]["action_f1"] < 100


def test_a_step_whose_element_is_not_offered_counts_0_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agentbench_mind2web", monkeypatch, top=3)
    rows = bench.play_oracle()
    assert [row["replies"] for row in rows] == [[]] * 5
    assert bench.score(rows)["parts"]["right_not_offered"] == 5
    assert bench.score(rows)["value"] == 0


def test_a_page_that_does_not_fit_ends_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agentbench_mind2web", monkeypatch, max_segments=400)
    for task in bench.tasks:
        task["prompt"] = task["prompt"] | {"demonstration": ["word " * 300, "Answer: A"]}
    assert bench.play_oracle()[0]["outcome"] == "context_limit"


def test_a_ranking_that_could_run_something_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "data_std.json", [])
    (tmp_path / "scores_all_data.pkl").write_bytes(pickle.dumps({"ranks": shutil.rmtree}))
    with pytest.raises(FileError, match=r"it holds shutil\.rmtree"):
        list(datasets.load("agentbench_mind2web").read(tmp_path))


def test_numbers_of_numpy_are_read(tmp_path: Path) -> None:
    import numpy

    action = {
        "action_uid": "u",
        "operation": {"op": "CLICK", "value": ""},
        "cleaned_html": PAGE,
        "pos_candidates": [{"backend_node_id": "4"}],
        "neg_candidates": [{"backend_node_id": "8"}],
    }
    row = {"annotation_id": "t", "confirmed_task": "x", "actions": [action], "action_reprs": ["done"]}
    write_json(tmp_path / "data_std.json", [row])
    ranks = {"t_u": {"4": numpy.int64(0), "8": 1}}
    (tmp_path / "scores_all_data.pkl").write_bytes(pickle.dumps({"ranks": ranks, "scores": {"4": numpy.float32(0.5)}}))

    assert next(datasets.load("agentbench_mind2web").read(tmp_path))["positives"] == {"4": 0}

    write_json(tmp_path / "data_std.json", [row | {"actions": [action | {"action_uid": "other"}]}])
    with pytest.raises(RecordError, match="t_other"):
        list(datasets.load("agentbench_mind2web").read(tmp_path))


def test_the_wording_is_taken_from_the_harness_own_demonstration(shared_data: Path, tmp_path: Path) -> None:
    name = "llm_prompt_cot.json"
    shutil.copy(shared_data / "agentbench" / f"mind2web_{name}", tmp_path / name)

    prompt = agentbench_mind2web._read_prompt(tmp_path)

    assert (prompt["source"], len(prompt["demonstration"])) == (name, 6)
    page, rest = prompt["demonstration"][0].split("\n'''\n\n", 1)
    texts = {"html": page.removeprefix("'''\n"), "task": rest.split("Task: ")[1].split("\n")[0], "previous": "None"}
    texts["choices"] = "A. None" + rest.split("\nA. None", 1)[1]
    assert re.sub(r"\{(\w+)\}", lambda match: texts[match[1]], prompt["question"]) == prompt["demonstration"][0]
    assert CITIES[0] not in prompt["question"]
