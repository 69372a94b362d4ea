"""Writes the whole world: every file in its upstream format and name, and a manifest with their hashes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.errors import ConfigError
from agentflan.files import atomic_write, sha256_of, write_json, write_jsonl
from agentflan.randomness import generator
from agentflan.replies import cache_key
from agentflan.world import (
    agentbench,
    agentinstruct,
    general,
    glaive,
    hotpot,
    household,
    lexicon,
    sciworld,
    shop,
    talk,
    teval,
    toolbench,
    websites,
)
from agentflan.world.lexicon import TEST, TRAIN

DEFAULT_SIZE = {
    "agentinstruct": 50,  # rows of each of the six tasks
    "toolbench_kept": 800,
    "toolbench_dropped": 60,
    "toolbench_trees": 3,
    "sharegpt": 1800,
    "fireact": 500,
    "glaive": 240,
    "teval": 24,  # records of each of the eight files
    "hotpotqa": 24,  # questions of each of the three levels
    "toolbench_eval": 48,
    "sciworld": 8,  # episodes of each of the five tasks
    "agentbench": 48,  # tasks of each held-in benchmark
    "general": 48,  # questions, problems and functions of the general benchmarks
    "websites": 54,  # browser tasks on the shop and the forum
    "pretraining_conversations": 20000,
    "pretraining_texts": 300,
}

_AGENTINSTRUCT = {
    "os": "971539c34fcc7500",
    "db": "916a87c4725da8c0",
    "alfworld": "302ad687bb3817a4",
    "webshop": "9f2ae60445e11b4e",
    "kg": "9e159f6d0557d229",
    "mind2web": "fc25d47330eea0fc",
}
# Words that the later stages bring in: without them the tokenizer would cut them into letters.
_QUESTIONS = (
    "Which tool will you use? Which tool do you need? Which tool fits here? Which tool is next? Go on. "
    "Give the value of place. State the value of days. Write the JSON value of days. Tell me the value of answer. "
    "You are a helpful assistant. You can use the following tools: Reply in JSON: Reply in this format: "
    "Your thought is: Use rainFinder with place as x and days as 3. your thought tool name JSON of the arguments "
    "goal cot reason Tool NAME action API Command Param Args Arguments Parameters inputs string integer optional "
    "Answer the following questions as best you can. You have access to the following tools: Question: Observation: "
    "Answer the question by steps. The actions are search[title] and finish[answer]. "
    "Reply in two lines: what to do next, one action. "
    "Reply in this form: the name of one tool, its arguments in JSON. What is your thought? The tool is x. "
    "Write the plan in JSON: id name args. Write the plan: one line for each tool, with its arguments. "
    "The call was x with y. all right, wrong tool, wrong argument, both wrong, no call. Which letter? A B C D E "
    "there is no tool. the reply holds no action with arguments in JSON. nothing found. Could not find. Similar:"
)
_REPLY_MODEL = "world"  # the name under which the replies to negative samples are kept


def build_world(folder: Path, seed: int, size: dict[str, int]) -> dict[str, Any]:
    """Write the world below `folder` and return its manifest.

    Args:
        folder: where it goes.
        seed: everything is drawn from it.
        size: counts that differ from `DEFAULT_SIZE`.

    Raises:
        ConfigError: an unknown kind of record.
    """
    unknown = sorted(set(size) - set(DEFAULT_SIZE))
    if unknown:
        raise ConfigError([f"--size: unknown {', '.join(unknown)}; known: {', '.join(DEFAULT_SIZE)}"])
    counts = DEFAULT_SIZE | size
    corpora = list(_corpora(folder, seed, counts))
    files = [*corpora, *_tasks(folder, seed, counts), *_held_in_tasks(folder, seed, counts["agentbench"])]
    files += [*_places(folder, seed, counts), *_general_tasks(folder, seed, counts["general"])]
    files += [*_pretraining(folder, seed, counts), _vocabulary(folder, seed, counts)]
    entries = {
        str(path.relative_to(folder)): {"sha256": sha256_of(path), "size": path.stat().st_size}
        for path in sorted(files)
    }
    manifest = {"seed": seed, "size": counts, "files": entries}
    write_json(folder / "MANIFEST.json", manifest)
    return manifest


def _corpora(folder: Path, seed: int, counts: dict[str, int]) -> Iterator[Path]:
    for task, suffix in _AGENTINSTRUCT.items():
        path = folder / "agentinstruct" / "data" / f"{task}-00000-of-00001-{suffix}.parquet"
        rows = agentinstruct.rows(task, generator("world", seed, task), counts["agentinstruct"])
        _write_parquet(path, rows, _conversations_schema())
        yield path
    rng = generator("world", seed, "toolbench")
    records = toolbench.records(rng, counts["toolbench_kept"], counts["toolbench_dropped"])
    yield _write(folder / "toolbench" / "data" / "toolllama_G123_dfs_train.json", records)
    for number in range(counts["toolbench_trees"]):
        path = folder / "toolbench" / "answer" / "G1_answer" / f"{number}_ChatGPT_DFS_woFilter_w2.json"
        yield _write(path, toolbench.tree(rng))
    path = folder / "sharegpt" / "ShareGPT_V3_unfiltered_cleaned_split.json"
    yield _write(path, _sharegpt(seed, counts["sharegpt"]))
    rng = generator("world", seed, "fireact")
    yield _write(folder / "fireact" / "hotpotqa.json", [hotpot.fireact_row(rng) for _ in range(counts["fireact"])])
    replies = folder / "replies.jsonl"
    write_jsonl(replies, _replies(records))
    yield replies


def _tasks(folder: Path, seed: int, counts: dict[str, int]) -> Iterator[Path]:
    rng = generator("world", seed, "glaive")
    yield _write(folder / "glaive" / "glaive-function-calling-v2.json", glaive.rows(rng, counts["glaive"]))
    for file in teval.FILES:
        records = teval.records(file, generator("world", seed, "teval", file), counts["teval"])
        yield _write(folder / "teval" / "data" / f"{file}_v1.json", records)
    for level in ("easy", "medium", "hard"):
        path = folder / "hotpotqa" / f"{level}.jsonl"
        rng = generator("world", seed, "hotpotqa", level)
        write_jsonl(path, (hotpot.hotpot_row(rng, level, index) for index in range(counts["hotpotqa"])))
        yield path
    yield _write(folder / "hotpotqa" / "prompt.json", hotpot.prompt())
    path = folder / "toolbench_eval" / "tasks.jsonl"
    rng = generator("world", seed, "toolbench_eval")
    write_jsonl(
        path,
        (_tool_task(toolbench.solve(rng, TEST, 1 + index % 2), index) for index in range(counts["toolbench_eval"])),
    )
    yield path


def _places(folder: Path, seed: int, counts: dict[str, int]) -> Iterator[Path]:
    """Tasks of the benchmarks that are played in a place: the simulator, the household, the shop, the web sites."""
    path = folder / "sciworld" / "episodes.jsonl"
    write_jsonl(path, sciworld.episodes(counts["sciworld"]))
    yield path
    place = folder / "agentbench_alfworld"
    trained = _first_tasks("alfworld", "Your task is to: ", seed, counts)
    rng = generator("world", seed, "agentbench_alfworld")
    found = household.households(rng, counts["agentbench"], trained)
    listed = {category: [row["game"] for row in rows] for category, rows in found.items()}
    yield _write(place / "standard.json", listed)
    write_jsonl(place / "households.jsonl", (row for rows in found.values() for row in rows))
    yield place / "households.jsonl"
    yield _write(place / "prompt.json", household.prompt())
    place = folder / "agentbench_webshop"
    trained = _first_tasks("webshop", "WebShop [SEP] Instruction: [SEP] ", seed, counts)
    rng = generator("world", seed, "agentbench_webshop")
    for name, content in shop.files(rng, counts["agentbench"], trained).items():
        yield _write(place / name, content)
    yield _write(place / "prompt.json", shop.prompt())
    place = folder / "webarena_embedded"
    for name, content in websites.files(generator("world", seed, "websites"), counts["websites"]).items():
        yield _write(place / name, content)
    yield _write(place / "prompt.json", websites.prompt())


def _first_tasks(task: str, marker: str, seed: int, counts: dict[str, int]) -> set[str]:
    """What follows a marker in the trajectories that train: no task of a benchmark is one of these."""
    rows = agentinstruct.rows(task, generator("world", seed, task), counts["agentinstruct"])
    texts = [turn["value"].partition(marker)[2] for row in rows for turn in row["conversations"]]
    return {text.partition(" [SEP]")[0] for text in texts}


def _held_in_tasks(folder: Path, seed: int, count: int) -> Iterator[Path]:
    """Tasks and prompts of the held-in benchmarks."""
    place = folder / "agentbench_db"
    write_jsonl(place / "standard.jsonl", agentbench.db_rows(generator("world", seed, "agentbench_db"), count))
    yield place / "standard.jsonl"
    yield _write(place / "prompt.json", agentbench.db_prompt())
    place = folder / "agentbench_os"
    for name, rows in agentbench.os_files(generator("world", seed, "agentbench_os"), count).items():
        yield _write(place / "data" / f"{name}.json", rows)
    yield _write(place / "prompt.json", agentbench.os_prompt())
    place = folder / "agentbench_kg"
    yield _write(place / "std.json", agentbench.kg_rows(generator("world", seed, "agentbench_kg"), count))
    yield _write(place / "prompt.json", agentbench.kg_prompt())
    place = folder / "agentbench_mind2web"
    recorded = agentbench.mind2web_rows(generator("world", seed, "agentbench_mind2web"), count)
    yield _write(place / "data_std.json", recorded)
    with atomic_write(place / "scores_all_data.pkl", "wb") as handle:
        pickle.dump(agentbench.mind2web_ranks(recorded), handle, protocol=4)
    yield place / "scores_all_data.pkl"
    yield _write(place / "prompt.json", agentbench.mind2web_prompt())


def _general_tasks(folder: Path, seed: int, count: int) -> Iterator[Path]:
    """Questions, problems and functions of the general benchmarks."""
    for split, rows in general.mmlu_files(generator("world", seed, "mmlu"), count).items():
        path = folder / "mmlu" / "all" / f"{split}-00000-of-00001.parquet"
        _write_parquet(path, rows, _questions_schema())
        yield path
    for split, rows in general.gsm8k_files(generator("world", seed, "gsm8k"), count).items():
        path = folder / "gsm8k" / f"{split}.jsonl"
        write_jsonl(path, rows)
        yield path
    path = folder / "humaneval" / "HumanEval.jsonl.gz"
    with atomic_write(path, "wb") as handle:
        handle.write(general.humaneval_file(generator("world", seed, "humaneval"), count))
    yield path


def _pretraining(folder: Path, seed: int, counts: dict[str, int]) -> Iterator[Path]:
    rng = generator("world", seed, "pretraining")
    path = folder / "pretrain" / "chat.jsonl"
    write_jsonl(
        path,
        (
            _chat_row(index, talk.conversation(rng, TRAIN, talk.PRETRAINING))
            for index in range(counts["pretraining_conversations"])
        ),
    )
    yield path
    path = folder / "pretrain" / "text.jsonl"
    write_jsonl(path, ({"text": _page(rng)} for _ in range(counts["pretraining_texts"])))
    yield path


def _vocabulary(folder: Path, seed: int, counts: dict[str, int]) -> Path:
    """Text of every kind of the training corpora, for the tokenizer alone: Llama's has seen code and JSON too."""
    rng = generator("world", seed, "vocabulary")
    texts = [turn["value"] for record in toolbench.records(rng, 200, 40) for turn in record["conversations"]]
    for task in _AGENTINSTRUCT:
        texts += [turn["value"] for row in agentinstruct.rows(task, rng, 60) for turn in row["conversations"]]
    for _ in range(100):
        row = hotpot.fireact_row(rng)
        texts += [row["instruction"], row["output"]]
    words = [*lexicon.TOPICS, *lexicon.FIRST_NAMES, *lexicon.LAST_NAMES]
    words += [*lexicon.COLORS, *lexicon.THINGS, *lexicon.FURNITURE, *lexicon.VALUES]
    texts += [_QUESTIONS, *(f'{word} "{word}" [{word}]' for word in words)] * 50
    path = folder / "pretrain" / "vocabulary.jsonl"
    write_jsonl(path, ({"text": text} for text in texts))
    return path


