"""WebShop (AgentBench, held-in): buy what an instruction asks for; the score is the mean reward of the purchases.

`webshop` has WebShop's products, which must be downloaded; `embedded` has a few of our own in the same files. Pages,
actions and reward are the same. Upstream draws the highest prices of the instructions without a seed, so that they
differ from one run to the next; here they are fixed. Its dialogue shows one purchase and is read
from its code, see `agentflan.datasets._harness`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _agentbench
from agentflan.benchmarks._protocol import (
    Episode,
    Request,
    Row,
    Settings,
    Task,
    count_outcomes,
    draw,
    errors_of,
    random_words,
)
from agentflan.benchmarks._purchase import COLOURS, Goal, nouns_of, reward
from agentflan.benchmarks._shop import BUY, NEXT, Product, Shop, Visit
from agentflan.datasets.agentbench_webshop import read_colours
from agentflan.errors import ConfigError
from agentflan.randomness import generator
from agentflan.statistics import Group, estimate, percent

NAME = "agentbench_webshop"
TITLE = "Webshop"
DATA = "agentbench_webshop"
MEMORY_MB = 20_000  # upstream's products take 15 to 16 GB (AgentBench's README)
PROTOCOL = (
    "AgentBench WebShop, mean reward, {environment} products, search by bm25s, nouns by {nouns}, first {goals} goals, "
    "{max_turns} turns, limit {limit}"
)
ENVIRONMENTS = {"embedded": "a shop with products of our own", "webshop": "WebShop's products"}
DEFAULTS: Settings = _agentbench.DEFAULTS | {
    "environment": "embedded",  # or webshop
    "nouns": "heuristic",  # or spacy, as upstream
    "goals": 200,  # the first so many of the shuffled goals
    "limit": None,  # goals that are drawn from these
    "max_turns": 10,
    "observation": "Observation:\n{text}\n\nAvailable Actions:\n{actions}",
}

_OWN_PROMPT = {
    "instruction": "You shop on the web for what you are told to find. Each turn you see a page and what can be done. "
    "Write a thought and an action, the text of each on the next line:\n"
    "Thought:\nwhat to do next\n\nAction:\nsearch[words]\n"
    "There are two actions: search[words], and click[button] with one of the buttons that are listed.",
    "acknowledgement": "Ok.",
    "demonstration": [],
}
_ACTION = re.compile(r"[Aa]ction: *\n *((?:search|click)\[.+?\])")
_SHUFFLE = 233  # upstream's seed
_CAPS = [10.0 * step for step in range(1, 100)]  # dollars
_NO_CAP = 1_000_000.0


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The goals, at most `limit`, each with the shop.

    Raises:
        ConfigError: no such environment or way to nouns, or the products are of another environment.
    """
    _agentbench.check_environment(NAME, settings, tuple(ENVIRONMENTS))
    if settings["nouns"] not in ("heuristic", "spacy"):
        found = settings["nouns"]
        raise ConfigError([f"settings of {NAME}: key nouns: found {found!r}; expected heuristic or spacy"])
    prompt = _agentbench.read_prompt(folder, _OWN_PROMPT)
    shop = Shop(list(datasets.load(DATA).read(folder)))
    colours = read_colours(folder)
    sources = sorted({product["source"] for product in shop.products.values()})
    if (sources == ["WebShop"]) != (settings["environment"] == "webshop"):
        raise ConfigError([f"settings of {NAME}: key environment: the products are of {', '.join(sources)}"])
    prices = dict(_draw_prices(shop.products.values(), settings["seed"]))
    goals = list(_goals(shop.products.values(), prices, settings["seed"]))
    random.Random(_SHUFFLE).shuffle(goals)
    tasks = [
        {"id": f"goal_{number}", "goal": goal, "shop": shop, "prices": prices, "prompt": prompt, "colours": colours}
        for number, goal in enumerate(goals[: settings["goals"]])
    ]
    return draw(tasks, settings["limit"], NAME, settings["seed"])


