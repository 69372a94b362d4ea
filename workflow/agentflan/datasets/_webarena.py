"""WebArena's task configurations: one JSON array, each field of each task checked before anything is played.

Both copies that are around are read: AgentTuning's frozen one, and upstream's later one, where the contents that a page
must have are an object and an unachievable task is marked by the fuzzy match "N/A".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._records import records
from agentflan.errors import RecordError

SITES = ("shopping", "shopping_admin", "reddit", "gitlab", "map", "wikipedia", "homepage")
KINDS = ("string_match", "url_match", "program_html")
URL_RULES = ("EXACT", "GOLD in PRED")
UNREACHABLE = "NA"  # what stands for the address of a page that does not exist

_PLACEHOLDER = re.compile(r"__([A-Z_]+?)__")
_Check = Callable[[Any], bool]


def read_tasks(path: Path) -> Iterator[dict[str, Any]]:
    """The tasks, as they stand in the file, with the string "id".

    Raises:
        FileError: the file is missing or damaged, or is no list of tasks.
        RecordError: a field has another form than the evaluators know; file, task and field are named.
    """
    seen: dict[int, int] = {}  # task → its number in the file
    for _, number, task in records([path], object):
        for field, found, expected in problems(task):
            name = task.get("task_id", "no task_id") if isinstance(task, dict) else "no object"
            raise RecordError(path, f"{number} (task {name})", field, found, expected)
        if task["task_id"] in seen:
            found = f"{task['task_id']} again, which record {seen[task['task_id']]} has"
            raise RecordError(path, number, "task_id", found, "every number once")
        seen[task["task_id"]] = number
        yield {**task, "id": str(task["task_id"])}


def problems(task: Any) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a task: field, what was found, what was expected."""
    if not isinstance(task, dict):
        yield "", f"a JSON {type(task).__name__}", "an object"
        return
    yield from _check(task, "", _FIELDS)
    if isinstance(task.get("eval"), dict):
        yield from _evaluation_problems(task["eval"])
    for name in sorted(set(_PLACEHOLDER.findall(str(task))) - {site.upper() for site in SITES}):
        yield "", f"the placeholder __{name}__", f"one of {', '.join(SITES)}"


def oddities(task: dict[str, Any]) -> list[str]:
    """What is strange about a task that is well-formed: as it stands it cannot be solved, or says what is not used."""
    found, evaluation = [], task["eval"]
    if "url_match" in evaluation["eval_types"] and evaluation["reference_url"] == UNREACHABLE:
        found.append("its address to reach is NA, which no page has: it always scores 0")
    if "program_html" in evaluation["eval_types"] and not evaluation["program_html"]:
        found.append("contents of pages are to be checked but none is given: this evaluator always agrees")
    if evaluation.get("reference_url") and "url_match" not in evaluation["eval_types"]:
        found.append("an address to reach is given but not checked")
    if evaluation.get("program_html") and "program_html" not in evaluation["eval_types"]:
        found.append("contents of pages are given but not checked")
    return found


def _is(*kinds: type) -> _Check:
    return lambda value: isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


_FIELDS: dict[str, tuple[_Check, str]] = {
    "task_id": (_is(int), "an integer"),
    "sites": (lambda value: _is_texts(value) and set(value) <= set(SITES), f"names among {', '.join(SITES)}"),
    "intent": (lambda value: isinstance(value, str) and bool(value.strip()), "the task in words"),
    "intent_template": (_is(str), "a string"),
    "intent_template_id": (_is(int), "an integer"),
    "instantiation_dict": (_is(dict), "an object"),
    "start_url": (lambda value: isinstance(value, str) and bool(value), "an address"),
    "storage_state": (_is(str, type(None)), "a string or null"),
    "geolocation": (_is(dict, type(None)), "an object or null"),
    "require_login": (_is(bool), "true or false"),
    "require_reset": (_is(bool), "true or false"),
    "eval": (_is(dict), "an object"),
}
_CONTENTS: dict[str, tuple[_Check, str]] = {"exact_match": (_is(str), "a string"), "must_include": (_is_texts, "texts")}
_ANSWERS = _CONTENTS | {"fuzzy_match": (lambda value: value == "N/A" or _is_texts(value), "texts or N/A")}
_TARGET: dict[str, tuple[_Check, str]] = {
    "url": (lambda value: isinstance(value, str) and bool(value), "an address, last or func:…"),
    "locator": (_is(str), "empty, document.… or func:…"),
    "required_contents": (_is(str, dict), "a text or an object"),
}


def _check(row: dict[str, Any], prefix: str, fields: dict[str, tuple[_Check, str]]) -> Iterator[tuple[str, str, str]]:
    for field, (good, expected) in fields.items():
        if field not in row:
            yield f"{prefix}{field}", "nothing", expected
        elif not good(row[field]):
            yield f"{prefix}{field}", repr(row[field])[:80], expected


def _evaluation_problems(evaluation: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    kinds = evaluation.get("eval_types")
    if not _is_texts(kinds) or not set(kinds) <= set(KINDS):
        yield "eval.eval_types", repr(kinds), f"some of {', '.join(KINDS)}"
        return
    if "string_match" in kinds:
        yield from _closed(evaluation.get("reference_answers"), "eval.reference_answers", _ANSWERS)
    if "url_match" in kinds:
        if not isinstance(evaluation.get("reference_url"), str) or not evaluation["reference_url"]:
            yield "eval.reference_url", repr(evaluation.get("reference_url")), "an address"
        if evaluation.get("url_note", "EXACT") not in URL_RULES:
            yield "eval.url_note", repr(evaluation["url_note"]), " or ".join(URL_RULES)
    if "program_html" in kinds:
        targets = evaluation.get("program_html")
        if not isinstance(targets, list) or not all(isinstance(target, dict) for target in targets):
            yield "eval.program_html", repr(targets)[:80], "objects with url, locator and required_contents"
            return
        for number, target in enumerate(targets):
            yield from _check(target, f"eval.program_html[{number}].", _TARGET)
            if isinstance(target.get("required_contents"), dict):
                place = f"eval.program_html[{number}].required_contents"
                yield from _closed(target["required_contents"], place, _CONTENTS)


def _closed(value: Any, place: str, fields: dict[str, tuple[_Check, str]]) -> Iterator[tuple[str, str, str]]:
    """Problems of an object that has some of the fields and no others."""
    if not isinstance(value, dict) or not value or not set(value) <= set(fields):
        yield place, repr(value)[:80], f"an object with {', '.join(fields)}"
        return
    yield from _check(value, f"{place}.", {field: fields[field] for field in value})
