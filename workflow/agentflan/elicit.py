"""The questions of the chat form, and how answers are written: both can be read back from the text alone (paper §4.1).

A question for the tool ends in "?" and one for an argument in "."; both are short, because every model size reads them.
An argument that is a string is answered with the string itself; any other value, and the empty string, is asked for as
JSON and answered in JSON, so that its type comes back.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from agentflan.randomness import unit

TOOL_QUESTIONS = ("Which tool will you use?", "Which tool do you need?", "Which tool fits here?", "Which tool is next?")
VALUE_VERBS = ("Give", "State", "Write", "Tell me")
SEPARATOR = "\n\n"  # between an observation and a question in one user turn
CONTINUE = "Go on."  # stands where a reply follows no user turn
NO_TOOL = "none"  # answers the question for the tool when a reply calls nothing

_VALUE_QUESTION = re.compile(rf"(?:{'|'.join(VALUE_VERBS)}) the (JSON )?value of (.*)\.", re.DOTALL)
_KNOWN_TOOL_QUESTIONS = frozenset(TOOL_QUESTIONS)


class Wording(NamedTuple):
    """The questions of one dialogue."""

    tool: str
    verb: str


def choose_wording(seed: int, record: str) -> Wording:
    """The wording of a record, fixed by the seed and the record's id."""
    place = int(unit("wording", seed, record) * len(TOOL_QUESTIONS) * len(VALUE_VERBS))
    tool, verb = divmod(place, len(VALUE_VERBS))
    return Wording(TOOL_QUESTIONS[tool], VALUE_VERBS[verb])


def ask_value(wording: Wording, name: str, value: Any) -> tuple[str, str]:
    """The question for an argument and its answer."""
    if isinstance(value, str) and value and _is_unicode(value):
        return f"{wording.verb} the value of {name}.", value
    return f"{wording.verb} the JSON value of {name}.", to_json_text(value)


def to_json_text(value: Any) -> str:
    """JSON in the letters of its language; halves of surrogate pairs, which no file can hold, as escapes."""
    text = json.dumps(value, ensure_ascii=False)
    return text if _is_unicode(text) else json.dumps(value)


def read_value(question: str, answer: str) -> tuple[str, Any] | None:
    """The argument's name and value; None if `question` does not ask for an argument."""
    found = _VALUE_QUESTION.fullmatch(question)
    if not found:
        return None
    return found[2], json.loads(answer) if found[1] else answer


def write_tool(name: str) -> str:
    """The answer that names the tool. A tool whose name would be misread is quoted."""
    if not name:
        return NO_TOOL
    return json.dumps(name) if name == NO_TOOL or name.startswith('"') else name


def read_tool(answer: str) -> str:
    """The inverse of `write_tool`."""
    if answer.startswith('"'):
        return json.loads(answer)
    return "" if answer == NO_TOOL else answer


def tool_question_start(content: str) -> int | None:
    """Where the question for the tool begins in a user turn: 0 if it is all there is; None if there is none."""
    if not content.endswith("?"):
        return None
    _, separator, last = content.rpartition(SEPARATOR)
    if last not in _KNOWN_TOOL_QUESTIONS:
        return None
    return len(content) - len(last) if separator else 0


def protect(content: str) -> str:
    """A user turn of the source, changed by a line end if it could be taken for one of our questions."""
    if tool_question_start(content) is not None or (content.endswith(".") and _VALUE_QUESTION.fullmatch(content)):
        return content + "\n"
    return content


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
