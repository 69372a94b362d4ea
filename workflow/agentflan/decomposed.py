"""Dialogues taken apart by the capability that each turn trains (paper §4.2), and the forms mixed with them.

A capability's file holds the dialogues with loss on that capability's turns alone, so that the mixture can weigh the
capabilities. The chain-of-thought form says thought and call in one turn (the release's ``tflan_cot`` file).
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

from agentflan.calls import BLOCKS, Pieces, fixed
from agentflan.chat import read_dialogue
from agentflan.elicit import to_json_text
from agentflan.randomness import unit
from agentflan.records import CONVERSATION, REASONING, RETRIEVAL, UNDERSTANDING, Span, Step, Trajectory, Turn, turn_of
from agentflan.tools import FINAL_ACTIONS

DECOMPOSED = (REASONING, RETRIEVAL, UNDERSTANDING)
FINAL_ARGUMENTS = ("final_answer", "answer")
ANNOUNCEMENTS = (("My next tool is ", "."), ("Now I run ", "."), ("The tool for this is ", "."))  # around its name


def keep_capability(dialogue: Trajectory, capability: str) -> Trajectory | None:
    """The dialogue with loss on one capability's turns, cut after the last of them, which changes no gradient.

    Returns:
        None if no turn trains the capability.
    """
    trained = [bool(turn.loss and turn.spans and turn.spans[0].capability == capability) for turn in dialogue.turns]
    if not any(trained):
        return None
    end = len(trained) - trained[::-1].index(True)
    turns = zip(dialogue.turns[:end], trained[:end], strict=True)
    return dialogue.with_turns(turn if keep or not turn.loss else _context(turn) for turn, keep in turns)


def to_cot(dialogue: Trajectory) -> Trajectory:
    """The dialogue with each step as one turn: thought, the tool announced in plain words, the call in a fenced block.

    The block's kind is picked by the id. A final answer is said plainly, without a call.
    """
    parts = list(read_dialogue(dialogue))
    choice = int(unit("cot", dialogue.id) * len(BLOCKS) * len(ANNOUNCEMENTS))
    turns = (
        turn_of("assistant", _say_step(part, choice, last=index + 1 == len(parts))) if isinstance(part, Step) else part
        for index, part in enumerate(parts)
    )
    return replace(dialogue, turns=tuple(turns), stream="cot")


def to_general(conversation: Trajectory) -> Trajectory:
    """Ordinary conversation: every assistant turn with loss trains conversation."""
    return replace(conversation, turns=tuple(map(_as_conversation, conversation.turns)), stream="general")


def _context(turn: Turn) -> Turn:
    return Turn(turn.role, turn.content)


def _as_conversation(turn: Turn) -> Turn:
    return replace(turn, spans=(Span(len(turn.content), CONVERSATION, False),)) if turn.loss and turn.content else turn


def _say_step(step: Step, choice: int, last: bool) -> Pieces:
    thought = [(step.thought, REASONING, False)] if step.thought else []
    if last and step.action in FINAL_ACTIONS and (said := _final_answer(step)):
        return _joined(thought, "\n", [(said, UNDERSTANDING, False)])
    if not step.action:
        return _joined(thought, "\n", _plain_arguments(step))
    block, announcement = divmod(choice, len(ANNOUNCEMENTS))
    before, after = ANNOUNCEMENTS[announcement]
    announced = [fixed(before), (step.action, RETRIEVAL, False), fixed(f"{after}\n")]
    return _joined(thought, " ", [*announced, *BLOCKS[block](step.action, step.arguments)])


def _joined(first: Pieces, separator: str, second: Pieces) -> Pieces:
    return [*first, fixed(separator), *second] if first and second else [*first, *second]


def _final_answer(step: Step) -> str:
    named = [step.arguments[name] for name in FINAL_ARGUMENTS if name in step.arguments]
    return _plain(next(iter(named or step.arguments.values()), ""))


def _plain_arguments(step: Step) -> Pieces:
    """An answer that calls nothing, one line a value: ``element: A``."""
    lines = [[fixed(f"{name}: "), (_plain(value), UNDERSTANDING, False)] for name, value in step.arguments.items()]
    return reduce(lambda above, line: _joined(above, "\n", line), lines, [])


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else to_json_text(value)
