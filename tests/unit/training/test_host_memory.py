"""What ZeRO-3 asks of a host: it never holds the whole model twice, neither to load nor to save it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from accident import run
from toy_training import SHAPE

pytestmark = pytest.mark.slow  # a quarter of a GB of weights, by two processes
WIDE = SHAPE | {"hidden_size": 768, "layers": 8, "heads": 8, "intermediate": 2048}
PARAMETERS = 8 * (4 * 768**2 + 3 * 768 * 2048)  # the matrices of the layers; embeddings and norms are small
HALF = {"zero": 3, "dtype": "float32", "max_shard_size": "40MB"}


def _anonymous() -> int:
    """Bytes of this process's own memory; files mapped into it do not count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@contextmanager
def _growth(name: str) -> Iterator[None]:
    """Print by how much this process's memory grows at most meanwhile."""
    ended, before = threading.Event(), _anonymous()
    seen = [before]

    def watch() -> None:
        while not ended.wait(0.002):
            seen.append(_anonymous())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        print(f"{name} grew by {max(seen) - before}", flush=True)


def _measured(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        with _growth(name):
            return function(*arguments, **named)

    return call


def measure_loading_and_saving() -> None:
    """Let a training print what loading and saving took."""
    import deepspeed  # noqa: F401  what modules take is not the model's
    from transformers import LlamaForCausalLM  # noqa: F401

    from agentflan.training import checkpoint, model

    model.load_model = _measured("loading", model.load_model)
    checkpoint.save_checkpoint = _measured("saving", checkpoint.save_checkpoint)


def _grown(printed: str, name: str) -> list[int]:
    return [int(line.rpartition(" ")[2]) for line in printed.splitlines() if line.startswith(f"{name} grew by ")]


def test_no_host_holds_the_model_twice(command: Callable[..., list[str]], corpus: Path) -> None:
    wide = ["train_checkpoint", "--from-scratch", json.dumps(WIDE), *command("wide", **HALF)[3:]]
    made = run(wide, processes=1)
    assert made.returncode == 0, made.stderr
    assert len(list((corpus / "wide").glob("*.safetensors"))) > 3
    tuned = ["train_checkpoint", "--model", str(corpus / "wide"), *command("again", **HALF)[5:]]
    done = run(tuned, measure_loading_and_saving, processes=2)
    assert done.returncode == 0, done.stderr

    whole = 4 * PARAMETERS  # bytes in fp32
    loading, saving = _grown(done.stderr, "loading"), _grown(done.stderr, "saving")
    assert len(loading) == len(saving) == 2
    print(f"of {whole}: loading {loading}, saving {saving}")
    assert max(loading) < 1.5 * whole  # its own half, what is spread at the moment, and the code that spreads
    assert min(saving) < 0.2 * whole  # the process that writes nothing
    assert max(saving) < 1.3 * whole  # the whole model once, and a file of it