def _page(rng: Any) -> str:
    question = hotpot.ask(rng, TRAIN, "hard")
    return "\n".join("".join(page.sentences()) for page in (*question.support, *question.others))


def _sharegpt(seed: int, count: int) -> list[dict[str, Any]]:
    rng, rows = generator("world", seed, "sharegpt"), []
    for index in range(count):
        turns = [
            {"from": who, "value": text}
            for exchange in talk.conversation(rng, TRAIN, talk.ORDINARY)
            for who, text in zip(("human", "gpt"), exchange, strict=True)
        ]
        if index % 40 == 7:  # a chunk cut out of a longer conversation, as upstream has them
            turns = turns[1:]
        rows.append({"id": f"w{seed}{index:05d}_0", "conversations": turns})
    return rows


def _chat_row(index: int, exchanges: list[talk.Exchange]) -> dict[str, Any]:
    turns = []
    for said, replied in exchanges:
        turns.append({"role": "user", "content": said})
        turns.append({"role": "assistant", "content": replied, "loss": True})
    return {"id": f"chat_{index}", "dataset": "pretrain", "stream": "general", "turns": turns}


def _replies(records: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What the stand-in for a chat model says to each query when it has no tools."""
    queries = sorted({record["id"].split(": ", 1)[1] for record in records})
    rows = []
    for query in queries:
        topic, _, rest = query.removeprefix("What is the ").removesuffix("?").partition(" of ")
        system = {"role": "system", "content": "You are a helpful assistant."}
        key = cache_key(_REPLY_MODEL, [system, {"role": "user", "content": query}])
        rows.append({"key": key, "model": _REPLY_MODEL, "reply": talk.decline(topic, rest.split(" in ")[0])})
    return rows


def _tool_task(solution: toolbench.Solution, index: int) -> dict[str, Any]:
    return {
        "id": f"task_{index}",
        "query": solution.query,
        "tools": [tool.described() for tool in solution.tools],
        "steps": [
            {"action": tool.name, "arguments": arguments, "observation": toolbench.observe(tool, found)}
            for tool, arguments, found in solution.calls
        ],
        "answer": solution.answer,
    }


def _write(path: Path, value: Any) -> Path:
    with atomic_write(path) as handle:
        json.dump(value, handle, ensure_ascii=False, indent=1)
    return path


def _write_parquet(path: Path, rows: list[dict[str, Any]], schema: Any) -> None:
    import pyarrow
    from pyarrow import parquet

    with atomic_write(path, "wb") as handle:
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), handle)


def _conversations_schema() -> Any:
    import pyarrow

    turn = pyarrow.struct([("from", pyarrow.string()), ("loss", pyarrow.bool_()), ("value", pyarrow.string())])
    return pyarrow.schema([("conversations", pyarrow.list_(turn)), ("id", pyarrow.string())])


def _questions_schema() -> Any:
    import pyarrow

    text = pyarrow.string()
    fields = {"question": text, "subject": text, "choices": pyarrow.list_(text), "answer": pyarrow.int64()}
    return pyarrow.schema(list(fields.items()))
