"""DBBench (AgentBench, held-in): answer a question about a table, or change the table, by SQL.

A question is right if the answer is the label; a change is right if the table's hash is the gold one, whatever the
agent says. The score is the mean of the three categories: questions, INSERT, UPDATE. Upstream runs MySQL. MariaDB gives
199 of the 200 gold hashes; that of db_225 is of a table that had been filled twice, so no agent reaches it.
SQLite gives 195: db_164, db_180, db_206 and db_242 need MySQL's collation, escapes or names.
"""

from __future__ import annotations

import ast
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _agentbench
from agentflan.benchmarks._protocol import (
    Episode,
    Request,
    Row,
    Settings,
    Task,
    count_outcomes,
    draw,
    errors_of,
    random_words,
)
from agentflan.benchmarks._sql import Database, Server, Sqlite
from agentflan.statistics import Group, estimate, percent

NAME = "agentbench_db"
TITLE = "Database"
DATA = "agentbench_db"
PROTOCOL = (
    "AgentBench DB, mean accuracy of the categories, {environment}, {max_rounds} rounds, limit {limit} a category"
)
ENVIRONMENTS = {"sqlite": "SQLite in place of MySQL", "mysql": "a MySQL or MariaDB server"}
DEFAULTS: Settings = _agentbench.DEFAULTS | {
    "environment": "sqlite",  # or mysql
    "server": {},  # host, port or unix_socket, user, password_env; mysql only
    "limit": None,  # tasks of each category
    "max_rounds": 15,  # statements
    "seconds": 5.0,  # of one statement
    "megabytes": 32.0,  # of one embedded database
}
CATEGORIES = ("SELECT", "INSERT", "UPDATE")

_OWN_PROMPT = {
    "instruction": "Answer a question about a table of a MySQL database, or change the table as told. Explain what you "
    "do in each turn, then take one of two actions. To run one SQL statement, on one line, write:\n"
    "Action: Operation\n```sql\nSELECT name FROM people WHERE age = '30';\n```\n"
    "You are told the result. When you are done, write:\n"
    'Action: Answer\nFinal Answer: ["first value", "second value"]\n'
    "After a change of the table any answer will do.",
    "acknowledgement": "Ok.",
    "demonstration": [],
}
_ACTION = re.compile(r"Action: (.*?)\n")
_SQL = re.compile(r"```sql\n([\s\S]*?)\n```")
_ANSWER = re.compile(r"\nFinal Answer:(.*)")


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The tasks, at most `limit` of each category.

    Raises:
        ConfigError: no such environment.
    """
    _agentbench.check_environment(NAME, settings, tuple(ENVIRONMENTS))
    prompt = _agentbench.read_prompt(folder, _OWN_PROMPT)
    by_category: dict[str, list[Task]] = {}
    for row in datasets.load(DATA).read(folder):
        category = row["type"] if row["type"] in CATEGORIES else "SELECT"
        by_category.setdefault(category, []).append(row | {"category": category, "prompt": prompt})
    return [
        task
        for category in CATEGORIES
        for task in draw(by_category.get(category, []), settings["limit"], NAME, category, settings["seed"])
    ]


def episode(task: Task, settings: Settings) -> Episode:
    """Run statements until there is an answer or a limit is reached; then look at the table."""
    with closing(_open(task, settings)) as database:
        answer, outcome, statements = yield from _play(task, database, settings)
        found = database.hash(task["table"], task["columns"]) if "hash" in task else ""
    return {"prediction": answer, "hash": found, "outcome": outcome, "type": task["type"], "statements": statements}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The gold change, then an answer."""
    if "label" in task:
        return [_answer(task["label"])]
    return [f"I change the table.\nAction: Operation\n```sql\n{task['change']}\n```", _answer(["done"])]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """A statement on any columns and words, or an answer of any word."""
    column, word = rng.choice(task["columns"]), random_words(request, rng, 1)
    if rng.random() < 0.5:
        return _answer([word])
    sql = rng.choice(
        ("SELECT `{0}` FROM `{1}`", "UPDATE `{1}` SET `{0}` = '{2}'", "DELETE FROM `{1}` WHERE `{0}` > '{2}'")
    )
    return f"Go on.\nAction: Operation\n```sql\n{sql.format(column, task['table'], word)}\n```"


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The mean of the categories' accuracies, in percent; a broken episode counts 0."""
    by_id = {row["id"]: row for row in rows}
    right = {task["id"]: float(is_right(task, by_id[task["id"]])) for task in tasks}
    categories = {
        category: [right[task["id"]] for task in tasks if task["category"] == category]
        for category in CATEGORIES
        if any(task["category"] == category for task in tasks)
    }
    groups = [Group(1 / len(categories), values) for values in categories.values()]
    types = sorted({task["type"] for task in tasks})
    parts = {
        "categories": {category: percent(values) for category, values in categories.items()},
        "types": {kind: percent([right[task["id"]] for task in tasks if task["type"] == kind]) for kind in types},
        "answered": percent([row["outcome"] == "completed" for row in rows]),
        "statements": sum(row.get("statements", 0) for row in rows),
        "environment": ENVIRONMENTS[settings["environment"]],
        "prompt": tasks[0]["prompt"]["source"],
        "sources": dict(sorted(Counter(task["source"] for task in tasks).items())),
        "errors": errors_of(rows),
    }
    return {**estimate(groups, settings["seed"], NAME)._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def is_right(task: Task, row: Row) -> bool:
    """Whether an episode did what the task wants."""
    if "hash" in task:
        return row.get("hash", "") == task["hash"]
    return same_answer(row.get("prediction", ""), task["label"])


def same_answer(found: str, label: Sequence[str]) -> bool:
    """One value: equal as numbers, else as it stands. Several: equal sets. Upstream runs the answer as Python code."""
    try:
        values = list(ast.literal_eval(found.strip()))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        values = [found]
    if len(values) == len(label) == 1:
        try:
            return float(values[0]) == float(label[0])
        except (ValueError, TypeError, OverflowError):
            return values[0] == label[0]
    try:
        return set(values) == set(label)
    except TypeError:  # a list in the list
        return False


def _open(task: Task, settings: Settings) -> Database:
    table = (task["table"], task["columns"], task["rows"])
    if settings["environment"] == "mysql":
        return Server(*table, settings["seconds"], settings["server"])
    return Sqlite(*table, settings["seconds"], settings["megabytes"])


def _play(task: Task, database: Database, settings: Settings) -> Any:
    """The dialogue; returns the answer, the outcome and the number of statements."""
    messages = [*_agentbench.opening(task["prompt"]), ("user", task["question"])]
    for round_number in range(settings["max_rounds"] + 1):
        request = _agentbench.ask(messages, settings)
        if request is None:
            return "", "context_limit", round_number
        reply = yield request
        action = _ACTION.search(reply)
        operates = action is not None and action[1] == "Operation"
        if not operates or round_number == settings["max_rounds"]:
            answer = _ANSWER.search(reply)  # upstream looks for one beside the statement that is one too many, too
            if answer:
                return answer[1], "completed", round_number
            return "", "task_limit" if operates else "invalid_action", round_number
        sql = _SQL.search(reply)
        if not sql:
            return "", "invalid_action", round_number
        result = database.run(sql[1].strip().replace("\n", " "))
        messages += [("assistant", reply), ("user", result)]
    raise AssertionError("the last round returns")


def _answer(values: Sequence[str]) -> str:
    return f"The result is there.\nAction: Answer\nFinal Answer: {json.dumps(values, ensure_ascii=False)}"
