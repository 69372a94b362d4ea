"""WebShop's pages in text, and what is clicked on them; products are found by BM25 over their text.

Upstream searches with Lucene, which cuts words to stems; here words are compared as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Product = dict[str, Any]  # see agentflan.datasets.agentbench_webshop

BUY, BACK, PREVIOUS, NEXT, SEARCH = "Buy Now", "Back to Search", "< Prev", "Next >", "Search"
_SUB_PAGES = ("Description", "Features", "Reviews")
_FOUND, _PAGE = 50, 10  # products of a search, and of one page
_K1, _B = 0.9, 0.4  # of BM25; Lucene's in upstream's wrapper
_SEPARATOR = " [SEP] "
_ACTION = re.compile(r"(.+)\[(.+)\]")


class Shop:
    """Products and their index."""

    def __init__(self, products: Sequence[Product]) -> None:
        self.products = {product["code"]: product for product in products}
        self._codes = list(self.products)

    def search(self, words: str) -> list[str]:
        """Codes of the products that share words with the query, best first; ties in the order of the file."""
        index = self._index
        known = [word for word in _words(words) if word in index.vocab_dict]
        if not known:
            return []
        scores = index.get_scores(known)
        order = sorted((place for place in scores.nonzero()[0]), key=lambda place: (-scores[place], place))
        return [self._codes[place] for place in order[:_FOUND]]

    @cached_property
    def _index(self) -> Any:
        import bm25s

        index = bm25s.BM25(k1=_K1, b=_B, method="lucene")
        index.index([_words(_indexed(product)) for product in self.products.values()], show_progress=False)
        return index


@dataclass
class Visit:
    """One customer in the shop.

    Attributes:
        shop: where.
        wish: the instruction, shown on every page.
        page: "start", "results", "item", or a sub-page of an item.
        code: the product that is looked at.
        options: the chosen options of that product.
        bought: product and options, once bought.
    """

    shop: Shop
    wish: str
    page: str = "start"
    query: str = ""
    number: int = 1
    code: str = ""
    options: dict[str, str] = field(default_factory=dict)
    bought: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The page."""
        return _SEPARATOR.join(self._parts())

    @property
    def buttons(self) -> list[str]:
        """What can be clicked, in small letters."""
        if self.page == "start":
            return [SEARCH.lower()]
        buttons = [BACK, *self._turns()]
        if self.page == "results":
            buttons += self._codes_shown()
        if self.page == "item":
            buttons += [*_SUB_PAGES, BUY, *(value for values in self._product["options"].values() for value in values)]
        return list(dict.fromkeys(button.lower() for button in buttons))

    def act(self, action: str) -> None:
        """Search from any page, or click what can be clicked; anything else does nothing."""
        match = _ACTION.match(action)
        name, value = (match[1], match[2].lower()) if match else ("", "")
        if name == "search":
            self._search(value)
        elif name == "click" and value in self.buttons and value != SEARCH.lower():
            self._click(value)

    @property
    def _product(self) -> Product:
        return self.shop.products[self.code]

    def _search(self, query: str, number: int = 1) -> None:
        self.page, self.query, self.number, self.code, self.options = "results", query, number, "", {}

    def _click(self, value: str) -> None:
        if value == BUY.lower():
            self.bought = {"code": self.code, "options": dict(self.options)}
        elif value == BACK.lower():
            self._search("")
            self.page = "start"
        elif value == NEXT.lower():
            self._search(self.query, self.number + 1)
        elif value == PREVIOUS.lower():
            self._go_back()
        elif value in map(str.lower, _SUB_PAGES):
            self.page = value.capitalize()
        elif self.page == "results":
            self.page, self.code = "item", value.upper()
        else:
            self.options |= {name: value for name, values in self._product["options"].items() if value in values}

    def _go_back(self) -> None:
        if self.page == "results":
            self._search(self.query, self.number - 1)
        elif self.page == "item":
            self._search(self.query, self.number)
        else:
            self.page = "item"

    def _turns(self) -> list[str]:
        """The buttons that turn pages."""
        if self.page != "results":
            return [PREVIOUS]
        more = self.number * _PAGE < len(self._found())
        return [PREVIOUS] * (self.number > 1) + [NEXT] * more

    def _found(self) -> list[str]:
        return self.shop.search(self.query)

    def _codes_shown(self) -> list[str]:
        return self._found()[(self.number - 1) * _PAGE : self.number * _PAGE]

    def _parts(self) -> list[str]:
        if self.page == "start":
            return ["WebShop", "Instruction:", self.wish, SEARCH]
        parts = ["Instruction:", self.wish, BACK]
        if self.page == "results":
            parts += [f"Page {self.number} (Total results: {len(self._found())})", *self._turns()]
            shown = [self.shop.products[code] for code in self._codes_shown()]
            return parts + [text for product in shown for text in (product["code"], product["name"], _price(product))]
        parts += self._turns()
        if self.page == "item":
            return parts + self._item()
        return parts + {"Description": [self._product["description"]], "Features": self._product["bullets"]}.get(
            self.page, []
        )

    def _item(self) -> list[str]:
        product = self._product
        options = [text for name, values in product["options"].items() for text in (name, *values)]
        return [*options, product["name"], f"Price: {_price(product)}", "Rating: N.A.", *_SUB_PAGES, BUY]


def _indexed(product: Product) -> str:
    """What the search looks at: name, description, first bullet, options."""
    options = ", ".join(f"{name}: {value}" for name, values in product["options"].items() for value in values)
    return " ".join([product["name"], product["description"], *product["bullets"][:1], options])


def _price(product: Product) -> str:
    return " to ".join(f"${price}" for price in product["prices"])


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