def episode(task: Task, settings: Settings) -> Episode:
    """Search and click until something is bought or the turns run out."""
    nouns = nouns_of(settings["nouns"])
    visit = Visit(task["shop"], task["goal"].text)
    outcome = yield from _play(task, visit, settings)
    points = _reward(task, visit.bought, nouns) if visit.bought else 0.0
    return {"prediction": points, "outcome": outcome, "bought": visit.bought, "goal": task["goal"]._asdict()}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """Search the product by its name, choose the options, buy it."""
    shop, goal = task["shop"], task["goal"]
    name = shop.products[goal.code]["name"].replace("[", " ").replace("]", " ")
    found = shop.search(name)
    turns = found.index(goal.code) // 10 if goal.code in found else 0
    clicks = [*[NEXT] * turns, goal.code, *goal.options, BUY]
    actions = [f"search[{name}]", *(f"click[{value}]" for value in clicks)]
    return [f"Thought:\nGo on.\n\nAction:\n{action}" for action in actions]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """A search for any words, or a click on any of them."""
    action = rng.choice(("search", "click"))
    return f"Thought:\nGo on.\n\nAction:\n{action}[{random_words(request, rng, rng.randint(1, 2))}]"


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The mean reward, in percent; nothing bought counts 0, and so does a broken episode."""
    nouns, bought = nouns_of(settings["nouns"]), {row["id"]: row.get("bought") for row in rows}
    points = [_reward(task, bought[task["id"]], nouns) if bought[task["id"]] else 0.0 for task in tasks]
    parts = {
        "bought": percent([bool(bought[task["id"]]) for task in tasks]),
        "whole_reward": percent([value == 1 for value in points]),
        "environment": ENVIRONMENTS[settings["environment"]],
        "products": len(tasks[0]["shop"].products),
        "nouns": settings["nouns"],
        "colours": "upstream's" if tasks[0]["colours"] else "our own",
        "prompt": tasks[0]["prompt"]["source"],
        "errors": errors_of(rows),
    }
    result = estimate([Group(1.0, points)], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def read_action(reply: str) -> str | None:
    """The first action of a reply, on the line behind ``Action:`` and nowhere else; None if there is none."""
    match = _ACTION.search(reply)
    return match[1] if match else None


def _play(task: Task, visit: Visit, settings: Settings) -> Any:
    """The dialogue; returns the outcome."""
    messages = _agentbench.opening(task["prompt"])
    for _ in range(settings["max_turns"]):
        messages.append(("user", _show(visit, settings["observation"])))
        request = _agentbench.ask(messages, settings)
        if request is None:
            return "context_limit"
        reply = yield request
        action = read_action(reply)
        if action is None:
            return "invalid_action"
        visit.act(action)
        if visit.bought:
            return "completed"
        messages.append(("assistant", reply))
    return "task_limit"


def _show(visit: Visit, observation: str) -> str:
    texts = {"text": visit.text, "actions": str({"has_search_bar": visit.page == "start", "clickables": visit.buttons})}
    return re.sub(r"\{(text|actions)\}", lambda match: texts[match[1]], observation)


def _reward(task: Task, bought: dict[str, Any], nouns: Any) -> float:
    products, goal = task["shop"].products, task["goal"]
    price = task["prices"][bought["code"]]
    return reward(
        products[bought["code"]], bought["options"], price, goal, products[goal.code], nouns, task["colours"] or COLOURS
    )


def _draw_prices(products: Iterable[Product], seed: int) -> Iterable[tuple[str, float]]:
    """What each product costs: where there are two prices, any between them."""
    for product in products:
        prices = product["prices"]
        rng = generator(NAME, "price", seed, product["code"])
        yield product["code"], prices[0] if len(prices) == 1 else rng.uniform(*prices)


def _goals(products: Iterable[Product], prices: dict[str, float], seed: int) -> Iterable[Goal]:
    """A goal for each instruction that names attributes, with a highest price where there is room for one."""
    for product in products:
        for number, wish in enumerate(product["wishes"]):
            if wish["attributes"]:
                options = wish["options"]
                values = options.values() if isinstance(options, dict) else options
                caps = [cap for cap in _CAPS if cap > prices[product["code"]]][:4]
                rng = generator(NAME, "cap", seed, product["code"], number)
                cap = max(rng.sample(caps, 2)) if len(caps) > 1 else _NO_CAP
                text = wish["text"].strip(".") + (f", and price lower than {cap:.2f} dollars" if cap < _NO_CAP else "")
                yield Goal(text, product["code"], tuple(wish["attributes"]), tuple(values), cap)
