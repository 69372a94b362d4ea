"""Tasks in WebArena's schema about a shop and a forum of the world, what these hold, and a solution of each task."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

from agentflan.world.lexicon import COLORS, FIRST_NAMES, LAST_NAMES, THINGS, TOPICS, VALUES

Row = dict[str, Any]

_CATEGORIES, _COLORS_EACH = 6, 3
_FORUMS, _POSTS_EACH = 5, 4
_OPINIONS = ("good", "bad", "heavy", "small", "nice")


class _Task(NamedTuple):
    """A task before it has its number: the template and its words, the evaluators, the solution."""

    sites: tuple[str, ...]
    template: str
    words: dict[str, str]
    evaluation: Row
    solution: list[Row]


def prompt() -> Row:
    """A short instruction: tiny models read little."""
    return {
        "intro": "Do the task in the browser. Write one action between ``` and ```: click [id], type [id] [text] [1], "
        "go_back, tab_focus [number], stop [answer].",
        "examples": [],
    }


def files(rng: random.Random, count: int) -> dict[str, Any]:
    """The dataset's files by name, with `count` tasks, of each kind as many."""
    shop, forums = _shop(rng), _forums(rng)
    kinds: tuple[Callable[..., _Task], ...] = (_price, _colors, _reviewer, _find, _order, _review, _write, _vote, _both)
    tasks, solutions = [], {}
    for number in range(count):
        task = kinds[number % len(kinds)](rng, shop, forums)
        tasks.append(_row(task, number, number % len(kinds)))
        solutions[str(number)] = task.solution
    sites = {"shopping": {"products": shop}, "reddit": {"forums": forums}}
    return {"tasks.json": tasks, "sites.json": sites, "solutions.json": solutions}


def _shop(rng: random.Random) -> list[Row]:
    names = [(color, thing) for thing in rng.sample(THINGS, _CATEGORIES) for color in rng.sample(COLORS, _COLORS_EACH)]
    prices = rng.sample(VALUES, len(names))
    return [
        {
            "sku": f"S{number}",
            "name": f"{color} {thing}",
            "category": thing,
            "price": int(price),
            "reviews": [_opinion(rng) for _ in range(2)],
        }
        for number, ((color, thing), price) in enumerate(zip(names, prices, strict=True), 10)
    ]


def _opinion(rng: random.Random) -> Row:
    return {"nickname": rng.choice(FIRST_NAMES), "rating": rng.randint(1, 5), "text": f"It is {rng.choice(_OPINIONS)}."}


def _forums(rng: random.Random) -> dict[str, list[Row]]:
    names = sorted(rng.sample(TOPICS, _FORUMS))
    titles = rng.sample([f"{first} {last}" for first, last in product(FIRST_NAMES, LAST_NAMES)], _FORUMS * _POSTS_EACH)
    return {
        name: [
            {
                "id": _POSTS_EACH * place + number + 1,
                "title": titles[_POSTS_EACH * place + number],
                "body": f"The {name} is {rng.choice(_OPINIONS)}.",
                "author": rng.choice(FIRST_NAMES),
            }
            for number in range(_POSTS_EACH)
        ]
        for place, name in enumerate(names)
    }


def _row(task: _Task, number: int, template: int) -> Row:
    intent = task.template
    for word, value in task.words.items():
        intent = intent.replace(f"{{{{{word}}}}}", value)
    evaluation = {"reference_answers": None, "reference_url": "", "program_html": [], **task.evaluation}
    return {
        "sites": list(task.sites),
        "task_id": number,
        "require_login": False,
        "storage_state": None,
        "start_url": " |AND| ".join(f"__{site.upper()}__" for site in task.sites),
        "geolocation": None,
        "intent_template": task.template,
        "instantiation_dict": task.words,
        "intent": intent,
        "require_reset": True,
        "eval": evaluation,
        "intent_template_id": template,
    }


def _price(rng: random.Random, shop: list[Row], forums: Row) -> _Task:
    wanted = rng.choice(shop)
    answers = {"exact_match": f"${wanted['price']}"}
    search = {"do": "type", "on": "searchbox 'Search'", "text": wanted["name"], "enter": True}
    solution = [search, _click("link", wanted["name"]), _stop(f"${wanted['price']}")]
    return _Task(
        ("shopping",), "What is the price of the {{item}}?", {"item": wanted["name"]}, _says(answers), solution
    )


def _colors(rng: random.Random, shop: list[Row], forums: Row) -> _Task:
    kind = rng.choice(shop)["category"]
    colors = [row["name"].partition(" ")[0] for row in shop if row["category"] == kind]
    solution = [_click("link", kind), _stop(", ".join(colors))]
    template = "Which colors of {{kind}} does the shop have?"
    return _Task(("shopping",), template, {"kind": kind}, _says({"must_include": colors}), solution)


def _reviewer(rng: random.Random, shop: list[Row], forums: Row) -> _Task:
    wanted = rng.choice(shop)
    newest = wanted["reviews"][-1]
    answers = {"fuzzy_match": [f"{newest['nickname']}, {newest['rating']} stars"]}
    solution = [*_to_product(wanted), _stop(f"{newest['nickname']}, {newest['rating']} stars")]
    template = "Who wrote the last review of the {{item}}, and with how many stars?"
    return _Task(("shopping",), template, {"item": wanted["name"]}, _says(answers), solution)


