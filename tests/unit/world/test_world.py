"""The embedded world: the same bytes from the same seed, upstream formats that the real readers take, clean splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentflan import datasets
from agentflan.errors import ConfigError
from agentflan.files import read_json, read_jsonl, sha256_of
from agentflan.randomness import generator
from agentflan.world.build import build_world
from agentflan.world.lexicon import TEST, TOPICS, TRAIN, name, tools

SIZE = {
    "agentinstruct": 24,
    "toolbench_kept": 40,
    "toolbench_dropped": 8,
    "sharegpt": 60,
    "fireact": 20,
    "glaive": 40,
    "teval": 4,
    "hotpotqa": 6,
    "toolbench_eval": 6,
    "pretraining_conversations": 50,
    "pretraining_texts": 5,
}
FOLDERS = {**dict.fromkeys(("os", "db", "alfworld", "webshop", "kg", "mind2web"), "agentinstruct")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    build_world(folder, 0, SIZE)
    return folder


def test_the_same_seed_gives_the_same_bytes(world: Path, tmp_path: Path) -> None:
    same, other = build_world(tmp_path / "same", 0, SIZE), build_world(tmp_path / "other", 1, SIZE)
    assert read_json(world / "MANIFEST.json") == same != other
    assert all(sha256_of(world / path) == entry["sha256"] for path, entry in same["files"].items())


def test_the_readers_take_every_corpus(world: Path) -> None:
    for task in ("os", "db", "alfworld", "webshop", "kg", "mind2web", "toolbench", "fireact", "sharegpt"):
        module = datasets.load(task)
        rows = list(module.read(world / FOLDERS.get(task, task)))
        rejected = [row.id for row in rows if module.reject(row)]
        assert rows and len(rejected) < len(rows)
        assert bool(rejected) == (task in ("kg", "toolbench", "sharegpt"))
    played = ("sciworld", "agentbench_alfworld", "agentbench_webshop")
    for task in ("glaive", "teval", "hotpotqa", "toolbench_eval", *played):
        assert list(datasets.load(task).read(world / task))


def test_upstream_oddities_are_there(world: Path) -> None:
    db = list(datasets.load("db").read(world / "agentinstruct"))
    assert any(row.turns[-1].content.endswith("```") for row in db)
    alfworld = list(datasets.load("alfworld").read(world / "agentinstruct"))
    assert any(turn.content.startswith("ACTION:") for row in alfworld for turn in row.turns)
    toolbench = datasets.load("toolbench")
    reasons = {toolbench.reject(row) for row in toolbench.read(world / "toolbench")}
    assert reasons == {None, "no final answer", "not the first try (strict reading)"}
    glaive = [row["chat"] for row in read_json(world / "glaive" / "glaive-function-calling-v2.json")]
    assert any("<functioncall>" in chat and "'{" in chat for chat in glaive)


def test_names_and_tools_of_the_splits_are_disjoint() -> None:
    rng = generator("test")
    names = {split: {name(rng, split) for _ in range(500)} for split in (TRAIN, TEST)}
    assert not names[TRAIN] & names[TEST]
    topics = {split: {tool.topic for _ in range(50) for tool in tools(rng, split, 3)} for split in (TRAIN, TEST)}
    assert not topics[TRAIN] & topics[TEST]
    assert topics[TRAIN] | topics[TEST] == set(TOPICS)


def test_test_names_stand_in_no_training_corpus(world: Path) -> None:
    rows = list(read_jsonl(world / "hotpotqa" / "hard.jsonl"))
    titles = {title for row in rows for title, _ in row["context"]}
    corpora = [world / "pretrain" / "chat.jsonl", world / "fireact" / "hotpotqa.json"]
    corpora.append(world / "toolbench" / "data" / "toolllama_G123_dfs_train.json")
    text = "".join(path.read_text() for path in corpora)
    assert titles and not [title for title in titles if title in text]


def test_households_and_wishes_stand_in_no_trajectory(world: Path) -> None:
    games = datasets.load("agentbench_alfworld").read(world / "agentbench_alfworld")
    products = datasets.load("agentbench_webshop").read(world / "agentbench_webshop")
    wanted = {
        "alfworld": [row["household"]["task"] for row in games],
        "webshop": [f"[SEP] {wish['text']} [SEP]" for row in products for wish in row["wishes"]],
    }
    for task, texts in wanted.items():
        rows = datasets.load(task).read(world / "agentinstruct")
        trained = "\n".join(turn.content for row in rows for turn in row.turns)
        assert len(texts) == 48
        assert not [text for text in texts if text in trained]


def test_a_title_has_one_page_in_all_questions(world: Path) -> None:
    pages: dict[str, list[str]] = {}
    for level in ("easy", "medium", "hard"):
        for row in read_jsonl(world / "hotpotqa" / f"{level}.jsonl"):
            for title, sentences in row["context"]:
                assert pages.setdefault(title, sentences) == sentences
                assert row["answer"] in ("yes", "no") or any(
                    row["answer"] in "".join(text) for _, text in row["context"]
                )


def test_every_query_has_a_reply_for_the_negatives(world: Path) -> None:
    from agentflan.negative import read_queries, request
    from agentflan.replies import cache_key

    known = {row["key"] for row in read_jsonl(world / "replies.jsonl")}
    queries = list(read_queries(datasets.load("toolbench").read(world / "toolbench")))
    assert queries and all(cache_key("world", request(query)) in known for query in queries)


def test_unknown_sizes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hotpot"):
        build_world(tmp_path, 0, {"hotpot": 3})
