"""Small sites of our own: a shop and a forum, served on the loopback, each episode with its own fresh copy.

The shop answers at the addresses of WebArena's shop as far as its evaluators know them (orders, the REST interface),
the forum at those of its forum. Pages hold no address, time or port, so the same steps show the same bytes.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from agentflan.benchmarks._web_hosts import Hosts

READER = "reader"  # who is logged in on both sites
_ADMINISTRATOR = ("administrator", "embedded")  # of the shop's REST interface; it guards nothing
_TOKEN = "embedded"
_POLL = 0.02  # seconds until a server notices that it shall end
_LONGEST_FORM = 100_000  # bytes


class Answer(NamedTuple):
    """What a site answers: a page, JSON, or the place to go to."""

    status: int
    body: str = ""
    kind: str = "text/html; charset=utf-8"
    place: str = ""


class Shop:
    """Products in categories, a cart, orders and reviews.

    Args:
        content: ``{"products": [{"sku", "name", "category", "price", "reviews": [{"nickname", "rating", "text"}]}]}``.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self._products = {product["sku"]: product for product in content["products"]}
        self._cart: list[str] = []
        self._orders: list[list[str]] = []

    def get(self, path: list[str], query: dict[str, str]) -> Answer:
        """A page, or an answer of the REST interface."""
        match path:
            case []:
                kinds = sorted({product["category"] for product in self._products.values()})
                return self._page("Shop", _list(_link(f"/category/{kind}", kind) for kind in kinds))
            case ["category", kind]:
                return self._listing(kind, [row for row in self._products.values() if row["category"] == kind])
            case ["search"]:
                words = query.get("q", "").lower().split()
                rows = self._products.values()
                return self._listing("Found", [row for row in rows if all(word in row["name"] for word in words)])
            case ["product", sku] if sku in self._products:
                return self._product(self._products[sku])
            case ["cart"]:
                button = _form("/cart/order", "", "Place Order") if self._cart else "<p>It is empty.</p>"
                return self._page("Cart", _list(self._name(sku) for sku in self._cart) + button)
            case ["orders"]:
                numbers = range(1, len(self._orders) + 1)
                return self._page("Orders", _list(_link(_order_path(number), f"Order {number}") for number in numbers))
            case ["sales", "order", "view", "order_id", number] if self._has_order(number):
                names = _list(self._name(sku) for sku in self._orders[int(number) - 1])
                return self._page(f"Order {number}", f'<div class="order-details-items ordered">{names}</div>')
            case ["rest", "V1", "orders"]:
                rows = [{"increment_id": f"{number:09d}"} for number in range(len(self._orders), 0, -1)]
                return _json({"items": rows[: int(query.get("searchCriteria[pageSize]", "100"))]})
            case ["rest", "V1", "products", sku, "reviews"] if sku in self._products:
                return _json([_rest_review(review) for review in self._products[sku]["reviews"]])
        return Answer(404, _document("Not found", "", "<p>There is no such page.</p>"))

    def post(self, path: list[str], form: dict[str, str]) -> Answer:
        """Put into the cart, order, write a review, or ask for the REST interface's token."""
        match path:
            case ["cart", "add", sku] if sku in self._products:
                self._cart.append(sku)
                return Answer(303, place="/cart")
            case ["cart", "order"] if self._cart:
                self._orders.append(self._cart)
                self._cart = []
                return Answer(303, place=_order_path(len(self._orders)))
            case ["review", sku] if sku in self._products and form.get("stars", "") in "12345":
                review = {"nickname": READER, "rating": int(form.get("stars") or 5), "text": form.get("review", "")}
                self._products[sku]["reviews"].append(review)
                return Answer(303, place=f"/product/{sku}")
            case ["rest", "default", "V1", "integration", "admin", "token"]:
                return _json(_TOKEN)
        return Answer(400, _document("Not possible", "", "<p>This cannot be done.</p>"))

    def _listing(self, title: str, products: list[dict[str, Any]]) -> Answer:
        rows = _list(_link(f"/product/{row['sku']}", row["name"]) for row in products)
        return self._page(title, rows or "<p>Nothing.</p>")

    def _product(self, product: dict[str, Any]) -> Answer:
        reviews = "".join(
            f"<p>{row['rating']} stars by {escape(row['nickname'])}: {escape(row['text'])}</p>"
            for row in product["reviews"]
        )
        fields = _field("stars", "Stars") + _field("review", "Review")
        buy = _form(f"/cart/add/{product['sku']}", "", "Add to Cart")
        write = _form(f"/review/{product['sku']}", fields, "Submit Review")
        return self._page(product["name"], f"<p>Price ${product['price']}</p>{buy}{reviews}{write}")

    def _name(self, sku: str) -> str:
        return escape(self._products[sku]["name"])

    def _has_order(self, number: str) -> bool:
        return number.isdecimal() and 0 < int(number) <= len(self._orders)

    def _page(self, title: str, body: str) -> Answer:
        search = '<form action="/search"><input type="search" name="q" aria-label="Search"></form>'
        head = _link("/", "Home") + search + _link("/cart", "Cart") + " " + _link("/orders", "Orders")
        return Answer(200, _document(title, head, body))


