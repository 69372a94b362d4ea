"""HotpotQA: rewards, the frozen wiki, and both protocols."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_examples import Bench, say
from benchmark_examples import hotpotqa as hotpotqa_rows

from agentflan.benchmarks import hotpotqa
from agentflan.benchmarks._protocol import COMMON_DEFAULTS
from agentflan.benchmarks._wiki import Wiki
from agentflan.errors import ConfigError
from agentflan.files import read_json, read_jsonl

WIKI = Wiki.of([[["Rome", ["Rome is old.", " It is big.\n\nRome has a river."]], ["New Rome", ["A town."]]]])


@pytest.mark.parametrize(
    ("found", "gold", "f1"),
    [
        ("The Richard Nixon!", "Richard Nixon", 1),
        ("Nixon", "Richard Nixon", 2 / 3),
        ("yes", "no", 0),
        ("yes it is", "yes", 0),
        ("", "Richard Nixon", 0),
    ],
)
def test_f1(found: str, gold: str, f1: float) -> None:
    assert hotpotqa.f1(found, gold) == pytest.approx(f1)


def test_exact_match_needs_every_word() -> None:
    assert hotpotqa.exact_match("the Richard Nixon", "Richard Nixon.") == 1
    assert hotpotqa.exact_match("Nixon", "Richard Nixon") == 0
    assert hotpotqa.exact_match("", "") == 0


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Search[Rome]", ("Search", "Rome")),
        (" Finish[x].", ("Finish", "x")),
        ("Lookup[a [b] c]", ("Lookup", "a [b] c")),
        ("I search Rome", ("", "")),
    ],
)
def test_actions(text: str, action: tuple[str, str]) -> None:
    assert hotpotqa.parse_action(text) == action


def test_a_page_is_found_by_its_title_up_to_case_and_underscores() -> None:
    assert WIKI.page("new_rome") == ("A town.",)
    assert WIKI.page("Rom") == ()


def test_titles_that_share_a_word_are_offered() -> None:
    assert WIKI.similar("rome history") == ["Rome", "New Rome"]
    assert WIKI.similar("Paris") == []


def test_reading_goes_on_from_paragraph_to_paragraph() -> None:
    reading = hotpotqa._Reading(WIKI)

    def act(text: str) -> str:
        return hotpotqa._act(*hotpotqa.parse_action(text), reading)

    assert act("Lookup[river]").startswith("No page is open")
    assert act("Search[Paris]") == "Could not find [Paris]. Similar: []"
    assert act("Search[Rome]") == "Rome is old. It is big."
    assert act("Lookup[Rome]") == "(Result 1/2) Rome is old. It is big."
    assert act("Lookup[rome]") == "(Result 2/2) Rome has a river."
    assert act("Lookup[Rome]") == "No More Results"
    assert act("Lookup[sea]") == "No Results"
    assert act("Dance[now]").startswith("Invalid action")
    assert (reading.invalid, reading.answer) == (1, None)


def test_bolaa_asks_twice_a_step_and_lets_one_text_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("hotpotqa", monkeypatch)
    row = bench.play(say("I  go\non", "Search[Arden Bridge]", "done", "Finish[x]"))[0]

    lines = row["text"].splitlines()
    assert lines[-5:-2] == [
        "Thought 1: I go on",
        "Action 1: Search[Arden Bridge]",
        "Observation 1: Arden Bridge stands in Arden. It was built by Mason Belmont.",
    ]
    assert (row["prediction"], row["outcome"], len(row["replies"])) == ("x", "completed", 4)


def test_chat_gives_observations_as_user_turns_and_takes_small_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("hotpotqa", monkeypatch, protocol="chat")
    row = bench.play(say("Thought: a\nAction: search[Arden Bridge]", "Thought: b\nAction: finish[y]"))[0]

    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert row["messages"][3]["content"].startswith("Observation: Arden Bridge stands in Arden.")
    assert row["prediction"] == "y"


def test_both_protocols_can_be_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("hotpotqa", monkeypatch, protocol="chat")

    assert bench.score(bench.play_oracle())["value"] == 100


def test_an_unfinished_question_counts_0(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("hotpotqa", monkeypatch, max_steps=3)
    rows = bench.play(say("Search[Arden Bridge]"))

    assert {row["outcome"] for row in rows} == {"task_limit"}
    assert bench.score(rows)["value"] == 0


def test_a_prompt_that_grows_too_long_ends_the_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("hotpotqa", monkeypatch, max_context_tokens=100)

    assert {row["outcome"] for row in bench.play(say("Search[Arden Bridge]"))} == {"context_limit"}


def test_levels_weigh_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("hotpotqa", monkeypatch)
    rows = [row if row["level"] == "easy" else row | {"prediction": ""} for row in bench.play_oracle()]
    score = bench.score(rows)

    assert score["parts"]["levels"] == {"easy": 100, "hard": 0, "medium": 0}
    assert score["value"] == pytest.approx(100 / 3, abs=1e-3)  # though easy holds 3 of the 7 questions


def test_the_prompt_of_others_is_read_from_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("hotpotqa", monkeypatch)
    (tmp_path / "prompt.json").write_text('{"instruction": "Do it.", "demonstrations": "Question: a\\nAnswer: b"}')
    task = hotpotqa.read_tasks(tmp_path, bench.settings)[0]

    request = hotpotqa.episode(task, bench.settings).send(None)

    assert request.prompt.startswith("Do it.\nQuestion: a\nAnswer: b\nQuestion: Where")
    assert (task["prompt_source"], bench.tasks[0]["prompt_source"][:3]) == ("prompt.json", "our")


def test_an_unknown_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="key protocol: found 'talk'; expected bolaa or chat"):
        Bench.of("hotpotqa", monkeypatch, protocol="talk")


def test_the_real_questions_make_the_frozen_wiki_and_can_be_solved(shared_data: Path, tmp_path: Path) -> None:
    for level in ("easy", "medium", "hard"):
        (tmp_path / f"{level}.jsonl.gz").symlink_to(shared_data / "hotpotqa" / f"{level}.jsonl.gz")
    bench = Bench("hotpotqa", tmp_path)
    score = bench.score(bench.play_oracle())

    assert (score["n"], score["parts"]["pages"]) == (300, 2958)
    assert score["value"] == 100


def test_the_score_of_questions_that_fireact_was_not_trained_on_stands_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = read_json(hotpotqa.FIREACT_QUESTIONS)
    rows = hotpotqa_rows()[:6]
    rows[0]["id"], rows[3]["id"] = trained[:2]  # both easy questions
    bench = Bench.of("hotpotqa", monkeypatch, rows=rows)
    played = bench.play_oracle()
    for row in played:
        if row["level"] == "medium":
            row["prediction"] = ""

    score = bench.score(played)

    assert score["value"] == pytest.approx(100 * 2 / 3, abs=1e-3)
    assert score["parts"]["fireact_questions"] == 2
    assert score["parts"]["without_fireact_questions"] == 50


def test_fireacts_released_answers_score_as_its_own_files_say(shared_data: Path) -> None:
    """Its 7B model on 500 questions: the row of Table 1 is the exact match, and the F1 is another number."""
    released = sorted((shared_data / "fireact" / "trajs").glob("hotpotqa_dev_0_500_llama_*llama-2-7b*.json"))
    if not released:
        pytest.skip("the released trajectories of FireAct (its repository's folder trajs) are not among the records")
    rows = list(read_json(released[0]).values())
    exact = [hotpotqa.exact_match(row["pred"], row["gt"]) for row in rows]
    f1 = [hotpotqa.f1(row["pred"], row["gt"]) for row in rows]

    assert len(rows) == 500
    assert (sum(exact) / 500, round(sum(f1) / 500, 3)) == (0.262, 0.380)
    assert f1 == pytest.approx([row["f1"] for row in rows])


def test_the_questions_that_fireact_was_trained_on_are_those_of_its_files(shared_data: Path) -> None:
    def plain(text: str) -> str:
        return " ".join(text.lower().split())

    trained = {plain(row["instruction"]) for row in read_json(shared_data / "fireact" / "alpaca_hotpotqa.json.gz")}
    levels = ("easy", "medium", "hard")
    rows = [row for level in levels for row in read_jsonl(shared_data / "hotpotqa" / f"{level}.jsonl.gz")]
    shared = sorted(row["id"] for row in rows if plain(row["question"]) in trained)

    assert (len(rows), len(shared)) == (300, 44)
    assert shared == read_json(hotpotqa.FIREACT_QUESTIONS)


def test_the_protocol_tells_its_departure() -> None:
    told = hotpotqa.PROTOCOL.format_map(COMMON_DEFAULTS | hotpotqa.DEFAULTS)
    assert "replies of 256 tokens, API models asked as the others are" in told
