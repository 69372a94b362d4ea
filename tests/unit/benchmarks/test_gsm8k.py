"""GSM8K: prompts of both protocols, the three ways to find the result, and the real problems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmark_examples import Bench, say
from benchmark_examples import gsm8k as rows

from agentflan.errors import ConfigError, FileError

ARDEN = 1005  # the result of the first problem that is asked


def found(bench: Bench, reply: str) -> dict[str, bool]:
    """Which filters find the right result of the first problem in a reply."""
    bench.tasks = bench.tasks[:1]
    filters = bench.score(bench.play(say(reply)))["parts"]["filters"]
    return {name: value == 100 for name, value in filters.items()}


@pytest.mark.parametrize(
    ("reply", "strict", "flexible", "digits"),
    [
        (f"It is so.\n#### {ARDEN}", True, True, True),
        ("It is so.\n#### 1,005", True, True, False),
        (f"The answer is {ARDEN}.", False, True, True),
        (f"The answer is ${ARDEN}", False, True, True),
        (f"{ARDEN} and not 3", False, False, False),
        (f"#### {ARDEN}\nI have 2 doubts", True, False, False),
        ("", False, False, False),
        ("9" * 5000, False, False, False),  # more digits than int reads
        ("#### " + "0" * 5000 + f"{ARDEN}", False, False, True),
    ],
)
def test_results(reply: str, strict: bool, flexible: bool, digits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {"strict-match": strict, "flexible-extract": flexible, "last-digits": digits}

    assert found(Bench.of("gsm8k", monkeypatch), reply) == expected


def test_lm_eval_shows_solved_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Bench.of("gsm8k", monkeypatch).ask()[0]

    assert request.prompt.startswith(
        "Question: Arden has 0 bridges and builds 1,000 more. How many has it?\nAnswer: It"
    )
    assert request.prompt.count("\n#### ") == 5
    assert request.prompt.endswith("How many has it?\nAnswer:")
    assert request.stop == ("Question:", "</s>", "<|im_end|>")


def test_agenttuning_shows_its_own_problems_in_turns(tmp_path: Path) -> None:
    for split in ("train", "test"):
        text = "".join(json.dumps({"question": f"Q{number}", "answer": "#### 1"}) + "\n" for number in range(2))
        (tmp_path / f"{split}.jsonl").write_text(text)
    told = {"instruction": "Do.", "demonstration": ["Question one?", "The answer is 3", "Question two?", "4"]}
    (tmp_path / "prompt.json").write_text(json.dumps(told))
    bench = Bench("gsm8k", tmp_path, protocol="agenttuning", shots=2, filter="last-digits")
    messages = bench.ask()[0].messages

    assert messages[:5] == (
        ("system", "You are a helpful, respectful and honest assistant."),
        ("user", "Do."),
        ("assistant", "Ok."),
        ("user", "Question: Question one?"),
        ("assistant", "The answer is 3"),
    )
    assert messages[-1] == ("user", "\nQuestion: Q0")
    assert bench.score(bench.play_oracle())["value"] == 100
    assert bench.score(bench.play_oracle())["parts"]["prompt"] == "prompt.json"


def test_what_cannot_be_played_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match=r"found 5 solved problems; expected 6 \(setting shots\)"):
        Bench.of("gsm8k", monkeypatch, rows(), shots=6)
    with pytest.raises(ConfigError, match="key filter: found 'strict'; expected strict-match or flexible-extract"):
        Bench.of("gsm8k", monkeypatch, rows(), filter="strict")


def test_gold_solutions_of_the_real_problems_are_all_right(shared_data: Path) -> None:
    bench = Bench("gsm8k", shared_data / "gsm8k", shots=0)
    score = bench.score(bench.play_oracle())

    assert (len(bench.tasks), score["value"]) == (1319, 100)
    assert score["parts"]["filters"]["flexible-extract"] == 100