def _find(rng: random.Random, shop: list[Row], forums: Row) -> _Task:
    wanted = rng.choice(shop)
    evaluation = {
        "eval_types": ["url_match"],
        "reference_url": f"__SHOPPING__/product/{wanted['sku']}",
        "url_note": "EXACT",
    }
    template = "Open the page of the {{item}}."
    solution = [*_to_product(wanted), _stop("done")]
    return _Task(("shopping",), template, {"item": wanted["name"]}, evaluation, solution)


def _order(rng: random.Random, shop: list[Row], forums: Row) -> _Task:
    wanted = rng.choice(shop)
    target = {
        "url": "func:shopping_get_latest_order_url()",
        "locator": 'document.querySelector(".order-details-items.ordered").outerText',
        "required_contents": wanted["name"],
    }
    clicks = [_click("button", "Add to Cart"), _click("button", "Place Order")]
    solution = [*_to_product(wanted), *clicks, _stop("done")]
    return _Task(("shopping",), "Order a {{item}}.", {"item": wanted["name"]}, _shows(target), solution)


def _review(rng: random.Random, shop: list[Row], forums: Row) -> _Task:
    wanted, stars, opinion = rng.choice(shop), rng.randint(1, 5), rng.choice(_OPINIONS)
    page = f"__SHOPPING__/product/{wanted['sku']}"
    rating = {
        "url": page,
        "locator": f"func:shopping_get_sku_latest_review_rating('{wanted['sku']}')",
        "required_contents": str(20 * stars),
    }
    author = {
        "url": page,
        "locator": f"func:shopping_get_sku_latest_review_author('{wanted['sku']}')",
        "required_contents": "reader",
    }
    text = {"url": page, "locator": "", "required_contents": f"by reader: very {opinion} |OR| by reader: {opinion}"}
    form = [
        {"do": "type", "on": "textbox 'Stars'", "text": str(stars), "enter": False},
        {"do": "type", "on": "textbox 'Review'", "text": f"very {opinion}", "enter": False},
        _click("button", "Submit Review"),
    ]
    template = 'Review the {{item}} with {{stars}} stars and the words "very {{opinion}}".'
    words = {"item": wanted["name"], "stars": str(stars), "opinion": opinion}
    solution = [*_to_product(wanted), *form, _stop("done")]
    return _Task(("shopping",), template, words, _shows(rating, author, text), solution)


def _write(rng: random.Random, shop: list[Row], forums: Row) -> _Task:
    forum, wanted = rng.choice(sorted(forums)), rng.choice(shop)
    title = f"Where is the {wanted['name']}?"
    target = {
        "url": "func:reddit_get_post_url('__last_url__')",
        "locator": "document.querySelector('.submission__inner').outerText",
        "required_contents": title,
    }
    evaluation = {
        "eval_types": ["url_match", "program_html"],
        "reference_url": f"__REDDIT__/f/{forum}",
        "url_note": "GOLD in PRED",
        "program_html": [target],
    }
    solution = [
        _click("link", forum),
        _click("link", "Submit"),
        {"do": "type", "on": "textbox 'Title'", "text": title, "enter": True},
        _stop("done"),
    ]
    template = 'Post "{{title}}" in the forum {{forum}}.'
    return _Task(("reddit",), template, {"title": title, "forum": forum}, evaluation, solution)


def _vote(rng: random.Random, shop: list[Row], forums: Row) -> _Task:
    forum = rng.choice(sorted(forums))
    post = rng.choice(forums[forum])
    target = {
        "url": f"__REDDIT__/f/{forum}/{post['id']}",
        "locator": "document.querySelectorAll('div.submission__vote')[0].querySelector('form').getAttribute('class')",
        "required_contents": "vote--user-upvoted",
    }
    solution = [
        _click("link", forum),
        _click("link", post["title"]),
        _click("button", "Upvote"),
        _stop("done"),
    ]
    template = "Upvote the post {{title}} in the forum {{forum}}."
    return _Task(("reddit",), template, {"title": post["title"], "forum": forum}, _shows(target), solution)


def _both(rng: random.Random, shop: list[Row], forums: Row) -> _Task:
    wanted, forum = rng.choice(shop), rng.choice(sorted(forums))
    evaluation = {
        "eval_types": ["string_match", "url_match"],
        "reference_answers": {"exact_match": f"${wanted['price']}"},
        "reference_url": f"__REDDIT__/f/{forum}",
        "url_note": "EXACT",
    }
    forward = [{"do": "tab_focus", "text": "1"}, _click("link", forum)]
    solution = [*_to_product(wanted), *forward, _stop(f"${wanted['price']}")]
    template = "Say the price of the {{item}} in the shop, and open the forum {{forum}}."
    words = {"item": wanted["name"], "forum": forum}
    return _Task(("shopping", "reddit"), template, words, evaluation, solution)


def _says(answers: Row) -> Row:
    return {"eval_types": ["string_match"], "reference_answers": answers}


def _shows(*targets: Row) -> Row:
    return {"eval_types": ["program_html"], "program_html": list(targets)}


def _to_product(wanted: Row) -> list[Row]:
    return [_click("link", wanted["category"]), _click("link", wanted["name"])]


def _click(role: str, name: str) -> Row:
    return {"do": "click", "on": f"{role} {name!r}"}


def _stop(answer: str) -> Row:
    return {"do": "stop", "text": answer}
