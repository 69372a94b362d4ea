"""The browser agent's episode: WebArena's loop of observation and action, for its own sites and for ours.

The agent is shown the last observation only, with the address, the objective and its previous action, behind an
instruction and demonstrations. It is stopped after 30 actions, three replies without an action in a row, the same
action three times in a row, or the same typing three times in all; then, too, the task is evaluated, with the reason
as the answer. So these reasons are upstream's to the letter, and so is what the agent is told about its last action.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agentflan.benchmarks._browser import Limits, Observation, PageFailed, Visit
from agentflan.benchmarks._protocol import Request, Sampling, Settings, Task, random_words
from agentflan.benchmarks._web_actions import ELEMENT_ACTIONS, FORMS, Action, NoAction, fenced, parse_action
from agentflan.benchmarks._web_hosts import Hosts, fill_public
from agentflan.benchmarks._webarena_evaluators import collect
from agentflan.errors import ConfigError
from agentflan.files import read_json

DEFAULTS: Settings = {
    "max_steps": 30,
    "max_parse_failures": 3,  # replies without an action, in a row
    "max_repeats": 3,  # of one action
    "max_observation_tokens": 1920,  # at four characters a token
    "max_new_tokens": 384,
    "max_prompt_tokens": 4000,  # the last ones, as upstream's server cuts them
    "temperature": 1.0,  # 0: greedy
    "top_p": 0.9,
    "action_seconds": 30.0,  # that one action, loading or observation may take
    "browser": "",  # path of a Chromium; the system's or else Playwright's if empty
    "system": "You are a helpful, respectful and honest assistant.",
}
UPSTREAM_PROMPT = "agent/prompts/raw/p_cot_id_actree_2s.py"  # two demonstrations; a Python file with one dictionary
_CHARACTERS_A_TOKEN = 4
_NO_ACTION = "None"
_BAD_FORM = (
    'The previous prediction you issued was "{reply}". However, the format was incorrect. Ensure that the action is '
    "wrapped inside a pair of ``` and enclose arguments within [] as follows: ```action [arg] ...```."
)
_BAD_ELEMENT = (
    'Attempt to perfom "{verb}" on element "[{element}]" but no matching element found. Please check the observation '
    "more carefully."
)

_INTRO = (
    "You do a task in a web browser. Each turn you see the part of the page that is in the window, as a tree: a line "
    "is an element, with its [id], role and name. You also see the address, the objective and your previous action. "
    "Think about what is next, then write one action between ``` and ```. The actions are: "
    f"{', '.join(FORMS)}. Give the id of an element that is shown. Write stop with the answer, or without one where "
    "none is asked for, as soon as the task is done; answer N/A if it cannot be done."
)
_TEMPLATE = "OBSERVATION:\n{observation}\nURL: {url}\nOBJECTIVE: {objective}\nPREVIOUS ACTION: {previous_action}"
_EXAMPLES = (
    (
        "OBSERVATION:\nTab 0 (current): Town library\n\n[1] RootWebArea 'Town library'\n\t[2] heading 'Hours'\n\t"
        "[3] StaticText 'Monday: 9 to 12'\n\t[4] StaticText 'Tuesday: closed'\nURL: http://library.example/hours\n"
        "OBJECTIVE: When does the library open on Monday?\nPREVIOUS ACTION: click [7] where [7] is link 'Hours'",
        "The page says that on Monday the library opens at 9, which is what was asked. In summary, the next action is "
        "```stop [9]```",
    ),
    (
        "OBSERVATION:\nTab 0 (current): Seeds\n\n[1] RootWebArea 'Seeds'\n\t[2] searchbox 'Find seeds'\n\t"
        "[3] button 'Find'\n\t[4] link 'Basket'\nURL: http://seeds.example\nOBJECTIVE: Show me all kinds of pumpkin "
        "seeds\nPREVIOUS ACTION: None",
        "There is a search box with the id 2. I look for pumpkins there and press Enter. In summary, the next action "
        "is ```type [2] [pumpkin] [1]```",
    ),
)


class Prompt(NamedTuple):
    """What stands around the observation.

    Attributes:
        intro: the instruction.
        examples: demonstrations: what is shown and what is replied.
        template: the turn, with {observation}, {url}, {objective} and {previous_action}.
        source: whose words they are.
    """

    intro: str
    examples: tuple[tuple[str, str], ...]
    template: str
    source: str


class _Move(NamedTuple):
    """An action with the page it was meant for; None for a reply without one."""

    action: Action | None
    document: str


def read_prompt(folder: Path) -> Prompt:
    """The folder's ``prompt.json`` or upstream's file (keys intro, examples and template), or our own words.

    Raises:
        ConfigError: the file has other keys.
    """
    path = next((folder / name for name in ("prompt.json", UPSTREAM_PROMPT) if (folder / name).exists()), None)
    if not path:
        return Prompt(_INTRO, _EXAMPLES, _TEMPLATE, "our own wording and two demonstrations")
    try:
        given = read_json(path) if path.suffix == ".json" else _assigned(path.read_text(encoding="utf-8"))
        examples = tuple((shown.strip(), said.strip()) for shown, said in given["examples"])
        template = given.get("template", _TEMPLATE)
        return Prompt(given["intro"].strip(), examples, template.strip(), path.relative_to(folder).as_posix())
    except (AttributeError, KeyError, SyntaxError, TypeError, ValueError):
        expected = "intro, and examples as pairs of what is shown and what is replied"
        raise ConfigError([f"{path}: expected an object with {expected}"]) from None


def limits(settings: Settings) -> Limits:
    """The browser's limits."""
    return Limits(settings["action_seconds"], settings["settle"])


