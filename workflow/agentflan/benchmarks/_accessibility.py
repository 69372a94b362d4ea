"""The accessibility tree of the visible part of a page as text, one element a line, as WebArena's agents read it.

Upstream shows Chromium's own numbers of the nodes, which differ from one run to the next; here the lines of each
observation are numbered from 1, so that the same page gives the same text. What is shown of the tree is upstream's:
nodes whose box and those below it reach into the window, no empty containers, no text that one of the three lines
before has, and no text with an apostrophe: upstream's pattern does not know it, so its agents never saw one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Box = tuple[float, float, float, float]  # left, top, width, height in CSS pixels of the whole page

# Upstream's list, and `url`, which newer Chromiums add: it would tell the real host.
_HIDDEN_PROPERTIES = {"focusable", "editable", "readonly", "level", "settable", "multiline", "invalid", "url"}
_CONTAINERS = set("generic img list strong paragraph banner navigation Section LabelText Legend".split())
_LAYOUT_ROLES = {"InlineTextBox", "ListMarker"}  # how a text is broken into lines; newer Chromiums tell it
_LINES_BEFORE = 3
_QUOTED_TEXT = re.compile(r"StaticText '([^']+)'")


class Window(NamedTuple):
    """The visible part of a page, in CSS pixels: its left upper corner and its size."""

    left: float
    top: float
    width: float
    height: float


class Element(NamedTuple):
    """An element that is shown.

    Attributes:
        text: role, name and properties, as shown behind the id.
        x, y: its middle, in CSS pixels of the window.
    """

    text: str
    x: float
    y: float


def visible_tree(
    nodes: list[dict[str, Any]], snapshot: Mapping[str, Any], window: Window
) -> tuple[str, dict[int, Element]]:
    """The text of the tree, and its elements by id.

    Args:
        nodes: what ``Accessibility.getFullAXTree`` gives.
        snapshot: what ``DOMSnapshot.captureSnapshot`` gives.
        window: the visible part.
    """
    own, whole = _boxes(snapshot)
    by_id = {node["nodeId"]: node for node in reversed(nodes)}  # a few are repeated: the first counts
    places = {name: _place(name, by_id, own, whole) for name in by_id}
    shown = {name for name, place in places.items() if place and _reaches_into(place[1], window)}
    root = nodes[0]["nodeId"]
    if root not in shown:
        return "", {}
    lines: list[str] = []
    elements: dict[int, Element] = {}
    for name, depth, text in _walk(root, 0, by_id, shown):
        if _is_left_out(text, lines[-_LINES_BEFORE:]):
            continue
        left, top, width, height = places[name][0]
        number = len(elements) + 1
        elements[number] = Element(text, left - window.left + width / 2, top - window.top + height / 2)
        lines.append(f"{chr(9) * depth}[{number}] {text}")
    return "\n".join(lines), elements


def _is_left_out(text: str, before: list[str]) -> bool:
    """Whether the line of a text says nothing new, or is one that upstream loses."""
    if "statictext" not in text.lower():
        return False
    found = _QUOTED_TEXT.search(text)
    return not found or any(found[1] in line for line in before)


def _walk(name: str, depth: int, by_id: dict[str, Any], shown: set[str]) -> Iterator[tuple[str, int, str]]:
    """Id, depth and text of each line; the children of what gets no line take its place."""
    stack = [(name, depth)]
    while stack:
        name, depth = stack.pop()
        text = _text(by_id[name])
        if text:
            yield name, depth, text
        below = depth + 1 if text else depth
        stack += [(child, below) for child in reversed(by_id[name].get("childIds", ())) if child in shown]


def _text(node: dict[str, Any]) -> str:
    """The line of a node; "" if it gets none."""
    if node.get("ignored") or "backendDOMNodeId" not in node:
        return ""
    role, name = (str(node.get(key, {}).get("value", "")) for key in ("role", "name"))
    properties = [
        f"{row['name']}: {row['value']['value']}"
        for row in node.get("properties", ())
        if row["name"] not in _HIDDEN_PROPERTIES and "value" in row.get("value", {})
    ]
    empty = not name.strip() and (role == "listitem" or (role in _CONTAINERS and not properties))
    return "" if empty or role in _LAYOUT_ROLES else " ".join([role, repr(name), *properties])


def _boxes(snapshot: Mapping[str, Any]) -> tuple[dict[int, Box], dict[int, Box]]:
    """By Chromium's number of a node: its own box, and the box around it and all below it."""
    document = snapshot["documents"][0]
    numbers, parents = document["nodes"]["backendNodeId"], document["nodes"]["parentIndex"]
    laid_out = dict(zip(document["layout"]["nodeIndex"], map(tuple, document["layout"]["bounds"]), strict=True))
    whole: dict[int, Box] = {}
    for index in range(len(numbers) - 1, -1, -1):  # children stand behind their parents
        if index in laid_out:
            whole[index] = around = _union(laid_out[index], whole.get(index))
            parent = parents[index]
            if parent in laid_out:
                whole[parent] = _union(around, whole.get(parent))
    return (
        {numbers[index]: box for index, box in laid_out.items()},
        {numbers[index]: box for index, box in whole.items() if index in laid_out},
    )


def _union(box: Box, other: Box | None) -> Box:
    """The box around two; one without area counts for nothing."""
    boxes = [each for each in (box, other) if each and not math.isclose(each[2] * each[3], 0, abs_tol=1e-6)]
    if not boxes:
        return (0.0, 0.0, 0.0, 0.0)
    left, top = min(each[0] for each in boxes), min(each[1] for each in boxes)
    right, bottom = max(each[0] + each[2] for each in boxes), max(each[1] + each[3] for each in boxes)
    return (left, top, right - left, bottom - top)


def _place(name: str, by_id: dict[str, Any], own: dict[int, Box], whole: dict[int, Box]) -> tuple[Box, Box] | None:
    """A node's own box and the one around what is below it; those of the next node above that has some."""
    while name in by_id:
        number = by_id[name].get("backendDOMNodeId")
        if number in own:
            return own[number], whole[number]
        name = by_id[name].get("parentId", "")
    return None


def _reaches_into(box: Box, window: Window) -> bool:
    left, top, width, height = box
    across = left < window.left + window.width and left + width >= window.left
    return across and top < window.top + window.height and top + height >= window.top
