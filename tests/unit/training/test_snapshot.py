"""A training run that is killed, stopped or broken goes on as if nothing had happened, or ends with its reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import accident
import pytest
from accident import Accident, run
from toy_training import assert_close, assert_same_bytes

from agentflan.cli import main
from agentflan.files import read_json

Line = Callable[..., list[str]]
EPOCHS = 4  # twelve steps
CARD = {"condition": {}, "template": "llama2", "base": {}, "data": {}, "settings": {}, "counts": {}, "versions": {}}


@pytest.fixture
def saved(command: Line, corpus: Path, request: pytest.FixtureRequest) -> Line:
    """``saved(*more, **settings)``: the command line of a run of this test that keeps snapshots, every two steps."""
    name = f"run{abs(hash(request.node.name)):x}"

    def line(*more: str, every: int = 2, **settings: Any) -> list[str]:
        flags = ["--snapshots", str(corpus / "snapshots" / name), "--snapshot-every", str(every)]
        return command(name, *flags, *more, **{"epochs": EPOCHS} | settings)

    return line


def _out(line: list[str]) -> Path:
    return Path(line[line.index("--out") + 1])


def _steps(line: list[str]) -> list[int]:
    """The steps of the stored snapshots of a run."""
    folder = Path(line[line.index("--snapshots") + 1])
    return sorted(int(path.name[5:]) for path in folder.glob("*/step-*"))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param({"zero": 2}, marks=pytest.mark.slow),
        pytest.param({"zero": 3}, marks=pytest.mark.slow),
        {"zero": 1, "dtype": "bfloat16"},
        {"zero": 2, "dtype": "bfloat16", "lora_rank": 4},
    ],
    ids=str,
)
def test_a_killed_run_ends_with_the_bytes_of_an_undisturbed_one(
    train: Line, saved: Line, settings: dict[str, Any]
) -> None:
    line = saved(**settings)
    for step in (1, 5, 8):
        assert run(line, Accident("SIGKILL", step)).returncode == -9
        assert not _out(line).exists()
    assert _steps(line) == [4, 6]  # the newest two; 8 died before its own was written
    assert main(line) == 0

    assert_same_bytes(train("whole", epochs=EPOCHS, **settings), _out(line))
    assert _steps(line) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"zero": 2}),
        ({"zero": 1}, {"zero": 3}),
        ({"zero": 3}, {}),
        ({"zero": 3}, {"zero": 2, "offload": "optimizer"}),
    ],
    ids=str,
)
def test_a_run_goes_on_in_another_layout(
    train: Line, saved: Line, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert run(saved(**first), Accident("SIGTERM", 5)).returncode == 143
    assert main(saved(**second)) == 0
    assert_close(train("whole", epochs=EPOCHS), _out(saved()))


@pytest.mark.parametrize(
    ("before", "after", "zero"),
    [
        (2, 1, 3),
        (1, 2, 2),
        pytest.param(2, 1, 0, marks=pytest.mark.slow),
        pytest.param(1, 2, 3, marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_with_another_number_of_processes(
    train: Line, saved: Line, before: int, after: int, zero: int
) -> None:
    line = saved(zero=zero)
    done = run(saved(every=0, zero=zero), Accident("SIGUSR1", 3, before - 1), before)
    assert done.returncode == 0, done.stderr  # saved and went on to the end, and then tidied up
    done = run(line, Accident("SIGKILL", 5), before)
    assert done.returncode != 0
    assert _steps(line) == [2, 4]
    _out(line).rename(_out(line).with_name(f"ended{zero}{before}"))
    done = run(line, processes=after)
    assert done.returncode == 0, done.stderr
    assert "going on after step 4" in done.stderr
    assert_close(train("whole", epochs=EPOCHS), _out(line))


def test_sigterm_saves_and_stops_and_sigusr1_saves_and_goes_on(train: Line, saved: Line) -> None:
    line = saved(every=0)
    stopped = run(line, Accident("SIGTERM", 7))
    assert stopped.returncode == 143
    assert "SIGTERM after step 7 of 12" in stopped.stderr
    assert _steps(line) == [7]
    died = run(line, Accident("SIGKILL", 9))
    assert "going on after step 7" in died.stderr
    assert main(line) == 0
    assert_same_bytes(train("whole", epochs=EPOCHS), _out(line))


def _die_at_the_record() -> None:
    from agentflan.provenance.store import Store

    Store.finish = lambda *_: accident.happen("SIGKILL")  # type: ignore[method-assign]


def test_snapshots_stay_until_the_record_is_written(saved: Line) -> None:
    line = saved()
    assert run(line, _die_at_the_record).returncode == -9
    assert _out(line).exists() and _steps(line) == [8, 10]
    assert main(line) == 0
    assert _steps(line) == []


@pytest.mark.parametrize("harm", ["cut off", "other bytes", "missing file", "no state"])
def test_a_broken_snapshot_is_skipped_for_the_one_before(
    train: Line, saved: Line, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = saved()
    run(line, Accident("SIGKILL", 7))
    (newest,) = Path(line[line.index("--snapshots") + 1]).glob("*/step-00000006")
    (file,) = newest.glob("*.safetensors")
    if harm == "cut off":
        file.write_bytes(file.read_bytes()[:-10])
    if harm == "other bytes":
        file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    if harm == "missing file":
        file.unlink()
    if harm == "no state":
        (newest / "state.json").unlink()
    caplog.set_level("INFO")
    assert main(line) == 0
    assert "skipped a broken snapshot" in caplog.text
    assert str(newest) in caplog.text
    assert "going on after step 4" in caplog.text
    assert_same_bytes(train("whole", epochs=EPOCHS), _out(line))


def test_snapshots_of_another_run_are_not_taken_up(train: Line, saved: Line, caplog: pytest.LogCaptureFixture) -> None:
    assert run(saved(seed=3), Accident("SIGTERM", 5)).returncode == 143
    caplog.set_level("INFO")
    assert main(saved()) == 0
    assert "going on" not in caplog.text
    assert_same_bytes(train("whole", epochs=EPOCHS), _out(saved()))
    assert _steps(saved()) == [4, 5]  # what the other run will need


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_stops_all_processes_with_the_reason(saved: Line, processes: int) -> None:
    line = saved(zero=2)
    done = run(line, Accident("full disk", 3, processes - 1), processes)
    assert done.returncode == 1
    assert f"snapshot: process {processes - 1}: " in done.stderr
    assert "File too large" in done.stderr
    assert _steps(line) == [2]
    assert not list(Path(line[line.index("--snapshots") + 1]).glob("*/.*"))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_disk_that_is_full_at_the_end_stops_all_processes_and_keeps_the_snapshot(saved: Line, processes: int) -> None:
    line = saved()
    done = run(line, Accident("full disk", 12), processes)
    assert done.returncode == 1
    assert "losses: process 0: " in done.stderr and "File too large" in done.stderr
    assert not _out(line).exists()
    assert _steps(line) == [8, 10]


def test_a_checkpoint_that_does_not_fit_the_disk_leaves_nothing(
    train: Line, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM

    from agentflan.training import checkpoint, processes
    from agentflan.training.recipe import Settings

    model = AutoModelForCausalLM.from_pretrained(train("whole", epochs=EPOCHS))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_text", full)  # the last files
    with pytest.raises(processes.ProcessFailed, match=r"checkpoint: process 0: .*No space left on device"):
        checkpoint.save_checkpoint(corpus / "full", model, corpus / "t", Settings(), CARD)
    assert not list(corpus.glob("*full*"))


def test_weights_that_are_no_numbers_are_never_saved(train: Line, corpus: Path) -> None:
    from transformers import AutoModelForCausalLM

    from agentflan.training import checkpoint, processes
    from agentflan.training.recipe import Settings

    model = AutoModelForCausalLM.from_pretrained(train("whole", epochs=EPOCHS))
    model.model.norm.weight.data[3] = float("nan")
    with pytest.raises(processes.ProcessFailed, match=r"found weights of model\.norm\.weight that are no numbers"):
        checkpoint.save_checkpoint(corpus / "broken", model, corpus / "t", Settings(), CARD)
    assert not list(corpus.glob("*broken*"))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_loss_that_is_no_number_stops_the_run(saved: Line, processes: int) -> None:
    line = saved(lr=1e30, warmup_lr=1e30)
    done = run(line, processes=processes)
    assert done.returncode == 1
    assert "the loss is nan; lower the learning rate" in done.stderr
    assert not _out(line).exists()


def test_a_dead_process_ends_the_others(saved: Line) -> None:
    """Under the launcher, which ends the processes that wait for the dead one."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = [sys.executable, *launcher, accident.__file__, "SIGKILL", "3", "1", *saved()]
    done = subprocess.run(program, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert "Signal 9 (SIGKILL)" in done.stderr


def test_a_snapshot_says_what_it_holds(saved: Line) -> None:
    line = saved()
    assert run(line, Accident("SIGTERM", 4)).returncode == 143
    (state,) = Path(line[line.index("--snapshots") + 1]).glob("*/step-00000004/state.json")
    facts = read_json(state)
    assert (facts["step"], facts["adam_steps"]) == (4, 4)
    assert {row["step"] for row in facts["facts"]["losses"]} == {1, 2, 3, 4}
    assert sum(proof["bytes"] for proof in facts["files"].values()) > 3 * 4 * 20000  # three fp32 copies
    assert json.dumps(facts)
