"""Agent corpora: replies in every action shape, and the counts of the paper's filter on real records."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentflan import datasets
from agentflan.records import Step, Trajectory

AGENT = ("os", "db", "alfworld", "webshop", "kg", "mind2web", "toolbench", "fireact")
AGENTINSTRUCT = AGENT[:6]

CASES = [
    ("os", "Think: count\n\nAct: bash\n\n```bash\nls | wc -l\n```", Step("count", "bash", {"command": "ls | wc -l"})),
    ("os", "Think: done\n\nAct: answer(22 (b))", Step("done", "answer", {"answer": "22 (b)"})),
    ("os", "Think: done\n\nAct: finish", Step("done", "finish", {})),
    ("db", "I look.\nAction: Operation\n```sql\nSELECT 1;\n```", Step("I look.", "Operation", {"sql": "SELECT 1;"})),
    ("db", 'Action: Answer\nFinal Answer: ["x"]', Step("", "Answer", {"answer": '["x"]'})),
    ("alfworld", "ACTION: go to desk 1", Step("", "go to", {"place": "desk 1"})),
    (
        "alfworld",
        "THOUGHT: now\nACTION: put cup 1 in/on shelf 2",
        Step("now", "put", {"object": "cup 1", "place": "shelf 2"}),
    ),
    ("alfworld", "ACTION: sing loudly", Step("", "sing", {"words": "loudly"})),
    ("webshop", "Thought:\nbuy\n\nAction:\nclick[Buy Now]", Step("buy", "click", {"element": "Buy Now"})),
    ("webshop", "Thought:\nx\n\nAction:\nsearch[red [big] lamp]", Step("x", "search", {"query": "red [big] lamp"})),
    (
        "kg",
        "Thought: t\nAction: get_neighbors(#0, a.b)",
        Step("t", "get_neighbors", {"argument_1": "#0", "argument_2": "a.b"}),
    ),
    ("kg", "Thought: t\nFinal Answer: #3", Step("t", "Final Answer", {"answer": "#3"})),
    (
        "mind2web",
        "Thought: t\nAnswer: B.\nAction: TYPE\nValue: New York",
        Step("t", "TYPE", {"element": "B", "value": "New York"}),
    ),
    ("mind2web", "Answer: A. None of the above", Step("", "None of the above", {"element": "A"})),
    (
        "toolbench",
        '\nThought: t\nAction: f_for_g\nAction Input: {"a": [1, {"b": "ü\\n"}], "c": null}',
        Step("t", "f_for_g", {"a": [1, {"b": "ü\n"}], "c": None}),
    ),
    ("toolbench", "\nThought: \nAction: f\nAction Input: {\n}", Step("", "f", {})),
    ("fireact", "Thought: t\nAction: finish[yes]", Step("t", "finish", {"answer": "yes"})),
]


@pytest.mark.parametrize(("dataset", "reply", "step"), CASES)
def test_replies_are_read_and_cut_without_a_gap(dataset: str, reply: str, step: Step) -> None:
    found, pieces = datasets.load(dataset).parse_reply(reply)
    assert found == step
    assert "".join(text for text, _, _ in pieces) == reply
    content = "".join(text for text, _, is_format in pieces if not is_format)
    assert step.thought in content and step.action in content


@pytest.mark.parametrize("dataset", AGENT)
def test_a_reply_out_of_the_format_is_refused(dataset: str) -> None:
    with pytest.raises(ValueError):
        datasets.load(dataset).parse_reply("I am sorry.")


def _real(shared_data: Path, task: str, tmp_path: Path) -> list[Trajectory]:
    """The distinct real rows of a task, from all copies of the corpus."""
    for path in (shared_data / "agentinstruct").iterdir():
        if path.name.startswith((f"{task}.", f"{task}_", "val_set", f"upstream_schema_{task}")):
            (tmp_path / path.name).symlink_to(path)
    return list({row.id: row for row in datasets.load(task).read(tmp_path)}.values())


@pytest.mark.parametrize("task", AGENTINSTRUCT)
def test_real_agentinstruct_rows(shared_data: Path, tmp_path: Path, task: str) -> None:
    module = datasets.load(task)
    rows = _real(shared_data, task, tmp_path)
    rejected = {row.id for row in rows if module.reject(row)}
    assert rejected == ({"kg_3", "kg_229", "kg_256"} if task == "kg" else set())
    assert len(rows) >= {"db": 458, "alfworld": 286}.get(task, 20)
    for row in rows:
        trained = [turn for turn in row.turns if turn.loss]
        assert trained and row.turns[0].role == "user"
        for turn in trained if row.id not in rejected else ():
            step, pieces = module.parse_reply(turn.content)
            assert "".join(text for text, _, _ in pieces) == turn.content
            content = "".join(text for text, _, is_format in pieces if not is_format)
            parts = [step.thought, step.action, *step.arguments.values()]
            assert sorted(content) == sorted("".join(parts)), "the step is all of the content"


def test_demonstrations_are_gone(shared_data: Path, tmp_path: Path) -> None:
    rows = _real(shared_data, "os", tmp_path)
    assert not any(turn.loss and "answer(220)" in turn.content for row in rows for turn in row.turns)
    assert all("Now, my problem is:" in row.turns[0].content for row in rows)


def test_both_upstream_schemas_give_the_same_trajectories(shared_data: Path, tmp_path: Path) -> None:
    names = ("upstream_schema_db.jsonl.gz", "db.json")
    folders = []
    for name in names:
        folder = tmp_path / name.split(".")[0]
        folder.mkdir()
        (folder / name).symlink_to(shared_data / "agentinstruct" / name)
        folders.append({row.id: row for row in datasets.load("db").read(folder)})
    shared_ids = folders[0].keys() & folders[1].keys()
    assert shared_ids
    assert all(folders[0][key].turns == folders[1][key].turns for key in shared_ids)


def test_real_toolbench_records_in_both_readings(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "records.json").symlink_to(shared_data / "toolbench" / "toolllama_format_from_examples.json")
    module = datasets.load("toolbench")
    rows = list(module.read(tmp_path))
    kept = {reading: sum(module.reject(row, reading=reading) is None for row in rows) for reading in module.READINGS}
    assert len(rows) == 21 and kept == {"strict": 5, "wide": 3}
    assert all(row.tools[-1]["name"] == "Finish" for row in rows)
    for turn in (turn for row in rows for turn in row.turns if turn.loss):
        _, pieces = module.parse_reply(turn.content)
        assert "".join(text for text, _, _ in pieces) == turn.content


def test_answer_trees_become_the_records_of_the_training_file(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "records.json").symlink_to(shared_data / "toolbench" / "toolllama_format_from_examples.json")
    module = datasets.load("toolbench")
    trees, records = (
        {row.id: row for row in module.read(folder)} for folder in (shared_data / "toolbench" / "answer", tmp_path)
    )
    assert len(trees) == 21 and trees.keys() == records.keys()
    for name, row in trees.items():
        assert row.turns[1:] == records[name].turns[1:] and row.tools == records[name].tools


def test_real_fireact_rows(shared_data: Path) -> None:
    module = datasets.load("fireact")
    rows = list(module.read(shared_data / "fireact"))
    assert len(rows) == 1234
    assert not any(module.reject(row) for row in rows)
    for turn in (turn for row in rows for turn in row.turns if turn.loss):
        step, pieces = module.parse_reply(turn.content)
        assert "".join(text for text, _, _ in pieces) == turn.content
        assert not any("\n" in value for value in step.arguments.values())
