"""What is measured of a run: its sums are those of the data, its parts add up, its figures carry their formula."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from accident import Accident, run
from pyarrow import parquet
from toy_training import SHAPE

from agentflan.cli import main
from agentflan.files import read_json
from agentflan.training import devices
from agentflan.training.meter import Meter, Totals
from agentflan.training.operations import flops_per_token
from agentflan.training.progress import Progress, clock
from agentflan.training.recipe import Settings
from agentflan.training.shape import LlamaShape


@pytest.fixture
def examples(corpus: Path) -> list[Any]:
    from transformers import AutoTokenizer

    from agentflan.training.data import read_examples

    return read_examples(
        [corpus / "data.jsonl"], AutoTokenizer.from_pretrained(corpus / "t"), "llama2", 64, "assistant"
    )[0]


@pytest.fixture
def config() -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=300,
        hidden_size=SHAPE["hidden_size"],
        intermediate_size=SHAPE["intermediate"],
        num_hidden_layers=SHAPE["layers"],
        num_attention_heads=SHAPE["heads"],
    )


# ---- the record ------------------------------------------------------------------------------------------------------


def test_the_record_counts_what_was_trained(
    corpus: Path, train: Callable[..., Path], examples: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentflan.training import trainer

    packed, pack = [], trainer.pack

    def watched(*arguments: Any) -> Any:
        packed.append(pack(*arguments))
        return packed[-1]

    monkeypatch.setattr(trainer, "pack", watched)
    train("measured", "--throughput", str(corpus / "measured.json"), epochs=2, rows_per_pass=1)
    record = read_json(corpus / "measured.json")
    totals, tokens = record["totals"], 2 * sum(len(example) for example in examples)
    assert totals["tokens"] == tokens
    assert totals["loss_tokens"] == 2 * sum(example.bearing for example in examples)
    assert totals["conversations"] == 2 * len(examples)
    assert totals["positions"] == sum(row.input_ids.numel() for row in packed) >= tokens
    assert record["padding_share"] == pytest.approx(1 - tokens / totals["positions"])
    assert record["conversations_per_step"] == 4
    assert (totals["runs"], totals["steps"]) == (1, 6)
    assert 0 < totals["steady_seconds"] < totals["training_seconds"] < totals["wall_seconds"]
    assert record["tokens_per_second"]["end_to_end"] == pytest.approx(tokens / totals["wall_seconds"])
    assert totals["peak_memory_bytes"] > 100e6  # this process with PyTorch
    assert (record["world_size"], sum(record["devices"].values())) == (1, 1)
    assert {"torch", "transformers", "deepspeed"} <= set(record["versions"])


def test_without_a_known_peak_no_utilisation_is_claimed(corpus: Path, train: Callable[..., Path]) -> None:
    train("unknown_peak", "--throughput", str(corpus / "unknown_peak.json"))
    found = read_json(corpus / "unknown_peak.json")["mfu"]
    assert found["value"] is None and found["peak_flops"] is None
    assert found["flops_per_token"] > 0 and found["formula"].startswith("MFU = useful tokens/s")


def test_utilisation_is_speed_times_operations_over_the_peak(
    examples: list[Any], config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentflan.training import processes

    processes.join()
    monkeypatch.setattr(devices, "peak_flops", lambda device: 1e9)
    meter, steps = Meter(), [examples[:6], examples[6:]]
    meter.start(config, steps, Settings(max_length=64, batch=6))
    meter.step(1, {("all", "all"): (10.0, 5)}, 1e-3)
    meter.step(2, {("all", "all"): (10.0, 5)}, 1e-3)
    record = meter.finish()
    lengths = [len(example) for example in examples]
    flops = flops_per_token(LlamaShape.from_config(config.to_dict()), sum(n * n for n in lengths) / sum(lengths))
    assert record["mfu"]["flops_per_token"] == flops
    assert record["mfu"]["value"] == pytest.approx(record["tokens_per_second"]["steady"] * flops / 1e9)


def test_parts_of_an_interrupted_run_are_summed(examples: list[Any], config: Any) -> None:
    from agentflan.training import processes

    processes.join()
    steps, parts = [examples[:6], examples[6:]], {("all", "all"): (10.0, 5)}
    first = Meter()
    first.start(config, steps, Settings(max_length=64, batch=6))
    first.step(1, parts, 1e-3)
    state = first.state()
    second = Meter()
    second.start(config, steps, Settings(max_length=64, batch=6), 1, state)
    second.step(2, parts, 1e-3)
    totals = second.finish()["totals"]
    assert (totals["runs"], totals["steps"], totals["loss_tokens"]) == (2, 2, 10)
    assert totals["tokens"] == sum(len(example) for example in examples)
    assert totals["training_seconds"] > state["training_seconds"] > 0
    assert totals["wall_seconds"] > state["wall_seconds"]


def test_a_killed_run_counts_each_step_once(corpus: Path, command: Callable[..., list[str]]) -> None:
    line = command("killed", "--throughput", str(corpus / "killed.json"), epochs=4)
    line += ["--snapshots", str(corpus / "snapshots" / "meter"), "--snapshot-every", "2"]
    assert run(line, Accident("SIGKILL", 5)).returncode == -9
    assert main(line) == 0
    totals = read_json(corpus / "killed.json")["totals"]
    assert (totals["runs"], totals["steps"], totals["conversations"]) == (2, 12, 48)


def test_energy_that_one_part_does_not_tell_is_not_known() -> None:
    assert (Totals(energy_joules=2.0) + Totals(energy_joules=3.0)).energy_joules == 5.0
    assert (Totals(energy_joules=2.0) + Totals(energy_joules=None)).energy_joules is None
    assert (Totals(peak_memory_bytes=7) + Totals(peak_memory_bytes=5)).peak_memory_bytes == 7


@pytest.mark.parametrize(
    ("device", "tera"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("NVIDIA H100 PCIe", None),
        ("AMD EPYC 7B13", None),
    ],
)
def test_a_peak_is_known_by_the_name_of_the_board(device: str, tera: int | None) -> None:
    assert devices.peak_flops(device) == (tera and tera * 1e12)


def test_a_measured_run_gives_the_same_checkpoint(corpus: Path, train: Callable[..., Path]) -> None:
    from agentflan.files import sha256_of

    plain = train("same")
    before = {path.name: sha256_of(path) for path in plain.iterdir()}
    again = train("same", "--throughput", str(corpus / "t.json"), "--events", str(corpus / "events"))
    assert {path.name: sha256_of(path) for path in again.iterdir()} == before


# ---- on the way ------------------------------------------------------------------------------------------------------


def test_padding_is_told_before_the_first_step(
    train: Callable[..., Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentflan.training import trainer

    told: list[list[str]] = []
    step = trainer._step
    monkeypatch.setattr(trainer, "_step", lambda *arguments: told.append(list(caplog.messages)) or step(*arguments))
    with caplog.at_level(logging.INFO):
        train("told")
    assert any("3 steps of 4 conversations" in line and "packed rows waste" in line for line in told[0])


def test_a_log_has_a_line_every_twentieth_of_the_way(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        progress = Progress(1000, 0)
        for number in range(1, 1001):
            progress.step(number, "loss 1")
    assert len(caplog.messages) == 21
    assert caplog.messages[-1] == "step 1000 of 1000: loss 1"


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with caplog.at_level(logging.INFO):
        progress = Progress(3, 1)
        progress.step(2, "loss 2.5, 1:05 left")
        progress.step(3, "loss 2.4, 0:00 left")
        progress.close()
    assert "3/3" in terminal.getvalue() and "loss 2.4, 0:00 left" in terminal.getvalue()
    assert caplog.messages == []


def test_durations_read_as_clocks() -> None:
    assert [clock(seconds) for seconds in (0, 65, 3661)] == ["0:00", "1:05", "1:01:01"]


def test_events_are_the_losses(corpus: Path, train: Callable[..., Path]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train("told", "--events", str(corpus / "told_events"))
    events = EventAccumulator(str(corpus / "told_events"))
    events.Reload()
    rows = parquet.read_table(corpus / "told.parquet").to_pylist()
    groups = {(row["kind"], row["group"]) for row in rows}
    assert {("format", "format"), ("format", "content"), ("dataset", "toy")} <= groups
    for kind, group in groups:
        found = {event.step: event.value for event in events.Scalars(f"loss/{kind}/{group.replace(' ', '_')}")}
        wanted = {
            row["step"]: row["loss_sum"] / row["tokens"] for row in rows if (row["kind"], row["group"]) == (kind, group)
        }
        assert found == pytest.approx(wanted)
    assert [event.step for event in events.Scalars("learning_rate")] == [1, 2, 3]
    assert all(event.value > 0 for event in events.Scalars("tokens_per_second"))