def start(task: Task, visit: Visit, hosts: Hosts) -> None:
    """Open the pages that a task begins with, a tab each, the first one in front."""
    first, *others = (hosts.to_real(fill_public(url)) for url in task["start_url"].split(" |AND| "))
    visit.open(first)
    for url in others:
        visit.open_tab(url)
    if others:
        visit.focus_first()


def browse(task: Task, visit: Visit, hosts: Hosts, settings: Settings) -> Generator[Request, str, dict[str, Any]]:
    """The episode's row: outcome, answer, evidence, the actions in words."""
    start(task, visit, hosts)
    moves: list[_Move] = []
    words, failures, answer = [_NO_ACTION], {}, None
    while answer is None:
        outcome, stopped = stop_early(moves, settings)
        if stopped:
            answer = f"Early stop: {stopped}"
            break
        observation = visit.observe()
        reply = yield _request(task, observation, hosts, words, settings)
        action = _read(reply)
        moves.append(_Move(action, observation.document if action and action.verb in ELEMENT_ACTIONS else ""))
        words.append(_describe(action, reply, observation))
        if action and action.verb == "stop":
            answer = action.text
        elif action and (failure := _do(action, observation, visit, hosts)):
            failures[str(len(moves))] = failure
    evidence = collect(task, visit, hosts)
    row = {"prediction": answer, "outcome": outcome, "evidence": evidence, "actions": words[1:]}
    return row | ({"failed_actions": failures} if failures else {})


def stop_early(moves: Sequence[_Move], settings: Settings) -> tuple[str, str]:
    """Outcome and reason of an episode that goes on no longer; "completed" and "" while it may."""
    failures, repeats = settings["max_parse_failures"], settings["max_repeats"]
    if len(moves) >= settings["max_steps"]:
        return "task_limit", f"Reach max steps {settings['max_steps']}"
    if len(moves) >= failures and all(move.action is None for move in moves[-failures:]):
        return "invalid_action", f"Failed to parse actions for {failures} times"
    if moves and moves[-1].action and moves[-1].action.verb == "type":
        if moves.count(moves[-1]) >= repeats:
            return "task_limit", f"Same typing action for {repeats} times"
    elif len(moves) >= repeats and len(set(moves[-repeats:])) == 1:
        return "task_limit", f"Same action for {repeats} times"
    return "completed", ""


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any action with any element or words that were shown."""
    ids = re.findall(r"^\t*\[(\d+)\]", request.messages[-1][1], re.MULTILINE) or ["1"]
    number, words = rng.choice(ids), random_words(request, rng, rng.randint(1, 2))
    choices = [*[f"click [{number}]"] * 4, f"type [{number}] [{words}] [1]", "go_back", f"stop [{words}]"]
    return f"Go on. ```{rng.choice(choices)}```"


def _assigned(code: str) -> Any:
    """The literal that a Python file assigns; nothing of it is run."""
    [value] = [node.value for node in ast.parse(code).body if isinstance(node, ast.Assign)]
    return ast.literal_eval(value)


def _read(reply: str) -> Action | None:
    try:
        return parse_action(fenced(reply))
    except NoAction:
        return None


def _describe(action: Action | None, reply: str, observation: Observation) -> str:
    """What the agent is told about its action in the next turn; whether it worked it must see itself."""
    if action is None:
        return _BAD_FORM.format(reply=reply)
    if action.verb not in ELEMENT_ACTIONS:
        return f"page_focus [{action.text}]" if action.verb == "tab_focus" else str(action)
    element = observation.elements.get(action.element)
    if element is None:
        return _BAD_ELEMENT.format(verb=action.verb, element=action.element)
    typed = f" [{action.text}{chr(10) * action.enter}]" if action.verb == "type" else ""
    return f"{action.verb} [{action.element}]{typed} where [{action.element}] is {' '.join(element.text.split())}"


def _do(action: Action, observation: Observation, visit: Visit, hosts: Hosts) -> str:
    """Do an action; "" or why it failed."""
    try:
        visit.act(parse_action(hosts.to_real(str(action))), observation.elements.get(action.element))
    except PageFailed as failure:
        return str(failure)
    return ""


def _request(task: Task, observation: Observation, hosts: Hosts, words: list[str], settings: Settings) -> Request:
    prompt: Prompt = task["prompt"]
    shown = hosts.to_public(observation.text)[: settings["max_observation_tokens"] * _CHARACTERS_A_TOKEN]
    values = {
        "observation": shown,
        "url": hosts.to_public(observation.url),
        "objective": task["intent"],
        "previous_action": words[-1],
    }
    turn = re.sub(rf"\{{({'|'.join(values)})\}}", lambda match: values[match[1]], prompt.template)
    demonstrations = [pair for shown, said in prompt.examples for pair in (("user", shown), ("assistant", said))]
    messages = [
        *([("system", settings["system"])] if settings["system"] else []),
        ("user", prompt.intro),
        ("assistant", "Ok."),
        *demonstrations,
        ("user", turn.strip()),
    ]
    limits = {key: settings[key] for key in ("max_new_tokens", "max_prompt_tokens")}
    return Request(messages=tuple(messages), sampling=_sampling(task, len(words), settings), **limits)


def _sampling(task: Task, step: int, settings: Settings) -> Sampling | None:
    if not settings["temperature"]:
        return None
    return Sampling(settings["temperature"], settings["top_p"], f"{settings['seed']} {task['id']} {step}")
