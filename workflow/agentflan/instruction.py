"""Instruction-following pairs: one tool, one requested format, one reply in it (paper §4.1 and App. A).

The user says thought, tool and arguments in words, so only the format is left to learn. Half of the tools ask for JSON
and half for ReAct-like lines; the names of the keys vary on purpose (as in the release's ``instruct_j1s1`` file).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from agentflan.calls import Pieces, fixed, json_arguments, json_object, json_value
from agentflan.chat import read_dialogue
from agentflan.elicit import to_json_text
from agentflan.randomness import generator, unit
from agentflan.records import INSTRUCTION, Step, Trajectory, Turn, turn_of
from agentflan.tools import FINAL_ACTIONS, list_tools

THOUGHT_KEYS = ("thought", "goal", "cot", "reason", "Thought")
TOOL_KEYS = ("Tool", "NAME", "action", "API", "Command", "Action")
ARGUMENT_KEYS = ("Param", "Args", "Arguments", "Parameters", "inputs", "Action Input")


class Keys(NamedTuple):
    """The names a format gives to thought, tool and arguments, and how it is written."""

    thought: str
    tool: str
    arguments: str
    json: bool


class Candidate(NamedTuple):
    """A step that can become a pair. The draw is fixed by the step's own text: equal steps have equal draws."""

    draw: float
    digest: str
    record: str
    index: int
    dataset: str
    step: Step
    tool: dict[str, Any]


def build_pairs(dialogues: Iterable[Trajectory], count: int, seed: int) -> list[Trajectory]:
    """`count` pairs from distinct tool calls, or as many as there are; the same whatever the order of the dialogues.

    Args:
        dialogues: trajectories in chat form.
        count: pairs wanted.
        seed: draws the steps and the names of the keys.
    """
    best: dict[str, Candidate] = {}
    for candidate in _candidates(dialogues, seed):
        known = best.get(candidate.digest)
        if known is None or _origin(candidate) < _origin(known):
            best[candidate.digest] = candidate
        if len(best) > 2 * count + 1000:  # in bounded memory: what falls out here has `count` better ones before it
            best = _lowest(best, count)
    chosen = sorted(_lowest(best, count).values(), key=_origin)
    return [_pair(candidate, choose_keys(candidate.tool["name"], candidate.digest, seed)) for candidate in chosen]


def choose_keys(tool: str, digest: str, seed: int) -> Keys:
    """JSON or lines by the tool's name, half of the names each; the keys by the step."""
    rng = generator("instruction keys", seed, digest)
    names = (rng.choice(THOUGHT_KEYS), rng.choice(TOOL_KEYS), rng.choice(ARGUMENT_KEYS))
    return Keys(*names, json=unit("instruction format", seed, tool) < 0.5)


def format_request(keys: Keys, has_thought: bool) -> str:
    """The format in words a model can follow: a JSON template or lines with placeholders."""
    names = [(keys.thought, "your thought")] * has_thought + [(keys.tool, "tool name")]
    if keys.json:
        members = [f"{to_json_text(name)}: {to_json_text(meaning)}" for name, meaning in names]
        return f"Reply in JSON: {{{', '.join(members)}, {to_json_text(keys.arguments)}: {{arguments}}}}"
    lines = [f"{name}: {meaning}" for name, meaning in names]
    return "\n".join(["Reply in this format:", *lines, f"{keys.arguments}: JSON of the arguments"])


def format_reply(step: Step, keys: Keys) -> Pieces:
    """The reply that the request asks for, all of it instruction following."""
    if keys.json:
        members = [(keys.thought, json_value(step.thought, INSTRUCTION))] if step.thought else []
        members.append((keys.tool, json_value(step.action, INSTRUCTION)))
        return json_object([*members, (keys.arguments, json_arguments(step.arguments, INSTRUCTION))])
    pieces = [fixed(f"{keys.thought}: "), (step.thought, INSTRUCTION, False), fixed("\n")] if step.thought else []
    pieces += [fixed(f"{keys.tool}: "), (step.action, INSTRUCTION, False), fixed(f"\n{keys.arguments}: ")]
    return pieces + json_arguments(step.arguments, INSTRUCTION)


def say_step(step: Step) -> str:
    """The step in words, as the user gives it."""
    arguments = " and ".join(f"{name} as {to_json_text(value)}" for name, value in step.arguments.items())
    call = f"Use {step.action} with {arguments or 'no arguments'}."
    return f"Your thought is: {step.thought}\n{call}" if step.thought else call


def _candidates(dialogues: Iterable[Trajectory], seed: int) -> Iterator[Candidate]:
    for dialogue in dialogues:
        tools = {tool["name"]: tool for tool in dialogue.tools}
        steps = (part for part in read_dialogue(dialogue) if isinstance(part, Step))
        for index, step in enumerate(steps):
            if step.action and step.action not in FINAL_ACTIONS:
                digest = _digest(step)
                tool = tools.get(step.action) or _described(step)
                draw = unit("instruction", seed, digest)
                yield Candidate(draw, digest, dialogue.id, index, dialogue.dataset, step, tool)


def _described(step: Step) -> dict[str, Any]:
    """A description of a tool that the source only names."""
    arguments: dict[str, Any] = {name: {} for name in step.arguments}
    return {"name": step.action, "parameters": {"properties": arguments, "required": list(arguments)}}


def _digest(step: Step) -> str:
    text = to_json_text([step.thought, step.action, step.arguments])
    return hashlib.sha256(text.encode()).hexdigest()


def _origin(candidate: Candidate) -> tuple[str, str, int]:
    return candidate.dataset, candidate.record, candidate.index


def _lowest(candidates: dict[str, Candidate], count: int) -> dict[str, Candidate]:
    return dict(sorted(candidates.items(), key=lambda item: item[1].draw)[:count])


def _pair(candidate: Candidate, keys: Keys) -> Trajectory:
    step = candidate.step
    system = f"You can use this tool:\n{list_tools([candidate.tool])}\n{format_request(keys, bool(step.thought))}"
    turns = (
        Turn("system", system),
        Turn("user", say_step(step)),
        turn_of("assistant", format_reply(step, keys)),
    )
    return Trajectory(f"{candidate.record}.instruction{candidate.index}", candidate.dataset, turns, "instruction")
