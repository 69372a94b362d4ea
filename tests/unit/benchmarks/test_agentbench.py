"""What the held-in tasks share: prompts from a file, and the dialogue's length."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentflan.benchmarks._agentbench import OWN_WORDING, count_segments, opening, prune, read_prompt
from agentflan.errors import RecordError
from agentflan.files import write_json

OWN = {"instruction": "Do it.", "acknowledgement": "Ok.", "demonstration": []}


@pytest.mark.parametrize(
    ("text", "segments"),
    [("", 0), ("seventy", 1), ("seventy8", 2), ("eighteen", 2), ("a b\nc", 3), ("x, y", 3), ("12", 2), ("straße", 1)],
)
def test_length_is_counted_as_the_harness_does(text: str, segments: int) -> None:
    assert count_segments(text) == segments


def test_the_newest_messages_stay_and_start_with_the_agents() -> None:
    roles = ("user", "assistant")
    messages = [(roles[index % 2], "word " * 10) for index in range(7)]

    assert prune(messages, 1000) == messages
    assert prune(messages, 45) == [("user", "word " * 10 + "\n\n[NOTICE] 4 messages are omitted."), *messages[5:]]
    assert prune(messages, 35) == [("user", "word " * 10 + "\n\n[NOTICE] 4 messages are omitted."), *messages[5:]]
    assert prune(messages, 25) == []
    assert prune(messages[:1], 5) == messages[:1]


def test_a_prompt_file_replaces_our_wording(tmp_path: Path) -> None:
    assert read_prompt(tmp_path, OWN)["source"] == OWN_WORDING
    write_json(tmp_path / "prompt.json", {"instruction": "Theirs.", "demonstration": ["q", "a"]})

    prompt = read_prompt(tmp_path, OWN)

    assert prompt["source"] == "prompt.json"
    assert opening(prompt) == [("user", "Theirs."), ("assistant", "Ok."), ("user", "q"), ("assistant", "a")]


def test_an_unknown_text_of_a_prompt_file_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "prompt.json", {"instructions": "Theirs."})
    with pytest.raises(RecordError, match="field instructions"):
        read_prompt(tmp_path, OWN)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("[1]", r"prompt\.json: record 1: found \[1\]; expected an object"),
        ('{"instruction": ["Theirs."]}', "field instruction: found .*; expected a string"),
        ('{"demonstration": ["q", 3]}', r"field demonstration\[1\]: found 3; expected a string"),
        ('{"demonstrations": {"put": "q"}}', "field demonstrations.put: found 'q'; expected a list"),
    ],
)
def test_a_prompt_file_of_another_shape_is_refused(tmp_path: Path, content: str, match: str) -> None:
    (tmp_path / "prompt.json").write_text(content)
    with pytest.raises(RecordError, match=match):
        read_prompt(tmp_path, OWN | {"demonstrations": {}})


def test_a_demonstration_without_its_last_reply_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "prompt.json", {"demonstration": ["q", "a", "q"]})
    with pytest.raises(RecordError, match="field demonstration: found 3 turns; expected an even number"):
        read_prompt(tmp_path, OWN)
