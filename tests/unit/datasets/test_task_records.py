"""What the shapes of task records accept, and how they say what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentflan import datasets
from agentflan.datasets._records import maybe, problems, read_prompt, records
from agentflan.errors import FileError, RecordError
from agentflan.files import write_json, write_jsonl

SHAPE = {
    "id": str,
    "count": int,
    "price": float,
    "kind": {"a", "b"},
    "done?": bool,
    "note?": str | None,
    "pages": [(str, [str])],
    "names": {str: {"x": object}},
    "either": lambda value: [str] if isinstance(value, list) else str,
    "table?": maybe({"rows": list}),
}
ROW = {
    "id": "one",
    "count": 3,
    "price": 2,
    "kind": "a",
    "note": None,
    "pages": [["t", ["s", "s"]]],
    "names": {"n?": {"x": None}},
    "either": ["x"],
    "table": None,
    "more": 1,
}


def test_a_record_of_the_shape_has_no_problems() -> None:
    assert not list(problems(ROW, SHAPE))
    assert not list(problems(ROW | {"either": "x", "done": True, "price": 2.5, "table": {"rows": []}}, SHAPE))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": 3}, ("id", "3", "a string")),
        ({"id": {"x": "\ud800"}}, ("id", r"{'x': '\ud800'}", "a string")),
        ({"count": True}, ("count", "True", "an integer")),
        ({"count": 2.0}, ("count", "2.0", "an integer")),
        ({"price": "2"}, ("price", "'2'", "a number")),
        ({"kind": "c"}, ("kind", "'c'", "one of 'a', 'b'")),
        ({"kind": ["a"]}, ("kind", "['a']", "one of 'a', 'b'")),
        ({"done": None}, ("done", "null", "true or false")),
        ({"note": 1}, ("note", "1", "a string or null")),
        ({"pages": {}}, ("pages", "{}", "a list")),
        ({"pages": [["t"]]}, ("pages[0]", "['t']", "a list of a string and a list")),
        ({"pages": [["t", ["s", 4]]]}, ("pages[0][1][1]", "4", "a string")),
        ({"names": {"n": {}}}, ("names.n.x", "nothing", "a value")),
        ({"names": {"n": 1}}, ("names.n", "1", "an object with x")),
        ({"either": [1]}, ("either[0]", "1", "a string")),
        ({"table": {"rows": 1}}, ("table.rows", "1", "a list")),
        ({"id": "\ud800"}, ("id", r"half of a surrogate pair in '\ud800'", "text")),
        (
            {"names": {"n": {"x": [{"y": "é\udc00"}]}}},
            ("names.n.x[0].y", r"half of a surrogate pair in 'é\udc00'", "text"),
        ),
        ({"names": {"\ud800": {"x": 1}}}, ("names of names[0]", r"half of a surrogate pair in '\ud800'", "text")),
    ],
)
def test_a_value_of_another_shape_is_named(change: dict[str, Any], problem: tuple[str, str, str]) -> None:
    assert list(problems(ROW | change, SHAPE)) == [problem]


def test_a_missing_field_is_named() -> None:
    row = {key: value for key, value in ROW.items() if key not in ("count", "either")}

    found = [("count", "nothing", "an integer"), ("either", "nothing", "a string")]
    assert list(problems(row, SHAPE)) == found
    assert next(problems(3, SHAPE))[:2] == ("", "3")


def test_records_are_named_by_number_and_id(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"id": "a", "x": 1}, {"id": "b", "x": "1"}])

    with pytest.raises(RecordError, match=r"rows\.jsonl: record 2 \(b\), field x: found '1'; expected an integer"):
        list(records([path], {"id": str, "x": int}, ("id",)))


def test_an_id_that_stands_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "easy.jsonl", [{"id": "a"}, {"id": "b"}])
    write_json(tmp_path / "hard.json", [{"id": "c"}, {"id": "b"}])
    paths = [tmp_path / "easy.jsonl", tmp_path / "hard.json"]

    with pytest.raises(
        RecordError, match=r"hard\.json: record 2 \(b\), field id: found 'b' again, which record 2 of easy"
    ):
        list(records(paths, {"id": str}, ("id",)))
    assert len(list(records(paths, {"id": str}, ("id",), distinct=False))) == 4


def test_a_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "rows.json", {"id": "a"})
    with pytest.raises(FileError, match=r"rows\.json: found a JSON dict; expected a list of records"):
        list(records([tmp_path / "rows.json"], {"id": str}))


@pytest.mark.parametrize(
    ("written", "match"),
    [
        ([1], r"prompt\.json: record 1: found \[1\]; expected an object"),
        ({"instruction": 3}, "field instruction: found 3; expected a string"),
        ({"instructions": "x"}, "field instructions: found 'x'; expected texts among instruction, demonstration"),
        ({"demonstration": ["x", 3]}, r"field demonstration\[1\]: found 3; expected a string"),
        ({"instruction": "\ud800"}, "field instruction: found half of a surrogate pair"),
    ],
)
def test_texts_of_a_prompt_that_are_none_are_refused(tmp_path: Path, written: Any, match: str) -> None:
    shape = {"instruction": str, "demonstration": [str]}
    assert read_prompt(tmp_path, shape) == {}
    (tmp_path / "prompt.json").write_text(json.dumps(written))

    with pytest.raises(RecordError, match=match):
        read_prompt(tmp_path, shape)


QUESTION = {
    "id": "a",
    "question": "q",
    "answer": "a",
    "type": "bridge",
    "level": "easy",
    "supporting_facts": [["t", 0]],
    "context": [["t", ["s"]]],
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"supporting_facts": None}, "supporting_facts"),
        ({"supporting_facts": ["t"]}, r"supporting_facts\[0\]"),
        ({"supporting_facts": {"titles": []}}, r"supporting_facts\.title"),
        ({"context": ["t"]}, r"context\[0\]"),
        ({"context": [["t", "s"]]}, r"context\[0\]\[1\]"),
        ({"context": {"title": ["t"], "sentences": []}}, "context"),
        ({"question": "\ud800"}, "question"),
    ],
)
def test_a_question_of_hotpotqa_is_checked_to_its_sentences(tmp_path: Path, change: Any, field: str) -> None:
    path = tmp_path / "easy.json"
    path.write_text(json.dumps([QUESTION]))
    assert list(datasets.load("hotpotqa").read(tmp_path)) == [QUESTION]
    path.write_text(json.dumps([QUESTION | change]))

    with pytest.raises(RecordError, match=rf"easy\.json: record 1 \(a\), field {field}: "):
        list(datasets.load("hotpotqa").read(tmp_path))


def test_the_hubs_columns_of_hotpotqa_become_pages(tmp_path: Path) -> None:
    facts, context = {"title": ["t"], "sent_id": [0]}, {"title": ["t"], "sentences": [["s"]]}
    row = {key: value for key, value in QUESTION.items() if key != "id"} | {"_id": "b"}
    write_json(tmp_path / "easy.json", [row | {"supporting_facts": facts, "context": context}])

    (found,) = datasets.load("hotpotqa").read(tmp_path)

    assert (found["id"], found["context"], found["supporting_facts"]) == ("b", [["t", ["s"]]], facts)


@pytest.mark.parametrize("dataset", ["hotpotqa", "glaive"])
def test_numbers_in_place_of_records_are_refused(tmp_path: Path, dataset: str) -> None:
    write_json(tmp_path / "easy.json", [1, 2])
    with pytest.raises(RecordError, match=r"easy\.json: record 1: found 1; expected an object"):
        list(datasets.load(dataset).read(tmp_path))
    write_json(tmp_path / "easy.json", {"rows": []})
    with pytest.raises(FileError, match=r"easy\.json: found a JSON dict; expected a list"):
        list(datasets.load(dataset).read(tmp_path))
