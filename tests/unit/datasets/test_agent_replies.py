"""Replies of the agent corpora: written from a step they read as that step, and no text breaks their parsers."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflan import datasets
from agentflan.records import INSTRUCTION, REASONING, RETRIEVAL, UNDERSTANDING, Step

MODULES = {
    name: datasets.load(name) for name in ("alfworld", "db", "fireact", "kg", "mind2web", "os", "toolbench", "webshop")
}

words = st.text("abcXYZ019 .é'\"{}#", min_size=1).map(str.strip).filter(bool)
names = st.text("abcXYZ_", min_size=1)
single = st.text("abcXYZ019é", min_size=1)
values = st.recursive(
    st.one_of(st.text(), st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)


def step(action: str | st.SearchStrategy[str], **arguments: st.SearchStrategy) -> st.SearchStrategy[Step]:
    """Steps with an action's arguments, with or without a thought."""
    name = st.just(action) if isinstance(action, str) else action
    in_order = st.tuples(*arguments.values()).map(lambda found: dict(zip(arguments, found, strict=True)))
    return st.builds(Step, st.just("") | words, name, in_order)


STEPS = {
    "os": step("bash", command=words) | step("answer", answer=words) | step("finish"),
    "db": step("Operation", sql=words) | step("Answer", answer=words),
    "alfworld": step("take", object=single, place=single) | step("put", object=single, place=single) | step("look"),
    "webshop": step("search", query=words) | step("click", element=words),
    "kg": step(names, argument_1=words, argument_2=words) | step("Final Answer", answer=words),
    "mind2web": step("CLICK", element=st.just("B"))
    | step("TYPE", element=st.just("C"), value=words)
    | step("None of the above", element=st.just("A")),
    "toolbench": st.builds(Step, st.just("") | words, names, st.dictionaries(st.text(), values, max_size=3)),
    "fireact": step("search", query=words) | step("finish", answer=words),
}

# What the formats are made of, to be put together wrongly.
fragments = st.sampled_from(
    """Thought: THOUGHT: Think: Action: ACTION: Act: Answer: Value: Operation Answer bash finish search[ click[ ] ) ```
    ```sql ```bash answer( get_relations( #3 A. B CLICK TYPE {"a":1} {"a":NaN} {"a":1,"a":2} {"a":"\\ud800"} { } "a" : x
    put take look""".split()
) | st.sampled_from([" ", "\n", "\n\n", "\nAction:", "\nAction Input:", "Final Answer:", "None of the above", "go to "])


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
@given(data=st.data())
def test_a_written_reply_reads_as_its_step(module: ModuleType, data: st.DataObject) -> None:
    wanted = data.draw(STEPS[module.__name__.rpartition(".")[2]])

    pieces = module.render_reply(wanted)

    assert repr(module.parse_reply("".join(text for text, _, _ in pieces))) == repr((wanted, pieces))
    assert {capability for _, capability, is_format in pieces if is_format} <= {INSTRUCTION}
    content = {capability for _, capability, is_format in pieces if not is_format}
    assert content <= {REASONING, RETRIEVAL, UNDERSTANDING}
    assert (REASONING in content) == bool(wanted.thought)


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
@given(parts=st.lists(fragments | st.text(max_size=3), max_size=9))
def test_any_text_is_read_without_a_gap_or_refused(module: ModuleType, parts: list[str]) -> None:
    reply = "".join(parts)
    try:
        found, pieces = module.parse_reply(reply)
    except ValueError:
        return
    assert "".join(text for text, _, _ in pieces) == reply
    assert found.action and found.thought == found.thought.strip()


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_a_step_that_the_format_cannot_hold_is_refused(module: ModuleType) -> None:
    with pytest.raises(ValueError):
        module.render_reply(Step("t", "", {"x": 1}))


def test_a_thought_may_name_the_action_that_follows() -> None:
    found, _ = MODULES["fireact"].parse_reply("Thought: I end. Action: finish[a]\nAction: finish[a]")

    assert found == Step("I end. Action: finish[a]", "finish", {"answer": "a"})


def test_two_actions_in_a_reply_are_no_reply_of_the_knowledge_graph() -> None:
    with pytest.raises(ValueError, match="more than one action"):
        MODULES["kg"].parse_reply("Thought: t\nAction: count(#1)\nFinal Answer: #2")


@pytest.mark.parametrize("arguments", ['{"a": NaN}', '{"a": 1, "a": 2}', '{"a": "\\ud800"}', '{"a": "cut', "[1]"])
def test_arguments_that_cannot_be_kept_whole_are_refused(arguments: str) -> None:
    with pytest.raises(ValueError, match="arguments"):
        MODULES["toolbench"].parse_reply(f"Thought: \nAction: f\nAction Input: {arguments}")


def test_arguments_are_cut_into_values_and_format() -> None:
    text = '{\n  "a": "x\ny",\n  "b": [1, {"c": true}],\n  "d": ""\n}'

    found, pieces = MODULES["toolbench"].parse_reply(f"Thought: t\nAction: f\nAction Input: {text}")

    assert found.arguments == {"a": "x\ny", "b": [1, {"c": True}], "d": ""}
    assert [text for text, capability, _ in pieces if capability == UNDERSTANDING] == ["x\ny", "1", "true"]
