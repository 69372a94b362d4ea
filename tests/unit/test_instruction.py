"""Instruction pairs ask for a format and answer exactly in it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from agentflan.chat import align
from agentflan.instruction import Keys, build_pairs, choose_keys, format_reply, format_request
from agentflan.records import INSTRUCTION, Step, Trajectory, Turn

STEP = Step("I want rain data.", "get_weather", {"city": "Bern", "days": 2})
TOOL = {"name": "get_weather", "description": "weather of a city", "parameters": {"properties": {"city": {}}}}
JSON_KEYS, LINE_KEYS = Keys("goal", "Tool", "Param", True), Keys("thought", "Action", "Args", False)


def text_of(step: Step, keys: Keys) -> str:
    return "".join(text for text, _, _ in format_reply(step, keys))


def dialogue_of(step: Step, name: str) -> Trajectory:
    source = Trajectory(name, "toolbench", (Turn("user", "go"), Turn("assistant", "x", True)), tools=(TOOL,))
    return align(source, lambda reply: (step, []), seed=0)


DIALOGUES = [dialogue_of(Step(f"Thought {n}.", f"tool_{n}", {"city": str(n)}), f"t_{n}") for n in range(40)]


@given(st.text(), st.text(min_size=1), st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none())))
def test_json_replies_are_valid_json(thought: str, action: str, arguments: dict) -> None:
    reply = json.loads(text_of(Step(thought, action, arguments), JSON_KEYS))

    assert reply == ({"goal": thought} if thought else {}) | {"Tool": action, "Param": arguments}


def test_lines_follow_the_requested_format() -> None:
    request, reply = format_request(LINE_KEYS, has_thought=True), text_of(STEP, LINE_KEYS)

    keys = [line.split(": ")[0] for line in request.splitlines()[1:]]
    assert [line.split(": ")[0] for line in reply.splitlines()] == keys == ["thought", "Action", "Args"]
    assert reply.endswith('Args: {"city": "Bern", "days": 2}')


def test_a_step_without_a_thought_is_not_asked_for_one() -> None:
    assert "thought" not in format_request(LINE_KEYS, has_thought=False)
    assert text_of(Step("", "ping", {}), LINE_KEYS) == "Action: ping\nArgs: {}"


def test_spans_part_format_from_content() -> None:
    pieces = format_reply(STEP, JSON_KEYS)

    assert {capability for _, capability, _ in pieces} == {INSTRUCTION}
    assert [text for text, _, is_format in pieces if not is_format] == [STEP.thought, STEP.action, "Bern", "2"]


def test_pairs_are_system_user_assistant_and_say_all_that_the_reply_needs() -> None:
    (pair,) = build_pairs([dialogue_of(STEP, "t_1")], count=5, seed=0)

    system, user, reply = pair.turns
    assert [turn.role for turn in pair.turns] == ["system", "user", "assistant"]
    assert "get_weather: weather of a city" in system.content
    assert all(word in user.content for word in (STEP.thought, STEP.action, "city", "Bern", "days", "2"))
    assert (pair.stream, reply.loss, system.loss, user.loss) == ("instruction", True, False, False)


def test_the_same_pairs_whatever_the_order_and_from_each_step_one() -> None:
    copies = [dialogue_of(Step("Thought 3.", "tool_3", {"city": "3"}), "a_first")]

    one = build_pairs(DIALOGUES + copies, count=50, seed=1)

    assert one == build_pairs(copies + DIALOGUES[::-1], count=50, seed=1)
    assert len(one) == 40
    assert one[0].id.startswith("a_first"), "of equal steps the first id"
    assert set(build_pairs(DIALOGUES, count=10, seed=1)) <= set(build_pairs(DIALOGUES, count=20, seed=1))


def test_formats_are_half_and_half_by_tool_and_keys_vary() -> None:
    keys = [choose_keys(f"tool_{n}", f"digest_{n}", seed=0) for n in range(400)]

    assert 160 < sum(key.json for key in keys) < 240
    assert len({key[:3] for key in keys}) > 100
    assert choose_keys("tool_1", "a", 0).json == choose_keys("tool_1", "b", 0).json
