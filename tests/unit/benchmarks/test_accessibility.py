"""The text of an accessibility tree: what is shown of it, and where its elements are."""

from __future__ import annotations

from typing import Any

from agentflan.benchmarks._accessibility import Window, visible_tree

WINDOW = Window(0, 0, 1280, 720)


class Page:
    """Nodes with boxes, in the form in which Chromium tells them."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.parents: list[int] = []
        self.boxes: list[tuple[float, float, float, float] | None] = []
        self.add("RootWebArea", "Page", None)

    def add(
        self,
        role: str,
        name: str,
        parent: int | None = 0,
        box: tuple[float, float, float, float] | None = (0, 0, 100, 20),
        **properties: Any,
    ) -> int:
        """A node; its place."""
        place = len(self.nodes)
        node = {
            "nodeId": str(place),
            "backendDOMNodeId": place + 100,
            "role": {"value": role},
            "name": {"value": name},
            "childIds": [],
            "properties": [{"name": key, "value": {"value": value}} for key, value in properties.items()],
        }
        if parent is not None:
            node["parentId"] = str(parent)
            self.nodes[parent]["childIds"].append(str(place))
        self.nodes.append(node)
        self.parents.append(-1 if parent is None else parent)
        self.boxes.append(box)
        return place

    def show(self, window: Window = WINDOW) -> tuple[list[str], dict[int, Any]]:
        """The lines and the elements."""
        laid_out = [place for place, box in enumerate(self.boxes) if box]
        document = {
            "nodes": {"backendNodeId": [place + 100 for place in range(len(self.nodes))], "parentIndex": self.parents},
            "layout": {"nodeIndex": laid_out, "bounds": [list(self.boxes[place]) for place in laid_out]},
        }
        text, elements = visible_tree(self.nodes, {"documents": [document]}, window)
        return text.split("\n"), elements


def test_lines_are_numbered_and_indented() -> None:
    page = Page()
    page.add("link", "Home", focused=True)
    page.add("StaticText", "Rain: 4 mm", page.add("heading", "Report"))

    assert page.show()[0] == [
        "[1] RootWebArea 'Page'",
        "\t[2] link 'Home' focused: True",
        "\t[3] heading 'Report'",
        "\t\t[4] StaticText 'Rain: 4 mm'",
    ]


def test_empty_containers_give_their_place_to_what_they_hold() -> None:
    page = Page()
    page.add("button", "Go", page.add("generic", "", page.add("list", "", page.add("listitem", "", required=False))))
    page.add("listitem", "First")  # with a name it is shown
    page.add("generic", "", busy=True)
    page.add("img", "A pot")

    assert page.show()[0][1:] == [
        "\t[2] button 'Go'",
        "\t[3] listitem 'First'",
        "\t[4] generic '' busy: True",
        "\t[5] img 'A pot'",
    ]


def test_ignored_nodes_layout_and_hidden_properties_get_no_line() -> None:
    page = Page()
    page.nodes[page.add("link", "Gone")]["ignored"] = True
    page.add("InlineTextBox", "Home", page.add("link", "Home", url="http://127.0.0.1:8001/", focusable=True))

    assert page.show()[0] == ["[1] RootWebArea 'Page'", "\t[2] link 'Home'"]


def test_text_that_was_just_said_is_left_out() -> None:
    page = Page()
    page.add("StaticText", "Home", page.add("link", "Home page"))
    for name in ("Cart", "Orders", "Rain", "Home"):
        page.add("StaticText", name)

    assert [line.split("'")[1] for line in page.show()[0]] == ["Page", "Home page", "Cart", "Orders", "Rain", "Home"]


def test_text_with_an_apostrophe_is_lost_as_upstream_loses_it() -> None:
    page = Page()
    page.add("StaticText", "It's raining")
    page.add("button", "Let's go")

    assert page.show()[0][1:] == ['\t[2] button "Let\'s go"']


def test_only_what_reaches_into_the_window_is_shown() -> None:
    page = Page()
    page.add("link", "above", box=(0, 0, 50, 20))
    page.add("link", "half", box=(10, 90, 50, 20))
    page.add("link", "below", box=(0, 900, 50, 20))
    outer = page.add("form", "Search", box=(0, 5, 50, 0))  # it has no area, but what it holds is in the window
    page.add("searchbox", "Words", outer, box=(20, 200, 40, 20))
    lines, elements = page.show(Window(0, 100, 1280, 720))

    assert [line.split("'")[1] for line in lines] == ["Page", "half", "Search", "Words"]
    assert (elements[2].x, elements[2].y) == (35, 0)  # the middle, from the corner of the window
    assert (elements[4].x, elements[4].y) == (40, 110)


def test_a_node_without_a_box_lies_where_the_one_above_it_does() -> None:
    page = Page()
    far = page.add("group", "Far", box=(0, 2000, 50, 20))
    page.add("option", "hidden", far, box=None)
    near = page.add("group", "Near", box=(0, 10, 50, 20))
    page.add("option", "seen", near, box=None)
    lines, elements = page.show()

    assert [line.split("'")[1] for line in lines] == ["Page", "Near", "seen"]
    assert elements[3][1:] == elements[2][1:]


def test_a_page_that_shows_nothing_is_an_empty_text() -> None:
    page = Page()
    page.boxes[0] = None

    assert page.show() == ([""], {})
