"""Web pages as Mind2Web shows them to a model: what lies around a few elements, in one line of text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_ID = "backend_node_id"
_DEPTH, _DESCENDANTS, _SIBLINGS = 5, 50, 3  # how much of an element's surroundings is kept
_WORDS, _VALUE_WORDS, _LONG_WORD, _TITLE_WORDS = 20, 5, 15, 10
_TOLD = (  # attributes that are shown, in this order
    "role aria_role type alt aria_description aria_label label title name text_value value placeholder input_checked "
    "input_value option_selected class"
).split()
_MEANINGLESS = ("hidden", "none", "presentation", "null", "undefined")
_SIGNS = {
    "&quot;": '"',
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "&nbsp;": " ",
    "&ndash;": "-",
    "&rsquo;": "'",
    "&lsquo;": "'",
    "&ldquo;": '"',
    "&rdquo;": '"',
    "&#39;": "'",
    "&#40;": "(",
    "&#41;": ")",
}


class Choice(NamedTuple):
    """An element that can be chosen, and the beginning of its text."""

    element: str
    title: str


def show(html: str, elements: Collection[str]) -> tuple[str, list[Choice]]:
    """The page around some elements, and these elements in the order of the page.

    Args:
        html: Mind2Web's cleaned page, well-formed XML.
        elements: ids of elements.

    Raises:
        ParseError: the page is not well-formed.
        KeyError: it has no such element.
    """
    page = _prune(ElementTree.fromstring(html), elements)
    numbers: dict[str, str] = {}
    text = _text(page, numbers)
    return text, [Choice(node.get(_ID, ""), _title(node, numbers)) for node in page.iter() if _ID in node.attrib]


def _title(node: Element, numbers: dict[str, str]) -> str:
    return " ".join(_text(node, numbers).split()[:_TITLE_WORDS])


def _prune(page: Element, elements: Collection[str]) -> Element:
    """Cut away what is far from the elements; only they keep their ids."""
    parents = {child: node for node in page.iter() for child in node}
    kept = set(_surroundings(page, elements, parents))
    for node in reversed(list(page.iter())):
        parent = parents.get(node)
        owner = parent if node.tag == "text" and parent is not None else node
        identity = owner.get(_ID, "")
        if identity not in kept and parent is not None:
            parent.remove(node)
            continue
        if identity not in elements or node.tag == "text":
            node.attrib.pop(_ID, None)
        if parent is not None and _is_empty(node):
            place = list(parent).index(node)
            for child in list(node):
                parents[child] = parent
                parent.insert(place, child)
            parent.remove(node)
    return page


def _is_empty(node: Element) -> bool:
    """Whether an element says nothing by itself and holds at most one other."""
    has_text = any(child.tag == "text" for child in node)
    return node.tag != "text" and not node.attrib and not has_text and len(node) <= 1


def _surroundings(page: Element, elements: Collection[str], parents: dict[Element, Element]) -> Iterator[str]:
    by_id = {node.get(_ID): node for node in reversed(list(page.iter()))}
    for identity in elements:
        node = by_id[identity]
        yield identity
        for descendant in list(_descendants(node, 0))[:_DESCENDANTS]:
            yield descendant.get(_ID, "")
        if node in parents:
            siblings = [child for child in parents[node] if child.tag != "text"]
            place = siblings.index(node)
            for sibling in siblings[max(0, place - _SIBLINGS) : place + _SIBLINGS + 1]:
                yield sibling.get(_ID, "")
        while node in parents:
            node = parents[node]
            yield node.get(_ID, "")


def _descendants(node: Element, depth: int) -> Iterator[Element]:
    if depth <= _DEPTH:
        for child in node:
            yield child
            yield from _descendants(child, depth + 1)


def _text(tree: Element, numbers: dict[str, str]) -> str:
    """An element as text; ids become numbers in the order in which they were met."""
    copy = ElementTree.fromstring(ElementTree.tostring(tree, encoding="unicode"))
    for node in copy.iter():
        if node.tag == "text":
            node.text = " ".join((node.text or "").split()[:_WORDS])
            continue
        told = _told(node)
        identity = node.get(_ID)
        node.attrib.clear()
        if identity:
            node.set("id", numbers.setdefault(identity, str(len(numbers))))
        if told:
            node.set("meta", told)
    text = ElementTree.tostring(copy, encoding="unicode").replace(" />", "/>").replace('"', " ")
    text = text.replace("meta= ", "").replace("id= ", "id=").replace(" >", ">")
    text = re.sub(r"<text>(.*?)</text>", r"\1", text)
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    return " ".join(text.split())


def _told(node: Element) -> str:
    """What an element's attributes say, in a few words."""
    values: dict[str, None] = {}
    for name in _TOLD:
        value = node.get(name, "").lower()
        if value not in _MEANINGLESS and not value.startswith("http"):
            short = [word for word in value.split() if len(word) < _LONG_WORD][:_VALUE_WORDS]
            values[" ".join(short)] = None
    return " ".join(" ".join(values).split()[:_WORDS])
