"""A task file in which any one value is of another type: it is refused by name, or the oracle's episode still ends.

What neither is refused nor played would count as an agent's failure. Each file of the embedded world is cut to few
records; then each value in its first record is replaced, one after another.
"""

from __future__ import annotations

import copy
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmark_examples import SETTINGS

from agentflan import benchmarks
from agentflan.backends import oracle
from agentflan.benchmarks._protocol import complete_settings
from agentflan.benchmarks._tasks import checked_tasks
from agentflan.episodes import play_chunk
from agentflan.errors import ConfigError, FileError, NotAvailable, RecordError
from agentflan.world.build import build_world

FEW = dict.fromkeys(("agentinstruct", "toolbench_kept", "toolbench_dropped", "sharegpt", "fireact"), 1) | {
    "pretraining_conversations": 1,
    "pretraining_texts": 1,
}
GONE = object()  # a field that is left out
OTHERS = (GONE, None, 7, True, "x", "\ud800", [], {}, [7])
FILES = {  # benchmark → the files of its tasks
    "agent_h": ["glaive-function-calling-v2.json"],
    "agentbench_alfworld": ["standard.json", "households.jsonl"],
    "agentbench_db": ["standard.jsonl"],
    "agentbench_kg": ["std.json"],
    "agentbench_mind2web": ["data_std.json"],
    "agentbench_os": ["data/1/stock.json", "data/2/environment.json", "data/4/N11.json"],
    "agentbench_webshop": ["items_shuffle_1000.json", "items_ins_v2_1000.json", "items_human_ins.json"],
    "gsm8k": ["test.jsonl"],
    "hotpotqa": ["easy.jsonl"],
    "humaneval": ["HumanEval.jsonl.gz"],
    "sciworld": ["episodes.jsonl"],
    "teval": [f"data/{kind}_v1.json" for kind in complete_settings(benchmarks.load("teval"), {})["files"]],
    "toolbench_eval": ["tasks.jsonl"],
    "webarena_embedded": ["tasks.json", "sites.json", "solutions.json"],
}
WHOLE = ("sites.json", "glaive-function-calling-v2.json")  # one object; samples that only together have a score
NOT_PLAYED = ("agentbench_os", "sciworld", "webarena_embedded")  # sandbox, simulator and browser are slow: only read


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded world, each file that is broken here cut to its first record."""
    folder = tmp_path_factory.mktemp("world")
    build_world(folder, 0, FEW)
    for name, files in FILES.items():
        for file in files:
            if file not in WHOLE:
                path = folder / benchmarks.load(name).DATA / file
                write(path, first(read(path)))
    return folder


def first(value: Any) -> Any:
    """The first record of a file; the first game of AlfWorld's lists."""
    if isinstance(value, list):
        return value[:1]
    key, inner = next(iter(value.items()))
    return {key: inner[:1] if key == "pick_and_place" else inner}


def read(path: Path) -> Any:
    """A JSON file; JSON lines are a list."""
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()] if ".jsonl" in path.name else json.loads(text)


def write(path: Path, value: Any) -> None:
    """The same way back; halves of surrogate pairs stand as escapes."""
    text = "\n".join(map(json.dumps, value)) if ".jsonl" in path.name else json.dumps(value)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values; of a list, to the first one."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*above, key)
        yield from places(inner, (*above, key))


def broken(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """A copy with another value at a place."""
    whole = holder = copy.deepcopy(value)
    for key in place[:-1]:
        holder = holder[key]
    if other is GONE:
        del holder[place[-1]]
    else:
        holder[place[-1]] = other
    return whole


def fate(name: str, folder: Path, file: str) -> str:
    """How the tasks of a folder end: refused, read, completed …; an unexpected error by its name."""
    module = benchmarks.load(name)
    chosen = {"files": [file.removeprefix("data/").removesuffix("_v1.json")]} if name == "teval" else {}
    settings = complete_settings(module, SETTINGS.get(name, {}) | {"limit": None} | chosen)
    try:
        tasks = checked_tasks(module, folder, settings)
        if name in NOT_PLAYED:
            return "read"
        rows = play_chunk(module, tasks, oracle.start("", module, settings), settings)
        module.score(tasks, rows, settings)
        return " ".join(sorted({row.get("error", row["outcome"]) for row in rows}))
    except (RecordError, FileError, ConfigError) as error:
        assert "Traceback" not in str(error)
        str(error).encode()
        return "refused"
    except NotAvailable:
        return "missing"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", FILES)
def test_a_value_of_another_type_is_refused_or_played(name: str, world: Path, tmp_path: Path) -> None:
    data = benchmarks.load(name).DATA
    folder = Path(shutil.copytree(world / data, tmp_path / data))
    seen = []
    for file in FILES[name]:
        whole = read(folder / file)
        usual = fate(name, folder, file)
        if usual == "missing":
            pytest.skip("a package or an environment is missing")
        assert usual in ("completed", "read")
        for place in places(whole):
            for other in OTHERS:
                write(folder / file, broken(whole, place, other))
                seen.append((fate(name, folder, file), file, place, other))
        write(folder / file, whole)

    fates = ("refused", "read", "completed", "missing", "task_limit", "invalid_action", "context_limit")
    assert [line for line in seen if not set(line[0].split()) <= set(fates)] == []
    assert sum(line[0] == "refused" for line in seen) > len(seen) / 3
