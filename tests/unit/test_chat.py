"""The chat form keeps every step: what goes in comes out, whatever the texts look like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflan import chat, datasets, elicit
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory, Turn

SEED = 7
TOOL = {
    "name": "get_weather",
    "description": "weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def write_reply(step: Step) -> str:
    """A made-up reply format that can hold any step."""
    return json.dumps([step.thought, step.action, step.arguments])


def parse_reply(reply: str) -> tuple[Step, chat.Pieces]:
    try:
        thought, action, arguments = json.loads(reply)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a reply ({error})") from error
    return Step(thought, action, arguments), [(reply, REASONING, False)]


def trajectory_of(*parts: str | Step, tools: tuple[dict, ...] = ()) -> Trajectory:
    turns = (
        Turn("user", part) if isinstance(part, str) else Turn("assistant", write_reply(part), True) for part in parts
    )
    return Trajectory("t_1", "os", tuple(turns), tools=tools)


# Texts that try to be mistaken for the dialogue's own questions and answers.
questions = st.sampled_from(
    [
        *elicit.TOOL_QUESTIONS,
        *(f"{verb} the {kind}value of x." for verb in elicit.VALUE_VERBS for kind in ("", "JSON ")),
        "Give the value of x",
        elicit.CONTINUE,
        elicit.NO_TOOL,
        '"none"',
        "{}",
        "Thought: x\nAction: y",
    ]
)
texts = st.one_of(
    st.text(max_size=12),
    questions,
    st.builds(
        lambda first, last: first + elicit.SEPARATOR + last, st.one_of(st.text(max_size=5), questions), questions
    ),
)
values = st.recursive(
    st.one_of(texts, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)
steps = st.builds(Step, texts, texts, st.dictionaries(texts, values, max_size=3))


@given(st.lists(st.one_of(texts, steps, st.just(Turn("assistant", "Ok."))), max_size=8), st.integers())
def test_every_step_comes_back(parts: list[str | Step | Turn], seed: int) -> None:
    turns = [part if isinstance(part, Turn) else trajectory_of(part).turns[0] for part in parts]
    aligned = chat.align(Trajectory("t_1", "os", tuple(turns)), parse_reply, seed)

    restored = chat.restore(aligned)

    assert repr(restored) == repr([part for part in parts if isinstance(part, Step)])  # repr: 1, 1.0 and True differ
    assert all(a.role != b.role for a, b in zip(aligned.turns, aligned.turns[1:], strict=False)), "roles alternate"


def test_loss_falls_on_thought_tool_and_values_only() -> None:
    source = trajectory_of("Weather?", Step("Look it up.", "get_weather", {"city": "Bern", "days": 2}), "sunny")

    aligned = chat.align(source, parse_reply, SEED)

    wording = elicit.choose_wording(SEED, "t_1")
    assert [(turn.role, turn.content) for turn in aligned.turns] == [
        ("user", "Weather?"),
        ("assistant", "Look it up."),
        ("user", wording.tool),
        ("assistant", "get_weather"),
        ("user", f"{wording.verb} the value of city."),
        ("assistant", "Bern"),
        ("user", f"{wording.verb} the JSON value of days."),
        ("assistant", "2"),
        ("user", "sunny"),
    ]
    trained = [turn for turn in aligned.turns if turn.loss]
    capabilities = [turn.spans[0].capability for turn in trained]
    assert capabilities == [REASONING, RETRIEVAL, UNDERSTANDING, UNDERSTANDING]
    assert all(turn.spans[0].length == len(turn.content) and not turn.spans[0].format for turn in trained)


def test_tools_given_as_data_replace_the_system_turn_of_the_source() -> None:
    source = trajectory_of("Weather?", Step("", "get_weather", {"city": "Bern"}), tools=(TOOL,))
    source = source.with_turns((Turn("system", "Follow Thought: Action:"), *source.turns))

    first = chat.align(source, parse_reply, SEED).turns[0]

    assert first.role == "system"
    assert first.content.endswith("- get_weather: weather of a city\n  city (string)")
    assert "Thought:" not in first.content


def test_a_turn_without_loss_is_no_step() -> None:
    source = trajectory_of("Rules.", "Task.", Step("Now.", "look", {}))
    source = source.with_turns((source.turns[0], Turn("assistant", "Ok."), *source.turns[1:]))

    aligned = chat.align(source, parse_reply, SEED)

    assert chat.restore(aligned) == [Step("Now.", "look", {})]
    assert aligned.turns[1] == Turn("assistant", "Ok.")


def test_wordings_vary_between_records_and_not_between_runs() -> None:
    wordings = [elicit.choose_wording(SEED, f"t_{number}") for number in range(200)]

    assert len(set(wordings)) == len(elicit.TOOL_QUESTIONS) * len(elicit.VALUE_VERBS)
    assert wordings == [elicit.choose_wording(SEED, f"t_{number}") for number in range(200)]


def test_half_a_surrogate_pair_can_be_written_to_a_file() -> None:
    source = trajectory_of("Go.", Step("", "say", {"text": "cut \ud83d", "list": ["\ud83d", "é"]}))

    aligned = chat.align(source, parse_reply, SEED)

    assert "".join(turn.content for turn in aligned.turns).encode()
    assert chat.restore(aligned)[0].arguments == {"text": "cut \ud83d", "list": ["\ud83d", "é"]}


def test_react_keeps_the_text_and_adds_spans() -> None:
    source = trajectory_of("Go.", Step("a", "b", {}))

    reacted = chat.react(source, parse_reply)

    assert [turn.content for turn in reacted.turns] == [turn.content for turn in source.turns]
    assert sum(span.length for span in reacted.turns[1].spans) == len(source.turns[1].content)


def test_a_reply_that_cannot_be_read_is_named() -> None:
    broken = Trajectory("t_1", "os", (Turn("user", "Go."), Turn("assistant", "hm", True)))

    with pytest.raises(ValueError, match=r"turns\[1\]: not a reply"):
        chat.align(broken, parse_reply, SEED)


def test_pieces_that_do_not_join_to_the_reply_are_refused() -> None:
    source = trajectory_of("Go.", Step("a", "b", {}))

    with pytest.raises(ValueError, match="do not join"):
        chat.react(source, lambda reply: (Step("a", "b"), [(reply[1:], REASONING, False)]))


def test_a_dialogue_that_breaks_off_at_a_question_keeps_its_turns() -> None:
    aligned = chat.align(trajectory_of("Go.", Step("a", "b", {"c": "d"})), parse_reply, SEED)

    assert chat.restore(aligned.with_turns(aligned.turns[:3])) == []
    assert list(chat.read_dialogue(aligned.with_turns(aligned.turns[:3]))) == list(aligned.turns[:3])


REAL_FILES = {
    **{name: ["agentinstruct/*"] for name in ("os", "db", "alfworld", "webshop", "kg", "mind2web")},
    "fireact": ["fireact/*"],
    "toolbench": ["toolbench/toolllama_*.json", "toolbench/answer/*/*.json"],
}


@pytest.mark.parametrize("name", REAL_FILES)
def test_every_step_of_the_real_records_comes_back(name: str, shared_data: Path, tmp_path: Path) -> None:
    for path in (path for pattern in REAL_FILES[name] for path in shared_data.glob(pattern)):
        (tmp_path / path.name).symlink_to(path)
    module = datasets.load(name)
    kept = [trajectory for trajectory in module.read(tmp_path) if module.reject(trajectory) is None]

    assert kept
    for trajectory in kept:
        aligned = chat.align(trajectory, module.parse_reply, SEED)
        steps = [module.parse_reply(turn.content)[0] for turn in trajectory.turns if turn.loss]
        assert repr(chat.restore(aligned)) == repr(steps), trajectory.id
        assert chat.react(trajectory, module.parse_reply).stream == "react", trajectory.id


def test_react_asks_for_its_format_and_chat_does_not() -> None:
    source = trajectory_of("Weather?", Step("", "get_weather", {"city": "Bern"}), tools=(TOOL,))
    source = source.with_turns((Turn("system", "The source's own."), *source.turns))
    reacted = chat.react(source, parse_reply, "Reply so.")
    assert reacted.turns[0].content.endswith("\nReply so.") and "get_weather" in reacted.turns[0].content
    assert [turn.content for turn in reacted.turns[1:]] == [turn.content for turn in source.turns[1:]]
    assert "Reply so." not in "".join(turn.content for turn in chat.align(source, parse_reply, SEED).turns)
