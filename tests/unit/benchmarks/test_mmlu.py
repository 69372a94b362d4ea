"""MMLU: prompts of both protocols, letters, the mean over all questions, and the real questions."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_examples import Bench, say
from benchmark_examples import mmlu as rows

from agentflan.benchmarks import mmlu
from agentflan.benchmarks._protocol import COMMON_DEFAULTS
from agentflan.errors import ConfigError, FileError


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        (" C", "C"),
        ("B.", "B"),
        ("(D) Bergen", "D"),
        ("The answer is B", "B"),
        ("Answer: A because", "A"),
        ("A city by the sea", ""),
        ("A", "A"),
        ("It must be C, not B.", "C"),
        ("Bergen", ""),
        ("", ""),
    ],
)
def test_letters_of_free_replies(reply: str, letter: str) -> None:
    assert mmlu.read_letter(reply) == letter


def test_lm_eval_offers_the_letters_behind_five_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Bench.of("mmlu", monkeypatch).ask()[0]

    assert request.prompt.startswith(
        "The following are multiple choice questions (with answers) about city lore.\n\nQuestion 0: which city is it?\n"
        "A. Arden\n"
    )
    assert request.prompt.count("\nAnswer: ") == 5
    assert request.prompt.endswith("\nAnswer:")
    assert request.choices == (" A", " B", " C", " D")


def test_agenttuning_asks_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Bench.of("mmlu", monkeypatch, protocol="agenttuning", shots=2).ask()[0]
    (role, system), first, answer, *_, last = request.messages

    assert role == "system" and "city lore" in system
    assert first == ("user", "Question: Question 0: which city is it?\nA. Arden\nB. Belmont\nC. Corwin\nD. Dunmore")
    assert answer == ("assistant", "Answer: A")
    assert last[0] == "user" and request.prefix == "Answer:"
    assert len(request.messages) == 6
    assert request.max_prompt_tokens == 2048


def test_every_question_weighs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(name: str, subject: str, split: str, answer: int) -> dict:
        chosen = {"id": name, "subject": subject, "split": split, "answer": answer}
        return chosen | {"question": "?", "choices": ["a", "b", "c", "d"]}

    few = [row("d1", "one", "dev", 0), row("d2", "two", "dev", 0)]
    few += [row("t1", "one", "test", 0), row("t2", "two", "test", 1), row("t3", "two", "test", 1)]
    bench = Bench.of("mmlu", monkeypatch, few, shots=1)
    score = bench.score(bench.play(say(" B")))

    assert score["value"] == pytest.approx(66.67, abs=0.01)
    assert score["parts"]["subjects"] == {"one": 0, "two": 100}
    assert score["parts"]["mean_of_subjects"] == 50


def test_free_replies_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("mmlu", monkeypatch)
    played = bench.play(say("I do not know."))

    assert {row["outcome"] for row in played} == {"invalid_action"}
    assert bench.score(played)["parts"]["free_replies"] == len(played)


def test_too_few_examples_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match=r"found 5 examples of city_lore; expected 6 \(setting shots\)"):
        Bench.of("mmlu", monkeypatch, rows(), shots=6)
    with pytest.raises(ConfigError, match="key protocol: found 'chat'"):
        Bench.of("mmlu", monkeypatch, rows(), protocol="chat")


def test_gold_letters_of_the_real_questions_are_all_right(shared_data: Path) -> None:
    bench = Bench("mmlu", shared_data / "mmlu")
    played = [
        {"id": task["id"], "prediction": mmlu.gold_replies(task, bench.settings)[0], "outcome": "completed"}
        for task in bench.tasks
    ]
    score = bench.score(played)

    assert (len(bench.tasks), score["n"], score["value"]) == (14042, 14042, 100)
    assert len(score["parts"]["subjects"]) == 57
    assert sum(len(task["shots"]) for task in {task["subject"]: task for task in bench.tasks}.values()) == 285


def test_the_protocol_tells_its_departure() -> None:
    assert "prompts cut at the model's context" in mmlu.PROTOCOL.format_map(COMMON_DEFAULTS | mmlu.DEFAULTS)
