"""The actions of a browser agent: WebArena's grammar over the ids of the accessibility tree.

A reply's action is the first text between two ``` on one line. Which forms are taken is upstream's: brackets may stand
apart by one space, `type` presses Enter unless it ends in [0], `stop` may have no answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FORMS = (
    "click [id]",
    "type [id] [text] [1 or 0: Enter or not]",
    "hover [id]",
    "press [keys]",
    "scroll [up or down]",
    "goto [url]",
    "go_back",
    "go_forward",
    "new_tab",
    "tab_focus [number]",
    "close_tab",
    "stop [answer]",
)
ELEMENT_ACTIONS = ("click", "hover", "type")

_FENCED = re.compile(r"```(.*?)```")
_ARGUMENTS = {
    "click": re.compile(r"click ?\[(\d{1,9})\]"),
    "hover": re.compile(r"hover ?\[(\d{1,9})\]"),
    "type": re.compile(r"type ?\[(\d{1,9})\] ?\[(.+)\] ?\[(\d{1,9})\]"),
    "press": re.compile(r"press ?\[(.+)\]"),
    "scroll": re.compile(r"scroll ?\[?(up|down)\]?"),
    "goto": re.compile(r"goto ?\[(.+)\]"),
    "tab_focus": re.compile(r"tab_focus ?\[(\d{1,9})\]"),
}
_BARE = ("new_tab", "close_tab", "go_back", "go_forward")
_ANSWER = re.compile(r"stop ?\[(.+)\]")


class NoAction(ValueError):
    """A reply holds no action of the grammar."""


@dataclass(frozen=True)
class Action:
    """What the agent does.

    Attributes:
        verb: click, hover, type, press, scroll, goto, new_tab, tab_focus, close_tab, go_back, go_forward or stop.
        element: id of an element of the observation; 0 where the verb needs none.
        text: what is typed, the keys, the direction, the address, the number of the tab, or the answer.
        enter: whether Enter is pressed behind what is typed.
    """

    verb: str
    element: int = 0
    text: str = ""
    enter: bool = False

    def __str__(self) -> str:
        if self.verb == "type":
            return f"type [{self.element}] [{self.text}] [{int(self.enter)}]"
        if self.verb in ELEMENT_ACTIONS:
            return f"{self.verb} [{self.element}]"
        return self.verb if self.verb in _BARE else f"{self.verb} [{self.text}]"


def fenced(reply: str) -> str:
    """The action's text in a reply.

    Raises:
        NoAction: there is none.
    """
    match = _FENCED.search(reply)
    if not match:
        raise NoAction("no text between ``` and ``` on one line")
    return match[1].strip()


def parse_action(text: str) -> Action:
    """An action from its text.

    Raises:
        NoAction: no such verb, or not its arguments.
    """
    verb = text.split("[", 1)[0].strip() if "[" in text else text.partition(" ")[0]
    if verb in _BARE:
        return Action(verb)
    if verb == "stop":
        match = _ANSWER.search(text)
        return Action("stop", text=match[1] if match else "")
    if verb not in _ARGUMENTS:
        raise NoAction(f"no such action: {text[:80]!r}")
    if verb == "type" and not text.endswith(("[0]", "[1]")):
        text += " [1]"
    match = _ARGUMENTS[verb].search(text)
    if not match:
        raise NoAction(f"not the arguments of {verb}: {text[:80]!r}")
    if verb == "type":
        return Action("type", int(match[1]), match[2], match[3] == "1")
    if verb in ELEMENT_ACTIONS:
        return Action(verb, int(match[1]))
    return Action(verb, text=match[1])
