"""Held-in tasks in AgentBench's raw formats, worded as the trajectories that train, about people of the test split."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from agentflan.world.lexicon import TEST, THINGS, TOPICS, name, names, value

Row = dict[str, Any]

_SOURCE = "embedded world"
_OS_FILES = (
    "1/stock 2/environment 3/ac 4/N11 4/N225 4/N37 4/N4 4/N41 4/Q09 4/Q19 4/Q30 4/Q47 4/Q49 5/new 6/new 7/bootstrap"
).split()
_RELATIONS = "author owner teacher friend".split()


def db_prompt() -> Row:
    """The instruction of the trajectories that train."""
    return {
        "instruction": "Answer questions about a MySQL table. Use Action: Operation with sql, then Action: Answer.",
        "acknowledgement": "Ok.",
    }


def db_rows(rng: random.Random, count: int) -> list[Row]:
    """Questions and changes of a table of four people; a change has the hash of what it leaves."""
    return [_db_row(rng, ("other", "UPDATE", "INSERT")[index % 3]) for index in range(count)]


def os_prompt() -> Row:
    """The instruction of the trajectories that train, which their reader leaves without its demonstration."""
    return {
        "instruction": "You are on a Linux system. Each turn has Think and Act; Act is bash with code, answer(x) or "
        "finish. Now, my problem is:\n\n",
        "demonstration": [],
    }


def os_files(rng: random.Random, count: int) -> dict[str, list[Row]]:
    """Upstream's file names → tasks: files to count, checked by a script or by the number, and a file to write."""
    rows = [_os_row(rng, ("count", "write", "match")[index % 3]) for index in range(count)]
    return {name: rows[place :: len(_OS_FILES)] for place, name in enumerate(_OS_FILES)}


def kg_prompt() -> Row:
    """The instruction of the trajectories that train."""
    return {
        "instruction": "Answer questions with a knowledge base. Tools: get_relations(x), get_neighbors(x, r). "
        "Use #0, #1.",
        "acknowledgement": "I've understood your instruction, start please.",
    }


def kg_rows(rng: random.Random, count: int) -> list[Row]:
    """Questions about one relation of a person."""
    rows = []
    for index in range(count):
        relation, (who, other) = rng.choice(_RELATIONS), names(rng, TEST, 2)
        start, end = f"m.a{index}", f"m.b{index}"
        rows.append(
            {
                "question": f"who is the {relation} of {who}?",
                "qid": f"{index}_world",
                "source": _SOURCE,
                "entities": {who: start},
                "s_expression": f"(JOIN (R {relation}) {start})",
                "actions": [f"get_relations({start})", f"get_neighbors({start},{relation})"],
                "answer": [{"answer_type": "Entity", "answer_argument": end, "entity_name": other}],
            }
        )
    return rows


def mind2web_prompt() -> Row:
    """The wording of the trajectories that train."""
    return {
        "question": "'''\n{html}\n'''\nTask: {task}\nPrevious actions:\n{previous}\nWhat is the next action?\n{choices}"
    }


def mind2web_rows(rng: random.Random, count: int) -> list[Row]:
    """Pages with three buttons; one is to be clicked, or a name of the test split to be typed in it."""
    return [_mind2web_row(rng, index) for index in range(count)]


def mind2web_ranks(rows: list[Row]) -> Row:
    """A ranking that puts the right element first."""
    ranks = {}
    for row in rows:
        for action in row["actions"]:
            elements = [*action["pos_candidates"], *action["neg_candidates"]]
            order = {element["backend_node_id"]: rank for rank, element in enumerate(elements)}
            ranks[f"{row['annotation_id']}_{action['action_uid']}"] = order
    return {"ranks": ranks}


def _mind2web_row(rng: random.Random, index: int) -> Row:
    things, where = rng.sample(THINGS, 3), name(rng, TEST)
    goal, types = rng.randrange(3), index % 3 == 1
    buttons = [
        f'<button backend_node_id="{2 + number}"> <text>{thing}</text> </button>' for number, thing in enumerate(things)
    ]
    elements = [{"backend_node_id": str(2 + number), "tag": "button"} for number in range(3)]
    action = {
        "action_uid": f"step{index}",
        "operation": {"op": "TYPE" if types else "CLICK", "value": where if types else ""},
        "cleaned_html": f'<html backend_node_id="1"> {" ".join(buttons)} </html>',
        "pos_candidates": [elements[goal]],
        "neg_candidates": [element for element in elements if element != elements[goal]],
    }
    return {
        "annotation_id": f"world{index}",
        "website": _SOURCE,
        "confirmed_task": f"Type {where} in the {things[goal]}" if types else f"Choose the {things[goal]}",
        "actions": [action],
        "action_reprs": [f"[button]  {things[goal]} -> {action['operation']['op']}"],
    }


def _os_row(rng: random.Random, kind: str) -> Row:
    topic, who, found = rng.choice(TOPICS), name(rng, TEST), value(rng)
    path = f"/{topic}/{who.replace(' ', '/')}".lower()
    row: Row = {"create": {"local": "default", "init": {"code": f"mkdir -p {path}"}}, "labels": [_SOURCE]}
    if kind == "write":
        check = f'test "$(cat {path}/new)" = {found}'
        evaluation = {"check": [{"code": check}], "example": {"code": f"echo {found} > {path}/new"}}
        return row | {"description": f"Make a file with the text {found} in {path}.", "evaluation": evaluation}
    row["create"]["init"]["code"] += f" && touch $(seq -f {path}/%g {found})"
    check = [None, {"language": "python", "code": "import sys; sys.exit(int(sys.argv[1]) != int(sys.argv[2]))"}]
    counted = {"check": check, "example": {"code": f"ls {path} | wc -l"}}
    evaluation = counted if kind == "count" else {"match": found}
    return row | {"description": f"How many files are in {path}?", "evaluation": evaluation}


def _db_row(rng: random.Random, kind: str) -> Row:
    topic, people = rng.choice(TOPICS), names(rng, TEST, 5)
    rows = [[who, value(rng)] for who in people[:4]]
    who, had = rng.choice(rows)
    found = rng.choice([new for new in (value(rng) for _ in range(20)) if new != had])
    columns = ["name", topic]
    task = {
        "other": f"What is the {topic} of {who}?",
        "UPDATE": f"Set the {topic} of {who} to {found}.",
        "INSERT": f"Add {people[4]} with the {topic} {found}.",
    }[kind]
    label, left = {
        "other": (had, rows),
        "UPDATE": (
            f"UPDATE facts SET {topic} = '{found}' WHERE name = '{who}';",
            [[each, found if each == who else old] for each, old in rows],
        ),
        "INSERT": (
            f"INSERT INTO facts (name, {topic}) VALUES ('{people[4]}', '{found}');",
            [*rows, [people[4], found]],
        ),
    }[kind]
    return {
        "description": f"{task} The table facts has the columns name, {topic}.",
        "label": [label],
        "table": {
            "table_name": "facts",
            "table_info": {"columns": [{"name": column, "type": "TEXT"} for column in columns], "rows": rows},
        },
        "type": [kind],
        "add_description": "",
        "source": _SOURCE,
        **({} if kind == "other" else {"answer_md5": f"[('{_hash(left)}',)]"}),
    }


def _hash(rows: list[list[str]]) -> str:
    return _md5(",".join(sorted(_md5(",".join(row))[:5] for row in rows)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