class Forum:
    """Forums with posts that can be read, written, commented and voted for.

    Args:
        content: ``{"forums": {name: [{"id", "title", "body", "author"}]}}``.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self._forums: dict[str, list[dict[str, Any]]] = content["forums"]
        self._voted: set[int] = set()

    def get(self, path: list[str], query: dict[str, str]) -> Answer:
        """A page."""
        match path:
            case []:
                return self._page("Forums", _list(_link(f"/f/{name}", name) for name in sorted(self._forums)))
            case ["f", name] if name in self._forums:
                rows = _list(_link(_post_path(name, post), post["title"]) for post in self._forums[name])
                return self._page(name, _link(f"/submit/{name}", "Submit") + rows)
            case ["f", name, number, *_] if post := self._post(name, number):
                return self._page(post["title"], self._submission(post))
            case ["submit", name] if name in self._forums:
                fields = _field("title", "Title") + _field("body", "Body")
                return self._page(f"Submit to {name}", _form(f"/submit/{name}", fields, "Create"))
        return Answer(404, _document("Not found", "", "<p>There is no such page.</p>"))

    def post(self, path: list[str], form: dict[str, str]) -> Answer:
        """Write a post, or vote for one."""
        match path:
            case ["submit", name] if name in self._forums and form.get("title", "").strip():
                number = 1 + max(post["id"] for posts in self._forums.values() for post in posts)
                post = {"id": number, "title": form["title"].strip(), "body": form.get("body", ""), "author": READER}
                self._forums[name].append(post)
                return Answer(303, place=_post_path(name, post))
            case ["vote", name, number] if post := self._post(name, number):
                self._voted ^= {post["id"]}
                return Answer(303, place=_post_path(name, post))
        return Answer(400, _document("Not possible", "", "<p>This cannot be done.</p>"))

    def _post(self, name: str, number: str) -> dict[str, Any] | None:
        return next((post for post in self._forums.get(name, ()) if str(post["id"]) == number), None)

    def _submission(self, post: dict[str, Any]) -> str:
        name = next(name for name, posts in self._forums.items() if post in posts)
        mark = " vote--user-upvoted" if post["id"] in self._voted else ""
        vote = (
            f'<form class="vote{mark}" method="post" action="/vote/{name}/{post["id"]}"><button>Upvote</button></form>'
        )
        text = f"<p>{escape(post['body'])}</p><p>by {escape(post['author'])}</p>"
        title = f"<h2>{escape(post['title'])}</h2>"
        return f'<div class="submission__inner">{title}{text}</div><div class="submission__vote">{vote}</div>'

    def _page(self, title: str, body: str) -> Answer:
        return Answer(200, _document(title, _link("/", "Forums"), body))


@contextmanager
def serve(content: dict[str, Any]) -> Iterator[Hosts]:
    """Fresh sites, as long as they are needed.

    Args:
        content: what they begin with: {"shopping": see `Shop`, "reddit": see `Forum`}.
    """
    content = copy.deepcopy(content)
    servers = {"shopping": _server(Shop(content["shopping"])), "reddit": _server(Forum(content["reddit"]))}
    for server in servers.values():
        threading.Thread(target=server.serve_forever, args=(_POLL,), daemon=True).start()
    try:
        real = {site: f"http://127.0.0.1:{server.server_address[1]}" for site, server in servers.items()}
        yield Hosts(real, {"shopping_admin": _ADMINISTRATOR})
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()


def _server(site: Shop | Forum) -> ThreadingHTTPServer:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._send(site.get, parts.path, parts.query)

        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), _LONGEST_FORM)
            self._send(site.post, urlsplit(self.path).path, self.rfile.read(length).decode("utf-8", "replace"))

        def _send(self, answer: Callable[[list[str], dict[str, str]], Answer], path: str, fields: str) -> None:
            names = [unquote(name) for name in path.split("/") if name]
            with lock:
                found = answer(names, {key: values[0] for key, values in parse_qs(fields).items()})
            body = found.body.encode()
            self.send_response(found.status)
            for key, value in (("Content-Type", found.kind), ("Location", found.place)):
                if value:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


def _document(title: str, head: str, body: str) -> str:
    title = escape(title)
    icon = '<link rel="icon" href="data:,">'  # or else the browser asks for one
    return f"<!doctype html><title>{title}</title>{icon}{head}<h1>{title}</h1>{body}"


def _link(path: str, text: str) -> str:
    return f'<a href="{escape(path)}">{escape(text)}</a>'


def _list(items: Iterable[str]) -> str:
    rows = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{rows}</ul>" if rows else ""


def _form(path: str, fields: str, button: str) -> str:
    return f'<form method="post" action="{escape(path)}">{fields}<button>{button}</button></form>'


def _field(name: str, label: str) -> str:
    return f'<input name="{name}" aria-label="{label}">'


def _order_path(number: int) -> str:
    return f"/sales/order/view/order_id/{number}/"


def _post_path(name: str, post: dict[str, Any]) -> str:
    return f"/f/{quote(name)}/{post['id']}/{quote('-'.join(post['title'].lower().split()), safe='')}"


def _rest_review(review: dict[str, Any]) -> dict[str, Any]:
    rating = {"rating_name": "Rating", "percent": 20 * review["rating"]}
    return {"nickname": review["nickname"], "detail": review["text"], "ratings": [rating]}


def _json(value: Any) -> Answer:
    return Answer(200, json.dumps(value), "application/json")
