"""Tool descriptions become short plain text."""

from __future__ import annotations

from agentflan.tools import list_tools, system_text


def test_a_tool_is_a_line_and_so_is_each_argument() -> None:
    properties = {"city": {"type": "string", "description": "its name"}, "days": {"type": "integer"}, "unit": {}}
    tool = {
        "name": "rain",
        "description": "Rain in a city.",
        "parameters": {"properties": properties, "required": ["city"]},
    }

    assert list_tools([tool, {"name": "ping"}]).splitlines() == [
        "- rain: Rain in a city.",
        "  city (string): its name",
        "  days (integer, optional)",
        "  unit (optional)",
        "- ping",
    ]


def test_without_tools_the_system_turn_is_plain() -> None:
    assert system_text([]) == "You are a helpful assistant."
    assert system_text([{"name": "ping"}]) == "You are a helpful assistant. You can use the following tools:\n- ping"
