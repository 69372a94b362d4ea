"""WebArena's evaluators: what is collected while the sites still stand, and the verdict, which needs no site.

A task is solved when all of its evaluators say so. `collect` runs at the end of an episode and keeps where the agent
ended and which required contents the pages hold; `verdict` is a pure function of a task and these.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from agentflan.benchmarks._browser import PageFailed, Visit
from agentflan.benchmarks._web_hosts import Hosts, fill_public
from agentflan.benchmarks._webarena_functions import call, parse_call

NOT_ACHIEVABLE = "N/A"
_OR = " |OR| "
_KEPT = 500  # characters of what was found on a page

Task = dict[str, Any]
Evidence = dict[str, Any]


class Question(NamedTuple):
    """Something only a judge can tell: whether a statement says what a reference says, asked about an intent."""

    statement: str
    reference: str
    intent: str


def unknown_functions(task: Task) -> Iterator[tuple[str, str]]:
    """Field and text of each target of a task that cannot be evaluated."""
    if "program_html" in task["eval"]["eval_types"]:
        for number, target in enumerate(task["eval"]["program_html"]):
            url, locator = target["url"], target["locator"].strip()
            if url.startswith("func:") and not parse_call(url):
                yield f"eval.program_html[{number}].url", url
            if locator and not locator.startswith("document.") and not parse_call(locator):
                yield f"eval.program_html[{number}].locator", locator


def collect(task: Task, visit: Visit, hosts: Hosts) -> Evidence:
    """Where the agent ended, and for each target of the task what was found and which requirements it meets."""
    evidence: Evidence = {"url": hosts.to_public(visit.url), "pages": []}
    if "program_html" in task["eval"]["eval_types"]:
        evidence["pages"] = [_look(target, visit, hosts) for target in task["eval"]["program_html"]]
    return evidence


def verdict(task: Task, answer: str, evidence: Evidence) -> bool:
    """Whether all evaluators but the judge hold the task to be solved."""
    evaluation, checks = task["eval"], []
    if "string_match" in evaluation["eval_types"]:
        checks.append(_says(answer, evaluation["reference_answers"]))
    if "url_match" in evaluation["eval_types"]:
        checks.append(url_matches(evidence["url"], evaluation))
    if "program_html" in evaluation["eval_types"]:
        checks.append(all(all(page["met"]) for page in evidence["pages"]))
    return all(checks)


def questions(task: Task, answer: str) -> list[Question]:
    """What a judge must say yes to, beside `verdict`."""
    evaluation = task["eval"]
    references = (evaluation["reference_answers"] or {}).get("fuzzy_match", [])
    if "string_match" not in evaluation["eval_types"]:
        return []
    if references == NOT_ACHIEVABLE:
        unneeded = clean(answer) == clean(NOT_ACHIEVABLE)
        references = [] if unneeded else [evaluation.get("string_note", "")]
    return [Question(clean(answer), reference, task["intent"]) for reference in references]


def needs_judge(task: Task) -> bool:
    """Whether a task cannot be scored without a judge."""
    evaluation = task["eval"]
    return "string_match" in evaluation["eval_types"] and "fuzzy_match" in evaluation["reference_answers"]


def url_matches(url: str, evaluation: dict[str, Any]) -> bool:
    """Whether an address is one of those to reach, or holds one, by the task's rule."""
    wanted = [fill_public(each).removesuffix("/") for each in evaluation["reference_url"].split(_OR)]
    found = url.removesuffix("/")
    if evaluation.get("url_note", "EXACT") == "EXACT":
        return found in wanted
    return any(each in found for each in wanted)


def clean(answer: str) -> str:
    """An answer without one pair of quotes around it, in small letters."""
    for quote in ("'", '"'):
        if answer.startswith(quote) and answer.endswith(quote):
            return answer[1:-1].lower()
    return answer.lower()


def _says(answer: str, references: dict[str, Any]) -> bool:
    """Whether an answer is the exact one, and holds all texts that it must include."""
    said = clean(answer)
    exact = "exact_match" not in references or said == clean(references["exact_match"])
    return exact and all(clean(text) in said for text in references.get("must_include", ()))


def _look(target: dict[str, Any], visit: Visit, hosts: Hosts) -> Evidence:
    """Go to the page of a target, take what its locator shows, and check it."""
    url = fill_public(target["url"])
    function = parse_call(url)
    if function:
        url = call(function, visit, hosts)
    try:
        if url != "last":
            visit.open(hosts.to_real(url))
        text = hosts.to_public(_take(target["locator"].strip(), visit, hosts))
    except PageFailed:  # a page that is not there shows nothing
        text = ""
    return {"url": url, "met": list(_met(text, target["required_contents"])), "text": text[:_KEPT]}


def _take(locator: str, visit: Visit, hosts: Hosts) -> str:
    """The whole page, or what an expression or a function shows of it."""
    if not locator:
        return visit.content()
    function = parse_call(locator)
    if function:
        return call(function, visit, hosts)
    return str(visit.evaluate(f"() => {locator}") or "")


def _met(text: str, required: str | dict[str, Any]) -> Iterator[bool]:
    """Which requirements a text meets; each is met by any of its alternatives."""
    found = text.strip().lower()
    if isinstance(required, str):
        required = {"must_include": [required]}
    for texts in required.get("must_include", ()):
        yield any(fill_public(each).strip().lower() in found for each in texts.split(_OR))
    if "exact_match" in required:
        yield any(fill_public(each).strip().lower() == found for each in required["exact_match"].split(_OR))
