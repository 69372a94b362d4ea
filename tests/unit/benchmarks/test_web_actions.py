"""The browser agent's grammar, when it is stopped, and what it is told about its actions."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentflan.benchmarks import _web_agent
from agentflan.benchmarks._accessibility import Element
from agentflan.benchmarks._browser import Observation
from agentflan.benchmarks._web_actions import Action, NoAction, fenced, parse_action
from agentflan.benchmarks._web_agent import DEFAULTS, _describe, _Move, stop_early
from agentflan.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("click [12]", Action("click", 12)),
        ("click[12]", Action("click", 12)),
        ("hover [3]", Action("hover", 3)),
        ("type [7] [red pot] [1]", Action("type", 7, "red pot", True)),
        ("type [7] [red pot] [0]", Action("type", 7, "red pot", False)),
        ("type [7] [red pot]", Action("type", 7, "red pot", True)),  # Enter is the default
        ("type [7] [a] [b] [0]", Action("type", 7, "a] [b", False)),
        ("press [Meta+a]", Action("press", text="Meta+a")),
        ("scroll [down]", Action("scroll", text="down")),
        ("scroll up", Action("scroll", text="up")),
        ("goto [http://reddit.com/f/rain]", Action("goto", text="http://reddit.com/f/rain")),
        ("new_tab", Action("new_tab")),
        ("tab_focus [1]", Action("tab_focus", text="1")),
        ("close_tab", Action("close_tab")),
        ("go_back", Action("go_back")),
        ("go_forward", Action("go_forward")),
        ("stop [12 mm]", Action("stop", text="12 mm")),
        ("stop", Action("stop")),
        ("stop []", Action("stop")),
    ],
)
def test_an_action_is_read_and_written(text: str, action: Action) -> None:
    assert parse_action(text) == action
    assert parse_action(str(action)) == action


@pytest.mark.parametrize(
    "text",
    [
        *("", "click", "click [red]", "clicks [1]", "type [7]", "type [7] [] [1]", "scroll [left]", "goto []"),
        *("drop [1]", f"click [{'9' * 5000}]", "import os", "note [1]"),
    ],
)
def test_what_is_no_action_is_told(text: str) -> None:
    with pytest.raises(NoAction):
        parse_action(text)


def test_the_first_fenced_line_is_the_action() -> None:
    assert fenced("So ```click [1]``` or ```click [2]```") == "click [1]"
    for reply in ("click [1]", "```click [1]", "```\nclick [1]\n```"):
        with pytest.raises(NoAction):
            fenced(reply)


CLICK, OTHER = _Move(Action("click", 1), "page"), _Move(Action("click", 2), "page")
TYPING = _Move(Action("type", 1, "x", True), "page")
NONE = _Move(None, "")


@pytest.mark.parametrize(
    ("moves", "outcome", "reason"),
    [
        ([], "completed", ""),
        ([CLICK, CLICK], "completed", ""),
        ([CLICK, CLICK, CLICK], "task_limit", "Same action for 3 times"),
        ([CLICK, CLICK, OTHER, CLICK], "completed", ""),
        ([CLICK, CLICK, _Move(CLICK.action, "the page after it")], "completed", ""),
        ([TYPING, CLICK, TYPING, OTHER, TYPING], "task_limit", "Same typing action for 3 times"),
        ([NONE, NONE, CLICK, NONE], "completed", ""),
        ([CLICK, NONE, NONE, NONE], "invalid_action", "Failed to parse actions for 3 times"),
        ([CLICK, OTHER] * 15, "task_limit", "Reach max steps 30"),
    ],
)
def test_an_agent_that_does_not_get_on_is_stopped(moves: list[_Move], outcome: str, reason: str) -> None:
    assert stop_early(moves, DEFAULTS) == (outcome, reason)


SEEN = Observation("", {3: Element("link 'Rain  report' focused: True", 1, 1)}, "http://x", "page")


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (Action("click", 3), "click [3] where [3] is link 'Rain report' focused: True"),
        (Action("type", 3, "a b", True), "type [3] [a b\n] where [3] is link 'Rain report' focused: True"),
        (Action("type", 3, "a b"), "type [3] [a b] where [3] is link 'Rain report' focused: True"),
        (Action("tab_focus", text="1"), "page_focus [1]"),
        (Action("scroll", text="up"), "scroll [up]"),
        (Action("stop"), "stop []"),
    ],
)
def test_the_previous_action_is_told_as_upstream_does(action: Action, told: str) -> None:
    assert _describe(action, "", SEEN) == told


def test_a_bad_action_is_told() -> None:
    assert 'you issued was "go {on}". However, the format was' in _describe(None, "go {on}", SEEN)
    assert 'perfom "hover" on element "[9]" but no matching' in _describe(Action("hover", 9), "", SEEN)


def test_the_prompt_of_the_harness_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / _web_agent.UPSTREAM_PROMPT
    file.parent.mkdir(parents=True)
    file.write_text('prompt = {"intro": """Do it. """, "examples": [("seen", "said")], "template": "{observation}"}')

    prompt = _web_agent.read_prompt(tmp_path)

    assert prompt == ("Do it.", (("seen", "said"),), "{observation}", _web_agent.UPSTREAM_PROMPT)


@pytest.mark.parametrize("code", ["prompt = __import__('os')", "prompt = {'intro': 1}", "print(1)", "prompt ="])
def test_a_prompt_file_is_data_and_never_run(tmp_path: Path, code: str) -> None:
    file = tmp_path / _web_agent.UPSTREAM_PROMPT
    file.parent.mkdir(parents=True)
    file.write_text(code)

    with pytest.raises(ConfigError, match="expected an object with intro"):
        _web_agent.read_prompt(tmp_path)
