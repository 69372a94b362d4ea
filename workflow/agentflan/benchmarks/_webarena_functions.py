"""The functions that WebArena's tasks call by name (``func:…``): each one is written out here, no text is ever run.

They ask the shop's REST interface (Magento's) or look at the current page.
"""

from __future__ import annotations

import ast
import json
import re
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from agentflan.benchmarks._browser import PageFailed, Visit
from agentflan.benchmarks._web_hosts import Hosts
from agentflan.errors import NotAvailable

_PATIENCE = 30  # seconds
_CALL = re.compile(r"func:(\w+)\((.*)\)", re.DOTALL)
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_NEWEST = {
    "searchCriteria[sortOrders][0][field]": "created_at",
    "searchCriteria[sortOrders][0][direction]": "DESC",
    "searchCriteria[pageSize]": "1",
}
_ROLE_OF_MEMBER = """account => {
    const labels = [...document.querySelectorAll("td[data-label='Account'] span.gl-avatar-labeled-sublabel")];
    const place = labels.findIndex(label => label.outerText === "@" + account);
    return document.querySelectorAll("td.col-max-role span")[place].outerText;
}"""


class Function(NamedTuple):
    """A call in a task: the name of the function and its arguments, all of them strings."""

    name: str
    arguments: tuple[str, ...]


def parse_call(text: str) -> Function | None:
    """The call that a text of a task is, if it is one of a known function; ``__page__`` is no argument."""
    match = _CALL.fullmatch(text.strip())
    if not match or match[1] not in _FUNCTIONS:
        return None
    try:
        given = ast.literal_eval(f"[{match[2].replace('__page__', 'None')}]")
    except (SyntaxError, ValueError):
        return None
    arguments = tuple(value for value in given if value is not None)
    wanted = _FUNCTIONS[match[1]][1]
    fits = len(arguments) == wanted and all(isinstance(value, str) for value in arguments)
    return Function(match[1], arguments) if fits else None


def call(function: Function, visit: Visit, hosts: Hosts) -> str:
    """What a function gives; addresses with the sites' known names. "" where the site holds no such thing."""
    arguments = [argument.replace("__last_url__", hosts.to_public(visit.url)) for argument in function.arguments]
    try:
        return _FUNCTIONS[function.name][0](visit, hosts, *arguments)
    except (PageFailed, OSError, KeyError, IndexError, TypeError, ValueError):
        return ""


def post_url(url: str) -> str:
    """The address of the post that an address of the forum belongs to (``/f/{forum}/{post}/…``); else the same."""
    parts = urlsplit(url)
    names = parts.path.split("/")
    if len(names) < 4 or names[1] != "f":
        return url
    return f"{parts.scheme}://{parts.netloc}/f/{names[2]}/{names[3]}/"


def _latest_order_url(visit: Visit, hosts: Hosts) -> str:
    orders = _ask_shop(hosts, f"/rest/V1/orders?{urlencode(_NEWEST)}")
    return hosts.to_public(
        f"{hosts.real['shopping']}/sales/order/view/order_id/{int(orders['items'][0]['increment_id'])}/"
    )


def _latest_review(hosts: Hosts, sku: str) -> dict[str, Any]:
    return _ask_shop(hosts, f"/rest/V1/products/{quote(sku)}/reviews")[-1]


def _latest_review_author(visit: Visit, hosts: Hosts, sku: str) -> str:
    return _latest_review(hosts, sku)["nickname"]


def _latest_review_rating(visit: Visit, hosts: Hosts, sku: str) -> str:
    return str(_latest_review(hosts, sku)["ratings"][0]["percent"])


def _member_role(visit: Visit, hosts: Hosts, account: str) -> str:
    return visit.evaluate(_ROLE_OF_MEMBER, account)


def _ask_shop(hosts: Hosts, path: str) -> Any:
    """An answer of the shop's REST interface, as its administrator."""
    if "shopping_admin" not in hosts.accounts:
        raise NotAvailable("the shop's REST interface needs the account of its administrator")
    user, password = hosts.accounts["shopping_admin"]
    body = json.dumps({"username": user, "password": password}).encode()
    token = _json(hosts, "/rest/default/V1/integration/admin/token", body)
    return _json(hosts, path, None, {"Authorization": f"Bearer {token}"})


def _json(hosts: Hosts, path: str, body: bytes | None, headers: dict[str, str] | None = None) -> Any:
    head = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(hosts.real["shopping"] + path, data=body, headers=head)
    with _DIRECT.open(request, timeout=_PATIENCE) as response:
        return json.load(response)


# Under upstream's names (one of them misspelt), with the number of their arguments.
_FUNCTIONS: dict[str, tuple[Callable[..., str], int]] = {
    "shopping_get_latest_order_url": (_latest_order_url, 0),
    "shopping_get_sku_latest_review_author": (_latest_review_author, 1),
    "shopping_get_sku_latest_review_rating": (_latest_review_rating, 1),
    "reddit_get_post_url": (lambda visit, hosts, url: post_url(url), 1),
    "gitlab_get_project_memeber_role": (_member_role, 1),
}
