"""Each capability's file trains that capability alone; the other forms keep the steps."""

from __future__ import annotations

import ast
import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from agentflan import calls, decomposed
from agentflan.chat import align
from agentflan.commands import decompose_capabilities
from agentflan.errors import RecordError
from agentflan.files import read_jsonl, write_jsonl
from agentflan.records import (
    CONVERSATION,
    INSTRUCTION,
    REASONING,
    RETRIEVAL,
    UNDERSTANDING,
    Step,
    Trajectory,
    Turn,
    from_json,
    to_json,
)

STEPS = (
    Step("Look it up.", "get_weather", {"city": "Zürich", "days": [1, 2]}),
    Step("", "ping", {}),
    Step("Done.", "Finish", {"return_type": "give_answer", "final_answer": "Sunny."}),
)


def dialogue_of(*steps: Step, name: str = "t_1", dataset: str = "toolbench") -> Trajectory:
    """A dialogue whose user says `go` before each step."""
    replies = {str(index): step for index, step in enumerate(steps)}
    turns = [turn for index in replies for turn in (Turn("user", "go"), Turn("assistant", index, True))]
    return align(Trajectory(name, dataset, tuple(turns)), lambda reply: (replies[reply], []), seed=0)


@pytest.mark.parametrize(
    ("capability", "trained"),
    [
        (REASONING, ["Look it up.", "Done."]),
        (RETRIEVAL, ["get_weather", "ping", "Finish"]),
        (UNDERSTANDING, ["Zürich", "[1, 2]", "give_answer", "Sunny."]),
    ],
)
def test_loss_stays_on_one_capability(capability: str, trained: list[str]) -> None:
    dialogue = dialogue_of(*STEPS)

    kept = decomposed.keep_capability(dialogue, capability)

    assert [turn.content for turn in kept.turns if turn.loss] == trained
    assert kept.turns[-1].content == trained[-1], "what follows the last trained turn is cut"
    assert all(not turn.spans for turn in kept.turns if not turn.loss)
    assert [turn.content for turn in kept.turns] == [turn.content for turn in dialogue.turns[: len(kept.turns)]]


def test_a_dialogue_that_does_not_train_the_capability_is_left_out() -> None:
    assert decomposed.keep_capability(dialogue_of(Step("", "look", {})), REASONING) is None


def test_chain_of_thought_says_thought_and_call_in_one_turn() -> None:
    cot = decomposed.to_cot(dialogue_of(*STEPS))

    replies = [turn for turn in cot.turns if turn.role == "assistant"]
    assert [turn.role for turn in cot.turns] == ["user", "assistant"] * 3
    assert [turn.content for turn in cot.turns if turn.role == "user"] == ["go"] * 3
    assert replies[0].content.startswith("Look it up. ")
    assert "```" in replies[0].content
    assert replies[2].content == "Done.\nSunny.", "the final answer is plain"
    assert next(text for text, span in replies[0].pieces() if span.capability == RETRIEVAL) == "get_weather"
    assert {span.capability for turn in replies for _, span in turn.pieces() if span.format} == {INSTRUCTION}


def test_a_final_action_that_says_nothing_is_a_call() -> None:
    cot = decomposed.to_cot(dialogue_of(Step("", "finish", {})))

    assert "finish" in cot.turns[-1].content


def test_all_kinds_of_blocks_are_used() -> None:
    opening = {
        decomposed.to_cot(dialogue_of(STEPS[1], name=f"t_{n}")).turns[1].content.split("```")[1] for n in range(60)
    }

    assert {text.split("\n")[0] for text in opening} == {"json", "python", ""}


def test_blocks_read_back() -> None:
    arguments = {"a b": 'q"\n', "n": [1, None, True], "é": {"x": 1.5}}

    json_text = "".join(text for text, _, _ in calls.json_block('t"1', arguments))
    python_text = "".join(text for text, _, _ in calls.python_block("t'1", arguments))

    assert json.loads(json_text[8:-4]) == {"name": 't"1', "arguments": arguments}
    assert ast.literal_eval(python_text[10:-4]) == {"name": "t'1", "arguments": arguments}


def test_general_conversation_trains_conversation() -> None:
    talk = Trajectory(
        "s_1", "sharegpt", (Turn("user", "Hi"), Turn("assistant", "Hello.", True), Turn("assistant", "x"))
    )

    general = decomposed.to_general(talk)

    assert general.stream == "general"
    assert [[span.capability for span in turn.spans] for turn in general.turns] == [[], [CONVERSATION], []]


def test_the_command_writes_the_same_files_whatever_the_order_of_its_inputs(tmp_path: Path) -> None:
    for dataset in ("os", "kg"):
        dialogues = [dialogue_of(*STEPS, name=f"{dataset}_{n}", dataset=dataset) for n in range(3)]
        write_jsonl(tmp_path / f"{dataset}.jsonl", map(to_json, dialogues))
        originals = (to_json(replace(dialogue, stream="react")) for dialogue in dialogues)
        write_jsonl(tmp_path / f"{dataset}.react.jsonl", originals)
    paths = [tmp_path / "os.jsonl", tmp_path / "kg.jsonl"]
    reacts = [tmp_path / "os.react.jsonl", tmp_path / "kg.react.jsonl"]

    for folder, chats in (("one", paths), ("two", paths[::-1])):
        arguments = Namespace(chat=chats, react=reacts, general=[], out_dir=tmp_path / folder)
        counts = decompose_capabilities.run(arguments)

    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert counts == "reasoning 6, retrieval 6, understanding 6, cot 6, react 6, general 0"
    assert names == [
        f"{name}.jsonl" for name in sorted(("cot", "general", "react", "reasoning", "retrieval", "understanding"))
    ]
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)
    ids = [from_json(row).id for row in read_jsonl(tmp_path / "one" / "cot.jsonl")]
    assert ids == ["kg_0", "kg_1", "kg_2", "os_0", "os_1", "os_2"]


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "os.jsonl", [to_json(dialogue_of(*STEPS))])
    arguments = Namespace(chat=[], react=[tmp_path / "os.jsonl"], general=[], out_dir=tmp_path / "out")

    with pytest.raises(RecordError, match=r"os\.jsonl: record 1 \(t_1\), field stream: found 'chat'; expected 'react'"):
        decompose_capabilities.run(arguments)
