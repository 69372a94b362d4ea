"""WebArena: tasks on five real sites in a real browser; solved or not, always out of all tasks (AgentTuning's harness).

The sites are hosted by whoever runs this (upstream's images, hundreds of GB) and named in the setting `hosts`; accounts
come from the environment (WEBARENA_REDDIT_USER, WEBARENA_REDDIT_PASSWORD …). Without them the benchmark is not run.
What agents do stays on the sites: the profiles let one agent play at a time, and whoever hosts the sites sets them back
before each. Our own small sites are another benchmark with another name,
`webarena_embedded`; nothing of it is ever written as a score of this one.

Seventy-seven answers need a judge. `judge` names a chat model, `judge_api` its prices and cap; with "nobody" they count
as not solved, and the score says how many that were. Upstream leaves tasks that broke out of the mean; here they count
0.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _web_agent, _web_judge
from agentflan.benchmarks._browser import BrowserDied, shared, visit
from agentflan.benchmarks._protocol import (
    Episode,
    Request,
    Row,
    Settings,
    Task,
    count_outcomes,
    draw,
    errors_of,
)
from agentflan.benchmarks._web_hosts import PUBLIC, Hosts, configured
from agentflan.benchmarks._web_login import logged_in
from agentflan.benchmarks._webarena_evaluators import needs_judge, questions, unknown_functions, verdict
from agentflan.datasets._webarena import oddities
from agentflan.errors import ConfigError, NotAvailable, RecordError
from agentflan.statistics import Group, estimate, percent

NAME = "webarena"
TITLE = "WebArena"
DATA = "webarena"
MEMORY_MB = 8000  # a browser with its pages
SHARED_WORLD = True  # one set of sites for all agents
PROTOCOL = (
    "AgentTuning's WebArena in Chromium on its own sites, success rate over all tasks, accessibility tree of the "
    "window, {max_steps} steps, checkpoints at temperature {temperature} "
    "and top-p {top_p}, fuzzy answers judged by {judge}, limit {limit}"
)
DEFAULTS: Settings = _web_agent.DEFAULTS | {
    "hosts": {},  # shopping, shopping_admin, reddit, gitlab, map, wikipedia: the address of each
    "judge": _web_judge.NOBODY,  # or a chat model, or containment
    "judge_api": {},  # how to ask a chat model: fields of agentflan.replies.ReplySettings, and "cache", a file
    "judge_prompt": None,  # what the judge is asked, with {intent}, {statement} and {reference}; upstream's if null
    "settle": 2.5,  # seconds after each action
    "batch": 1,  # the sites are one world: one episode after another
}


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The tasks, at most `limit`.

    Raises:
        ConfigError: an address of a site that there is not, or a judge whose costs have no cap.
        RecordError: a task names a function that is not known.
    """
    odd = sorted(set(settings["hosts"]) - set(PUBLIC))
    if odd:
        raise ConfigError(
            [f"settings of {NAME}: key hosts: no such site: {', '.join(odd)}; there are: {', '.join(PUBLIC)}"]
        )
    _web_judge.check(settings["judge"], settings["judge_api"])
    tasks = list(datasets.load(DATA).read(folder))
    check_functions(tasks, folder)
    drawn = draw(tasks, settings["limit"], NAME, settings["seed"])
    common = {"prompt": _web_agent.read_prompt(folder), "needs": _needs(drawn)}
    return [task | common for task in drawn]


def episode(task: Task, settings: Settings) -> Episode:
    """Browse until the agent stops or is stopped."""
    hosts = _hosts(task, settings)
    storage = logged_in(hosts, _accounts_of(task), settings["browser"], _web_agent.limits(settings))
    return (yield from play(task, hosts, settings, storage))


