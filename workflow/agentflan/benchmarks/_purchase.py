"""WebShop's reward: how much of what was wanted was bought, 0–1.

The share of attributes, options and the price that fit, times how well the type of the product fits: the rules of
``get_reward`` in WebShop's ``engine/goal.py``. Upstream takes the nouns of the names from spaCy's large model; the
heuristic here takes all words that are no small words, no everyday colours and no adjectives by their ending.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import NamedTuple

from agentflan.benchmarks._shop import Product
from agentflan.errors import NotAvailable

Nouns = Callable[[str], list[str]]

_ALIKE = 85  # of 100, by thefuzz
_SPACY_MODEL = "en_core_web_lg"
COLOURS = (  # everyday ones, which are no nouns
    "beige black blue brown bronze copper cream gold gray green grey ivory khaki maroon navy olive orange pink purple "
    "red rose silver tan teal turquoise violet white yellow"
).split()
_SMALL = set(
    "a an and are as at by for from in into is it of on or out over per so than that the this to up with without your "
    "new best all more most other each both any very".split()
)
_ADJECTIVE = re.compile(r".+(?:able|ible|ful|less|ous|ive|ish|ical|est)")


class Goal(NamedTuple):
    """What is wanted.

    Attributes:
        text: the instruction as the customer gets it.
        code: the product that the instruction was written for.
        attributes: what it should be.
        options: the values of its options that are wanted.
        price: at most so many dollars.
    """

    text: str
    code: str
    attributes: tuple[str, ...]
    options: tuple[str, ...]
    price: float


def reward(
    bought: Product,
    chosen: dict[str, str],
    price: float,
    goal: Goal,
    wanted: Product,
    nouns: Nouns,
    colours: Sequence[str] = COLOURS,
) -> float:
    """The reward of a purchase, 0–1.

    Args:
        bought: the product.
        chosen: its options by name.
        price: what it costs, in dollars.
        goal: what was wanted.
        wanted: the product that the goal was written for.
        nouns: takes the nouns from a name.
        colours: of options, see `colour_of`.
    """
    hits = count_attributes(bought, goal.attributes) + count_options(chosen.values(), goal.options, colours)
    whole = len(goal.attributes) + len(goal.options) + 1
    return fit_of_type(bought, wanted, nouns) * (hits + (price <= goal.price)) / whole


def fit_of_type(bought: Product, wanted: Product, nouns: Nouns) -> float:
    """1, 0.5, 0.1 or 0: whether it is the same type of product (``get_type_reward``)."""
    found, names = set(nouns(bought["name"])), nouns(wanted["name"])
    shared = len(found & set(names)) / len(names) if names else 0.2
    if shared < 0.1:
        return 0.1 if shared else 0.0
    same_query = bought["query"] == wanted["query"]
    same_category = len(set(bought["path"]) & set(wanted["path"])) >= 2
    return 1.0 if same_query or same_category or shared > 0.2 else 0.5


def count_attributes(bought: Product, attributes: Sequence[str]) -> int:
    """How many attributes the product has, by its own list or its text (``get_attribute_reward``)."""
    text = _texts(bought)
    return sum(
        any(_alike(own, wanted) for own in bought["attributes"]) or any(wanted in part for part in text)
        for wanted in attributes
    )


def count_options(chosen: Iterable[str], options: Sequence[str], colours: Sequence[str] = COLOURS) -> int:
    """How many of the wanted options are like one that was chosen (``get_option_reward``).

    What was chosen without being wanted counts nothing, and what the product's text says does not matter.
    """
    values = [colour_of(value, colours) for value in chosen]
    return sum(any(_alike(value, colour_of(option, colours)) for value in values) for option in options)


def colour_of(option: str, colours: Sequence[str]) -> str:
    """The first of some colours that is in an option, or else the option (``normalize_color``): their order counts."""
    return next((colour for colour in colours if colour in option), option)


def nouns_of(kind: str) -> Nouns:
    """How nouns are found: `heuristic` or `spacy`.

    Raises:
        NotAvailable: spaCy or its model is not installed.
    """
    return _spacy_nouns() if kind == "spacy" else guess_nouns


def guess_nouns(name: str) -> list[str]:
    """The words of a name that may be nouns, in small letters."""
    words = re.findall(r"[a-z]+", name.lower())
    return [word for word in words if word not in _SMALL | set(COLOURS) and not _ADJECTIVE.fullmatch(word)]


@cache
def _spacy_nouns() -> Nouns:
    try:
        import spacy

        parse = spacy.load(_SPACY_MODEL)
    except (ImportError, OSError):
        raise NotAvailable(f"WebShop's reward needs spaCy and its model {_SPACY_MODEL}") from None
    return lambda name: [token.text.lower() for token in parse(name) if token.pos_ in ("NOUN", "PROPN")]


def _texts(product: Product) -> tuple[str, ...]:
    return product["name"].lower(), " ".join(product["bullets"]).lower(), product["description"].lower()


def _alike(left: str, right: str) -> bool:
    from thefuzz import fuzz

    return fuzz.token_set_ratio(left, right) > _ALIKE
