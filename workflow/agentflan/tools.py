"""Tool descriptions as plain text for a system turn, the same in the chat form, instruction pairs and negatives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

PLAIN_SYSTEM = "You are a helpful assistant."  # paper Fig. 10
TOOLS_SYSTEM = PLAIN_SYSTEM + " You can use the following tools:"  # paper Fig. 11

REACT_FORM = (
    "Reply in this form:\nThought: what to do next\nAction: the name of one tool\nAction Input: its arguments in JSON"
)

# Actions that give the answer and end the trajectory: part of a dataset's protocol, no tool that a query could want.
FINAL_ACTIONS = frozenset({"Answer", "Final Answer", "Finish", "FinalAction", "answer", "finish"})


def system_text(tools: Iterable[dict[str, Any]]) -> str:
    """The system turn that offers `tools`; without any, the plain one."""
    listing = list_tools(tools)
    return f"{TOOLS_SYSTEM}\n{listing}" if listing else PLAIN_SYSTEM


def list_tools(tools: Iterable[dict[str, Any]]) -> str:
    """One line a tool, ``- name: description``, and under it one line an argument, ``  name (type): description``.

    Args:
        tools: descriptions with `name` and, where known, `description` and a JSON schema in `parameters`.
    """
    return "\n".join(line for tool in tools for line in _lines(tool))


def _lines(tool: dict[str, Any]) -> Iterator[str]:
    yield _described(f"- {tool['name']}", tool.get("description"))
    schema = tool.get("parameters") or {}
    required = schema.get("required", ())
    for name, parameter in schema.get("properties", {}).items():
        kind = [str(parameter["type"])] if "type" in parameter else []
        notes = ", ".join(kind if name in required else [*kind, "optional"])
        yield _described(f"  {name} ({notes})" if notes else f"  {name}", parameter.get("description"))


def _described(name: str, description: Any) -> str:
    return f"{name}: {description}" if description else name