def play(task: Task, hosts: Hosts, settings: Settings, storage: dict[str, Any] | None = None) -> Episode:
    """An episode on sites that are there, in a window of its own.

    Raises:
        BrowserDied: the browser ended; another one is started for the next episode.
    """
    with visit(settings["browser"], hosts.allowed, _web_agent.limits(settings), storage) as window:
        row = yield from _web_agent.browse(task, window, hosts, settings)
        return row | {"browser": shared(settings["browser"]).version}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """There are none.

    Raises:
        NotAvailable: always.
    """
    raise NotAvailable("WebArena's tasks come without solutions")


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any action with any element or words that were shown."""
    return _web_agent.random_reply(task, request, rng)


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The share of solved tasks, in percent; a broken episode counts 0."""
    found = {row["id"]: row for row in rows}
    solved = _solved(tasks, found, settings)
    by_site: dict[str, list[bool]] = {}
    for task in tasks:
        by_site.setdefault(" ".join(sorted(task["sites"])), []).append(solved[task["id"]])
    unjudged = [task["id"] for task in tasks if needs_judge(task)] if settings["judge"] == _web_judge.NOBODY else []
    crashes = [crash for row in rows for crash in row.get("crashes", [])]
    parts = {
        "solved": sum(solved.values()),
        "sites": {name: percent(values) for name, values in sorted(by_site.items())},
        "judge": settings["judge"],
        "not_judged": len(unjudged),
        "browser": sorted({row["browser"] for row in found.values() if "browser" in row}),
        "browsers_that_died": sum(crash.startswith(BrowserDied.__name__) for crash in crashes),
        "prompt": tasks[0]["prompt"].source,
        "odd_tasks": {task["id"]: strange for task in tasks if (strange := oddities(task))},
        "errors": errors_of(rows),
    }
    result = estimate([Group(1.0, [float(solved[task["id"]]) for task in tasks])], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def check_functions(tasks: Sequence[Task], folder: Path) -> None:
    """Refuse tasks whose evaluators call something that is not known.

    Raises:
        RecordError: a task does; it is named.
    """
    for task in tasks:
        for field, found in unknown_functions(task):
            raise RecordError(
                folder, f"task {task['id']}", field, repr(found), "an address, document.… or known func:…"
            )


def _solved(tasks: Sequence[Task], found: dict[str, Row], settings: Settings) -> dict[str, bool]:
    """Which tasks are solved; the judge is asked only where everything else holds."""
    solved = {
        task["id"]: "evidence" in found[task["id"]]
        and verdict(task, found[task["id"]]["prediction"], found[task["id"]]["evidence"])
        for task in tasks
    }
    asked = [
        (task["id"], question)
        for task in tasks
        if solved[task["id"]]
        for question in questions(task, found[task["id"]]["prediction"])
    ]
    answers = _web_judge.judge(
        [question for _, question in asked], settings["judge"], settings["judge_api"], settings["judge_prompt"]
    )
    for (name, _), answer in zip(asked, answers, strict=True):
        solved[name] &= answer
    return solved


def _accounts_of(task: Task) -> tuple[str, ...]:
    """The sites that a task begins logged in to, from the name of upstream's file of cookies."""
    if not task["storage_state"]:
        return ()
    return tuple(sorted(Path(task["storage_state"]).name.removesuffix("_state.json").split(".")))


def _needs(tasks: Sequence[Task]) -> dict[str, list[str]]:
    """The sites and the accounts that some task needs; the shop's functions ask as its administrator."""
    sites = {site for task in tasks for site in task["sites"]}
    accounts = {site for task in tasks for site in _accounts_of(task)}
    functions = any("func:shopping_" in str(task["eval"]["program_html"]) for task in tasks)
    return {"sites": sorted(sites), "accounts": sorted(accounts | ({"shopping_admin"} if functions else set()))}


_checked: dict[str, Hosts] = {}


def _hosts(task: Task, settings: Settings) -> Hosts:
    """The configured sites, looked at once, before the first episode."""
    key = repr((sorted(settings["hosts"].items()), task["needs"]))
    if key not in _checked:
        _checked[key] = configured(settings["hosts"], task["needs"]["sites"], task["needs"]["accounts"])
    return _checked[key]
