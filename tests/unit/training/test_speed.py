"""Measuring a fine-tune: all means train on the same batches; the made-up conversations are as long as real ones."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from unittest.mock import patch

import pytest

from agentflan.cli import main
from agentflan.commands.measure_training_speed import BATCH, REPLIES, SHAPES, _conversation, _median, _rows
from agentflan.training.shape import LlamaShape


def test_conversations_are_as_long_as_agentinstructs() -> None:
    rows = [_conversation(number, 4096) for number in range(800)]
    lengths = [sum(len(turn["content"].split()) for turn in row["turns"]) for row in rows]
    replies = [sum(len(turn["content"].split()) for turn in row["turns"] if turn.get("loss")) for row in rows]
    assert statistics.mean(lengths) == pytest.approx(950, rel=0.1)
    assert sum(replies) / sum(lengths) == pytest.approx(REPLIES, abs=0.03)
    batches = [lengths[start : start + BATCH] for start in range(0, len(lengths), BATCH)]
    waste = 1 - sum(lengths) / sum(BATCH * max(batch) for batch in batches)
    assert waste == pytest.approx(0.63, abs=0.05)  # of AgentInstruct at batch 32


def test_every_means_takes_every_step(corpus: Path) -> None:
    from transformers import AutoTokenizer

    from agentflan.training import processes, speed
    from agentflan.training.data import read_examples
    from agentflan.training.recipe import Settings

    processes.join()
    shape = LlamaShape(300, 32, 64, 2, 4, 2)
    tokenizer = AutoTokenizer.from_pretrained(corpus / "t")
    examples, _ = read_examples([corpus / "data.jsonl"], tokenizer, "llama2", 64, "assistant")
    settings = Settings(batch=2, max_length=64, lr=1e-3, warmup_lr=1e-4)
    laps, record = speed.ours(shape, examples, settings, corpus / "events")
    assert 0 < record["decomposition_share"] < 1
    with patch.dict(os.environ):  # it sets what a launcher would
        trainer = speed.transformers_trainer(shape, examples, settings, corpus / "trainer", 1)
    others = [
        trainer,
        speed.bare_loop(shape, examples, settings),
        speed.bare_loop(shape, examples, Settings(**vars(settings) | {"checkpoint_activations": True})),
    ]
    for each in (laps, *others):
        assert len(each.ends) == 6 and each.seconds() > 0
    assert 0 < speed.useful_tokens(examples, settings) < sum(map(len, examples))


def test_the_median_of_the_rounds_counts_and_ratios_are_to_the_packed_run() -> None:
    assert _median(
        [{"a": 1.0, "b": "x", "c": None}, {"a": 5.0, "b": "x", "c": None}, {"a": 2.0, "b": "x", "c": 1}]
    ) == {
        "a": 2.0,
        "b": "x",
    }
    rows = _rows(
        {
            "packed": [{"tokens_per_second": 100.0}],
            "slow": [{"tokens_per_second": 25.0}],
            "full": [{"status": "not run"}],
        },
        [{"start_up_seconds": 9.0}],
    )
    assert rows[0] == {
        "run": "packed",
        "status": "run",
        "tokens_per_second": "100",
        "speed_up": "1",
        "start_up_seconds": "9",
    }
    assert rows[1]["speed_up"] == "4"
    assert rows[2] == {"run": "full", "status": "not run"}


def test_too_few_steps_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure_training_speed", "--steps", "3", "--out", str(tmp_path / "speed.csv")]) == 1
    assert "expected at least 5 and 1" in capsys.readouterr().err


def test_public_shapes_have_their_numbers_of_weights() -> None:
    assert SHAPES["7b"][0].parameters == 6_738_415_616
    assert SHAPES["1b"][0].parameters == 1_100_048_384
