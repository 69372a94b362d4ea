"""T-Eval's metrics, one function a metric, with upstream's quirks kept where they move numbers.

Source: open-compass/T-Eval, evaluators at a277fee (v1) and 58f2240 (v2); they differ where `version` is asked for.
Every function gives 0–1.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

from agentflan.benchmarks._encoder import Collector, Encoder

FINISH = "FinishAction"
_NAME_WEIGHT, _ARGS_WEIGHT = 0.75, 0.25
_PLAN_THRESHOLD = {"v1": 0.7, "v2": 0.8}
DELIMITERS = ("thought_start", "thought_end", "action_start", "action_end", "args_start", "args_end")
_TOOL_LIKE = re.compile(r"\w+\.\w+|FinishAction")
_CUTS = ("<eoa>", "<TOKENS_UNUSED_1>", "<|im_end|>", "\nuser", "\nassistant", "\nUSER", "[INST]", "<|user|>")


def clean(reply: str) -> str:
    """The reply up to the first sign of another turn, without a fence around it (v2's post-processing)."""
    for cut in _CUTS:
        reply = reply.split(cut)[0]
    return reply.strip().removeprefix("```json").strip("`").strip()


def parse_literal(text: Any, brackets: str = "") -> Any:
    """A Python or JSON literal in a reply; what is not text is returned as it is.

    Args:
        text: the reply.
        brackets: opening and closing bracket; the text is first cut to the stretch between them.

    Raises:
        ValueError: nothing could be read.
    """
    if not isinstance(text, str):
        return text
    if "```json" in text:
        text = text.split("```json", 1)[1].strip("`")
    if brackets:
        text = text[max(text.find(brackets[0]), 0) :]
        text = text[: text.rfind(brackets[1]) + 1]
    for read in (ast.literal_eval, json.loads, lambda raw: json.loads(raw.replace("'", '"'))):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    raise ValueError(f"no literal in {text[:60]!r}")


def instruct(reply: str, template: dict[str, str], gold: dict[str, Any], is_json: bool) -> dict[str, float]:
    """Whether the format was kept, and the share of action and arguments that are right."""
    found = _instruct_json(reply, template) if is_json else _instruct_string(reply, template)
    if found is None:
        return {"format": 0.0, "args": 0.0}
    action, args = found
    hits = (action == gold["action"]) + sum(args.get(key, "") == value for key, value in gold["args"].items())
    return {"format": 1.0, "args": hits / (len(gold["args"]) + 1)}


def plan_of_json(reply: Any) -> list[dict[str, Any]]:
    """The steps of a plan in JSON; none if a single one is malformed."""
    try:
        steps = parse_literal(reply, "[]")
        return [{"id": int(step["id"]), "name": str(step["name"]), "args": str(step["args"])} for step in steps]
    except (ValueError, TypeError, KeyError, OverflowError):
        return []


def plan_of_text(reply: str, tools: Sequence[str]) -> list[dict[str, Any]]:
    """The steps of a plan in words: pieces that name a tool; the first one named counts."""
    steps = []
    for piece in reply.replace(". ", "\n").split("\n"):
        places = [(piece.find(tool), order, tool) for order, tool in enumerate(tools) if tool in piece]
        if places:
            steps.append({"id": len(steps), "name": min(places)[2], "args": piece})
    return steps


def plan_f1(
    found: list[dict[str, Any]], gold: list[dict[str, Any]], encoder: Encoder | Collector, version: str
) -> float:
    """F1 of matched steps: similar enough, matched at the highest total similarity, in the right order."""
    found, gold = _without_finish(found), _without_finish(gold)
    if not found or not gold:
        return 0.0
    matched = _longest_increasing(_match(found, gold, encoder, _PLAN_THRESHOLD[version]))
    precision, recall = matched / len(found), matched / len(gold)
    return 2 * precision * recall / (precision + recall)


def step_of_json(reply: Any) -> dict[str, Any] | None:
    """Thought, name and args of a step in JSON; a missing key is empty. None if it is no object."""
    try:
        step = parse_literal(reply, "{}")
    except ValueError:
        return None
    if not isinstance(step, dict) or not step:
        return None
    args = step.get("args")
    name, thought = (str(step.get(key, "")) for key in ("name", "thought"))
    return {"thought": thought, "name": name, "args": args if isinstance(args, dict) else {}}


def retrieve_text(reply: str, gold: str) -> float:
    """1 if the gold tool is named and nothing else that looks like a tool (3.5 or a web address do)."""
    return float(gold in reply and all(name == gold for name in _TOOL_LIKE.findall(reply)))


def understand(found: Any, gold: Any, encoder: Encoder | Collector, version: str) -> float:
    """Right arguments: in v1 the similarity of their texts, in v2 the share of equal ones (or equality)."""
    if version == "v1":
        return encoder.similarity(str(found), str(gold))
    if not isinstance(gold, dict):
        return float(str(gold) == str(found).strip("'").strip('"'))
    if not gold:
        return float(not found)
    hits = sum(key in found and str(found[key]) == str(value) for key, value in gold.items())
    return hits / (len(gold) + 1e-5)


def review(reply: str, gold: str) -> float:
    """1 if the letter after the first colon (of the whole text without one) is the gold letter."""
    letter = reply[reply.find(":") + 1 :].strip()[:1]
    return float(letter in tuple("ABCDE") and letter == gold)


def _instruct_json(reply: str, template: dict[str, str]) -> tuple[Any, dict[str, Any]] | None:
    try:
        found = parse_literal(reply)
        _, action, args = (found[template[key]] for key in ("thought", "action", "args"))
    except (ValueError, TypeError, KeyError):
        return None
    return action, args if isinstance(args, dict) else {}


def _instruct_string(reply: str, template: dict[str, str]) -> tuple[str, dict[str, Any]] | None:
    start_thought, end_thought, start_action, end_action, start_args, end_args = (template[key] for key in DELIMITERS)
    pattern = f"{start_thought}(.*){end_thought}{start_action}(.*){end_action}{start_args}(.*){end_args}"
    try:
        match = re.search(pattern, reply, re.DOTALL)  # upstream does not escape the delimiters
    except re.error:
        return None
    if match is None:
        return None
    try:
        args = ast.literal_eval(match[3].strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        args = {}
    return match[2].strip(), args if isinstance(args, dict) else {}


def _without_finish(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ordered = sorted(plan, key=lambda step: step["id"])
    return ordered[:-1] if ordered and ordered[-1]["name"] == FINISH else ordered


def _match(
    found: list[dict[str, Any]], gold: list[dict[str, Any]], encoder: Encoder | Collector, threshold: float
) -> list[int]:
    """For each step found, the gold step that it is matched with, or -1."""
    import networkx

    graph = networkx.Graph()
    for i, step in enumerate(found):
        for j, wanted in enumerate(gold):
            same_name, same_args = (encoder.similarity(step[key], wanted[key]) for key in ("name", "args"))
            weight = _NAME_WEIGHT * same_name + _ARGS_WEIGHT * same_args
            if weight > threshold:
                graph.add_edge(("found", i), ("gold", j), weight=weight)
    matched = [-1] * len(found)
    for pair in networkx.max_weight_matching(graph):
        sides = dict(pair)
        matched[sides["found"]] = sides["gold"]
    return matched


def _longest_increasing(matched: list[int]) -> int:
    """Length of the longest increasing subsequence without -1; at least 1, because upstream starts every step at 1."""
    lengths = [1] * len(matched)
    for i, right in enumerate(matched):
        for j, left in enumerate(matched[:i]):
            if -1 < left < right:
                lengths[i] = max(lengths[i], lengths[j] + 1)
    return max(lengths)
