"""A shop in WebShop's raw files: things in colours, as in the trajectories that train, but other combinations."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

from agentflan.world.lexicon import COLORS, THINGS, VALUES

Row = dict[str, Any]

_SIZES = ("small", "medium", "large")
_TOP_PRICE = "990"  # dollars; the shop names no highest price for such a product


def prompt() -> Row:
    """The instruction of the trajectories that train."""
    return {
        "instruction": "You shop on the web. Each turn has Thought and Action; "
        "Action is search[words] or click[button].",
        "acknowledgement": "Ok.",
    }


def wish(item: str) -> str:
    """What a customer asks for."""
    return f"Find a {item}"


def files(rng: random.Random, count: int, taken: Collection[str]) -> dict[str, Any]:
    """Upstream's files by name, with `count` wishes.

    Args:
        rng: what the products are drawn from.
        count: wishes; as many products, each with one wish, as there are codes, and for the rest a wish for a size.
            One product in three comes in sizes, and has a price that wishes can bound.
        taken: wishes that train; none of these is among them.
    """
    free = [(color, thing) for color in COLORS for thing in THINGS if wish(f"{color} {thing}") not in taken]
    codes = rng.sample(VALUES, min(count, len(VALUES), len(free)))
    kinds = rng.sample(free, len(codes))
    products = [
        _product(f"B{code}", *kind, sized=index % 3 == 0)
        for index, (code, kind) in enumerate(zip(codes, kinds, strict=True))
    ]
    wishes = {product["asin"]: [_wish(product, "")] for product in products}
    sized = [product for product in products if product["customization_options"]]
    for index in range(count - len(products)):
        product = sized[index % len(sized)]
        wishes[product["asin"]].append(_wish(product, _SIZES[index // len(sized) % len(_SIZES)]))
    return {
        "items_shuffle_1000.json": products,
        "items_ins_v2_1000.json": {product["asin"]: {"attributes": [_color(product)]} for product in products},
        "items_human_ins.json": wishes,
    }


def _product(code: str, color: str, thing: str, sized: bool) -> Row:
    return {
        "asin": code,
        "name": f"{color} {thing}",
        "full_description": f"This is a {color} {thing}.",
        "small_description": [f"The color of the {thing} is {color}."],
        "category": "home",
        "query": thing,
        "product_category": f"home › {thing}",
        "pricing": f"${code[1:] if sized else _TOP_PRICE}",
        "customization_options": {"size": [{"value": size} for size in _SIZES]} if sized else {},
        "source": "embedded world",
    }


def _wish(product: Row, size: str) -> Row:
    item = f"{product['name']} in size {size}" if size else product["name"]
    return {
        "instruction": wish(item),
        "instruction_attributes": [_color(product)],
        "instruction_options": [size] if size else [],
    }


def _color(product: Row) -> str:
    return product["name"].partition(" ")[0]
