"""WebArena's task configurations: all 812 real ones, and what is wrong with broken ones."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agentflan import datasets
from agentflan.benchmarks import webarena
from agentflan.benchmarks._protocol import complete_settings
from agentflan.benchmarks._webarena_evaluators import needs_judge
from agentflan.datasets._webarena import oddities, read_tasks
from agentflan.errors import FileError, RecordError

TASK: dict[str, Any] = {
    "sites": ["shopping"],
    "task_id": 7,
    "require_login": True,
    "storage_state": "./.auth/shopping_state.json",
    "start_url": "__SHOPPING__",
    "geolocation": None,
    "intent_template": "Find it",
    "instantiation_dict": {},
    "intent": "Find it",
    "require_reset": False,
    "intent_template_id": 1,
    "eval": {
        "eval_types": ["string_match", "url_match", "program_html"],
        "reference_answers": {"exact_match": "red"},
        "reference_url": "__SHOPPING__/red",
        "url_note": "EXACT",
        "program_html": [{"url": "last", "locator": "", "required_contents": "red"}],
    },
}


@pytest.fixture(scope="module")
def real(shared_data: Path) -> list[dict[str, Any]]:
    return list(datasets.load("webarena").read(shared_data / "webarena"))


def test_all_real_tasks_are_read(real: list[dict[str, Any]]) -> None:
    kinds = Counter("+".join(sorted(task["eval"]["eval_types"])) for task in real)
    sites = Counter(" ".join(task["sites"]) if len(task["sites"]) == 1 else "several" for task in real)

    assert len({task["id"] for task in real}) == len(real) == 812
    assert len({task["intent_template_id"] for task in real}) == 190
    assert kinds == {
        "string_match": 322,
        "program_html": 283,
        "program_html+url_match": 129,
        "url_match": 68,
        "string_match+url_match": 10,
    }
    assert sites == {
        "shopping": 187,
        "shopping_admin": 182,
        "gitlab": 180,
        "map": 109,
        "reddit": 106,
        "several": 48,
    }


def test_the_references_of_all_real_answers_are_known(real: list[dict[str, Any]]) -> None:
    answers = [task["eval"]["reference_answers"] for task in real if "string_match" in task["eval"]["eval_types"]]

    assert Counter("+".join(sorted(answer)) for answer in answers) == {
        "must_include": 168,
        "exact_match": 87,
        "fuzzy_match": 73,
        "fuzzy_match+must_include": 4,
    }
    assert sum(map(needs_judge, real)) == 77


def test_every_function_that_a_real_task_calls_is_known(shared_data: Path) -> None:
    tasks = webarena.read_tasks(shared_data / "webarena", complete_settings(webarena, {}))

    assert len(tasks) == 812
    assert tasks[0]["needs"]["accounts"] == ["gitlab", "reddit", "shopping", "shopping_admin"]


def test_real_tasks_that_cannot_be_scored_as_they_read_are_told(real: list[dict[str, Any]]) -> None:
    assert {task["id"] for task in real if oddities(task)} == {"247", "301", "302", "369"}


def changed(path: str, value: Any) -> dict[str, Any]:
    task = copy.deepcopy(TASK)
    *keys, last = path.split(".")
    part: Any = task
    for key in keys:
        part = part[int(key) if key.isdecimal() else key]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return task


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sites", ["amazon"], r"field sites: found \['amazon'\]; expected names among shopping"),
        ("task_id", "7", "field task_id: found '7'; expected an integer"),
        ("intent", " ", "field intent: found ' '; expected the task in words"),
        ("start_url", None, "field start_url: found nothing; expected an address"),
        ("start_url", "__SHOP__", "found the placeholder __SHOP__; expected one of shopping"),
        ("eval.eval_types", ["html"], r"field eval\.eval_types: found \['html'\]; expected some of string_match"),
        ("eval.reference_answers", {}, r"field eval\.reference_answers: found {}; expected an object with exact_match"),
        ("eval.reference_answers", {"must_include": "red"}, r"eval\.reference_answers\.must_include: found 'red'"),
        ("eval.reference_url", "", r"field eval\.reference_url: found ''; expected an address"),
        ("eval.url_note", "NEAR", "found 'NEAR'; expected EXACT or GOLD in PRED"),
        ("eval.program_html", {}, r"field eval\.program_html: found {}; expected objects with url"),
        ("eval.program_html.0.url", "", r"field eval\.program_html\[0\]\.url: found ''"),
        ("eval.program_html.0.required_contents", {"any": []}, r"program_html\[0\]\.required_contents: found"),
    ],
)
def test_a_broken_task_is_named(tmp_path: Path, path: str, value: Any, message: str) -> None:
    file = tmp_path / "test.raw.json"
    file.write_text(json.dumps([TASK | {"task_id": 1}, changed(path, value)]))

    with pytest.raises(RecordError, match=message) as caught:
        list(datasets.load("webarena").read(tmp_path))
    assert str(caught.value).startswith(f"{file}: record 2 (task ")


def test_a_number_stands_once(tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps([TASK, TASK]))

    with pytest.raises(RecordError, match="field task_id: found 7 again"):
        list(read_tasks(tmp_path / "tasks.json"))


def test_a_folder_without_tasks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no config_files/test\.raw\.json"):
        datasets.load("webarena").read(tmp_path)


def test_a_function_that_is_not_known_is_refused(tmp_path: Path) -> None:
    target = {"url": "func:os.system('x')", "locator": "", "required_contents": "red"}
    (tmp_path / "test.raw.json").write_text(json.dumps([changed("eval.program_html", [target])]))

    with pytest.raises(RecordError, match=r"task 7, field eval\.program_html\[0\]\.url: found .*os\.system"):
        webarena.read_tasks(tmp_path, complete_settings(webarena, {}))
