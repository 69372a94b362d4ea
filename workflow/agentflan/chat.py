"""Agent replies as natural dialogue, and back (paper §4.1, Fig. 5).

One reply becomes: the thought, a question for the tool, its name, and for each argument a question and its value. The
questions are user turns, so no loss falls on them. The steps come back from the dialogue's text alone: an answer stands
right after a question, and a turn of the source that looks like a question is changed so that it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from agentflan import elicit
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Span, Step, Trajectory, Turn, turn_of
from agentflan.tools import system_text

Pieces = list[tuple[str, str, bool]]  # text, capability, format
ParseReply = Callable[[str], tuple[Step, Pieces]]


def align(trajectory: Trajectory, parse_reply: ParseReply, seed: int) -> Trajectory:
    """The trajectory in chat form.

    User and assistant turns alternate in it: neighbouring user turns are joined, and where the source has no user turn
    before a reply a short one is put in. Tools given as data are listed in a system turn of our own, which replaces
    the source's, because that describes the source's format.

    Args:
        trajectory: a filtered trajectory; assistant turns without loss pass unchanged.
        parse_reply: the dataset's reading of a reply.
        seed: picks, with the id, the wording of the questions.

    Raises:
        ValueError: a reply cannot be read; the turn is named.
    """
    wording = elicit.choose_wording(seed, trajectory.id)
    turns = [Turn("system", system_text(trajectory.tools))] if trajectory.tools else []
    for index, turn in enumerate(trajectory.turns):
        if turn.role == "user":
            _add_user_turn(turns, turn)
        elif turn.role == "assistant":
            _let_user_speak(turns)
            if turn.loss:
                _add_step(turns, _parse(parse_reply, turn, index)[0], wording)
            else:
                turns.append(turn)
        elif not trajectory.tools:
            turns.append(turn)
    return replace(trajectory, turns=tuple(turns), stream="chat")


def restore(trajectory: Trajectory) -> list[Step]:
    """The steps that `align` was given, from the dialogue's text alone."""
    return [part for part in read_dialogue(trajectory) if isinstance(part, Step)]


def read_dialogue(trajectory: Trajectory) -> Iterator[Turn | Step]:
    """The dialogue with each group of questions and answers put back into its step; other turns as they are."""
    turns, place = trajectory.turns, 0
    while place < len(turns):
        thought = turns[place].content if _is_thought(turns, place) else ""
        question = place + 1 if _is_thought(turns, place) else place
        start = _question_start(turns, question)
        if start is None:
            yield turns[place]
            place += 1
            continue
        if start:
            yield Turn("user", turns[question].content[: start - len(elicit.SEPARATOR)])
        arguments = dict(_read_arguments(turns, question + 2))
        yield Step(thought, elicit.read_tool(turns[question + 1].content), arguments)
        place = question + 2 + 2 * len(arguments)


def react(trajectory: Trajectory, parse_reply: ParseReply, form: str = "") -> Trajectory:
    """The trajectory in its own format, with spans on the trained turns.

    Args:
        trajectory: a filtered trajectory.
        parse_reply: the dataset's.
        form: the format in words, where the dataset's prompts leave it to us; it follows the tools in the system turn,
            which else is as in the chat form: so both forms differ in what is asked for alone.

    Raises:
        ValueError: a reply cannot be read, or its pieces do not join to it.
    """
    turns = [
        _with_spans(turn, _parse(parse_reply, turn, index)[1], index) if turn.loss else turn
        for index, turn in enumerate(trajectory.turns)
    ]
    if form:
        listing = [system_text(trajectory.tools)] if trajectory.tools else []
        body = turns[1:] if turns[0].role == "system" else turns
        turns = [Turn("system", "\n".join([*listing, form])), *body]
    return replace(trajectory, turns=tuple(turns), stream="react")


def _parse(parse_reply: ParseReply, turn: Turn, index: int) -> tuple[Step, Pieces]:
    try:
        return parse_reply(turn.content)
    except ValueError as error:
        raise ValueError(f"turns[{index}]: {error}") from error


def _with_spans(turn: Turn, pieces: Pieces, index: int) -> Turn:
    cut = turn_of("assistant", pieces)
    if cut.content != turn.content:
        raise ValueError(f"turns[{index}]: the pieces of the reply do not join to its text")
    return cut


def _add_user_turn(turns: list[Turn], turn: Turn) -> None:
    content = turn.content
    if turns and turns[-1].role == "user":
        content = turns.pop().content + elicit.SEPARATOR + content
    turns.append(Turn("user", elicit.protect(content)))


def _let_user_speak(turns: list[Turn]) -> None:
    if not turns or turns[-1].role != "user":
        turns.append(Turn("user", elicit.CONTINUE))


def _add_step(turns: list[Turn], step: Step, wording: elicit.Wording) -> None:
    if step.thought:
        turns.append(_answer(step.thought, REASONING))
        turns.append(Turn("user", wording.tool))
    else:
        turns.append(Turn("user", turns.pop().content + elicit.SEPARATOR + wording.tool))
    turns.append(_answer(elicit.write_tool(step.action), RETRIEVAL))
    for name, value in step.arguments.items():
        question, answer = elicit.ask_value(wording, name, value)
        turns.append(Turn("user", question))
        turns.append(_answer(answer, UNDERSTANDING))


def _answer(text: str, capability: str) -> Turn:
    return Turn("assistant", text, True, (Span(len(text), capability, False),))


def _is_thought(turns: tuple[Turn, ...], place: int) -> bool:
    """An assistant turn is a thought when nothing but the question for the tool follows."""
    return turns[place].role == "assistant" and _question_start(turns, place + 1) == 0


def _question_start(turns: tuple[Turn, ...], place: int) -> int | None:
    """Where in a user turn the question for the tool begins; None if the turn asks nothing that is answered."""
    if place + 1 >= len(turns) or turns[place].role != "user":
        return None
    return elicit.tool_question_start(turns[place].content)


def _read_arguments(turns: tuple[Turn, ...], place: int) -> Iterator[tuple[str, Any]]:
    while place + 1 < len(turns):
        argument = elicit.read_value(turns[place].content, turns[place + 1].content)
        if argument is None:
            return
        yield argument
        place += 2
