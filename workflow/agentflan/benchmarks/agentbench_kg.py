"""Questions on a knowledge graph (AgentBench, held-in): find a set of entities by seven tools, score its F1.

Upstream asks a Virtuoso server with all of Freebase; name one in `endpoint`, and have upstream's ontology beside the
questions: ``vocab.json``, what the tools list, and ``fb_roles``, what relations lead to. Otherwise each question gets a
small graph of its own, on which the same SPARQL runs; such a score is not comparable. Unlike upstream, relations are
listed in alphabetical order and nothing is remembered from one question to the next. What is told after a mistake is
our own wording unless ``prompt.json`` has another.

Seven of the 150 gold chains cannot be played: kg_41 and kg_73 start at a class and kg_54, kg_88 and kg_116 at ids that
begin with g, which upstream's tools refuse; kg_107 and kg_148 end at the question's own entity, which its queries leave
out. With ``fb_roles``, five more intersect sets of different types, which upstream refuses, too: kg_7, kg_9, kg_38,
kg_126 and kg_143.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _agentbench, _freebase
from agentflan.benchmarks._freebase import Ask, Program
from agentflan.benchmarks._protocol import Episode, Request, Row, Settings, Task, count_outcomes, draw, errors_of
from agentflan.errors import ConfigError, FileError, RecordError
from agentflan.files import read_json
from agentflan.statistics import Group, estimate, percent

NAME = "agentbench_kg"
TITLE = "Knowledge Graph"
DATA = "agentbench_kg"
PROTOCOL = "AgentBench KG, F1, {environment} graph, {max_rounds} turns, limit {limit}"
ENVIRONMENTS = {
    "synthetic": "a made-up graph for each question in place of Freebase",
    "server": "a SPARQL server",
}
DEFAULTS: Settings = _agentbench.DEFAULTS | {
    "environment": "synthetic",  # or server
    "endpoint": "",  # address of the SPARQL server
    "seconds": 60.0,  # of one query to the server
    "distractors": 3,  # relations of each made-up entity that lead elsewhere
    "max_rounds": 15,
    "task": "A new question: {question}\nEntities: [{entities}]",
}

_OWN_PROMPT = {
    "instruction": "Answer questions with a knowledge base. Take one action a turn; you are told what it finds. "
    "Sets of entities get the names #0, #1, #2 in turn. The actions are:\n"
    "get_relations(x): the relations that lead on from an entity or a set x\n"
    "get_neighbors(x, relation): the set to which one of these relations leads\n"
    "intersection(#0, #1): what two sets share\n"
    "get_attributes(#0): the attributes of a set that are numbers or dates\n"
    "argmax(#0, attribute), argmin(#0, attribute): what has the highest or lowest value of one of these attributes\n"
    "count(#0): how many a set holds\n"
    "Reply in two lines:\nThought: what to do next\nAction: one action\n"
    "When a set answers the question, write as the last line:\nFinal Answer: #0",
    "acknowledgement": "I've understood your instruction, start please.",
    "demonstration": [],
    "no_set": "There is no set #{number}.",
    "no_action": "There is no action in this reply.",
    "no_call": "There is no call in this action.",
    "no_tool": "{tool} cannot be called like this.",
    "failed": "{call} cannot be done.",
    "no_intersection": "{call} cannot be done.",
}
FAULTS = ("format", "tool", "arguments")  # what can be wrong with a reply
_FINAL = re.compile(r"(?:Find|Final) Answer: #(\d{1,9})")


@dataclass(frozen=True)
class _Vocabulary:
    """What the tools list; None where everything is listed, {} where nothing tells what a relation leads to."""

    relations: frozenset[str] | None
    attributes: frozenset[str] | None
    ranges: dict[str, str]


@dataclass
class _Search:
    """A question that is being answered."""

    task: Task
    ask: Ask
    sets: list[Program] = field(default_factory=list)
    listed: dict[Program | str, list[str]] = field(default_factory=dict)
    attributes: dict[Program | str, list[str]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)  # of replies: format, tool, arguments


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The questions, at most `limit`, each with what the tools list and the relations of all questions.

    Raises:
        ConfigError: no such environment, or a server without an address.
        FileError: a server's graph without its ontology.
    """
    _agentbench.check_environment(NAME, settings, tuple(ENVIRONMENTS))
    if settings["environment"] == "server" and not settings["endpoint"]:
        raise ConfigError([f"settings of {NAME}: key endpoint: found nothing; expected the address of a SPARQL server"])
    rows = list(datasets.load(DATA).read(folder))
    shared = {
        "prompt": _agentbench.read_prompt(folder, _OWN_PROMPT),
        "vocabulary": _read_vocabulary(folder, settings),
        "others": sorted(_freebase.relations_of(action for row in rows for action in row["actions"])),
    }
    return [row | shared for row in draw(rows, settings["limit"], NAME, settings["seed"])]


def episode(task: Task, settings: Settings) -> Episode:
    """Use tools until a set is named as the answer or the turns run out."""
    search = _Search(task, _graph(task, settings))
    found, outcome = yield from _play(search, settings)
    return {"prediction": found, "outcome": outcome, "faults": dict(sorted(search.faults.items()))}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The gold calls, then the last set."""
    sets = sum(action.split("(")[0] not in ("get_relations", "get_attributes") for action in task["actions"])
    steps = [f"Action: {action}" for action in task["actions"]] + [f"Final Answer: #{sets - 1}"]
    return [f"Thought: go on\n{step}" for step in steps]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any tool on any entity, set and relation, or any set as the answer."""
    if rng.random() < 0.2:
        return f"Thought: go on\nFinal Answer: #{rng.randrange(4)}"
    tool, start = rng.choice(sorted(_TOOLS)), rng.choice([*task["entities"], "#0", "#1"])
    second = {"intersection": "#1"}.get(tool, rng.choice(task["others"]))
    arguments = [start, second] if _TOOLS[tool][1] == 2 else [start]
    return f"Thought: go on\nAction: {tool}({', '.join(arguments)})"


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The mean F1 of the sets of answers, in percent; a broken episode counts 0."""
    found = {row["id"]: set(row.get("prediction", [])) for row in rows}
    f1 = {task["id"]: set_f1(found[task["id"]], set(task["answers"])) for task in tasks}
    sources = sorted({task["source"] for task in tasks})
    parts = {
        "f1": percent(list(f1.values())),
        "em": percent([found[task["id"]] == set(task["answers"]) for task in tasks]),
        "found_something": percent([bool(values) for values in found.values()]),
        "sources": {name: percent([f1[task["id"]] for task in tasks if task["source"] == name]) for name in sources},
        "counts": dict(sorted(Counter(task["source"] for task in tasks).items())),
        "faults": {fault: sum(row.get("faults", {}).get(fault, 0) for row in rows) for fault in FAULTS},
        "environment": ENVIRONMENTS[settings["environment"]],
        "prompt": tasks[0]["prompt"]["source"],
        "errors": errors_of(rows),
    }
    result = estimate([Group(1.0, [f1[task["id"]] for task in tasks])], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def set_f1(found: set[str], gold: set[str]) -> float:
    """F1 of two sets; 0 if they share nothing."""
    shared = len(found & gold)
    return 2 * shared / (len(found) + len(gold)) if shared else 0.0


def _graph(task: Task, settings: Settings) -> Ask:
    if settings["environment"] == "server":
        return _freebase.endpoint(settings["endpoint"], settings["seconds"])
    made = _freebase.subgraph(task["id"], task["actions"], task["answers"], task["others"], settings["distractors"])
    return _freebase.memory(made)


def _read_vocabulary(folder: Path, settings: Settings) -> _Vocabulary:
    """Upstream's ontology beside the tasks; a made-up graph lists all that it has and can do without.

    Raises:
        FileError, RecordError: a file is missing that a server's graph needs, or it is another one.
    """
    vocabulary, roles = folder / "vocab.json", folder / "fb_roles"
    if settings["environment"] == "synthetic":
        return _Vocabulary(None, None, _read_ranges(roles) if roles.exists() else {})
    for path, content in ((vocabulary, "the relations and attributes"), (roles, "what relations lead to")):
        if not path.exists():
            advice = "It is in AgentBench's knowledgegraph/ontology"
            raise FileError(path, "no such file", f"{content}, which a server's graph is played with", advice)
    names = read_json(vocabulary)
    if not isinstance(names, dict) or not {"relations", "attributes"} <= set(names):
        raise FileError(vocabulary, "another content", "an object with relations and attributes")
    return _Vocabulary(frozenset(names["relations"]), frozenset(names["attributes"]), _read_ranges(roles))


def _read_ranges(path: Path) -> dict[str, str]:
    """What each relation leads to: lines of a type, a relation, a type (``range_info``).

    Raises:
        RecordError: a shorter line. (One of upstream's lines is longer; its first three words are taken there, too.)
    """
    ranges = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if len(words) < 3:
            raise RecordError(path, number, "", f"{len(words)} words", "a type, a relation, a type")
        ranges[words[1]] = words[2]
    return ranges


def _play(search: _Search, settings: Settings) -> Any:
    """The dialogue; returns what was found and the outcome."""
    task = search.task
    asked = settings["task"].replace("{question}", task["question"]).replace("{entities}", ", ".join(task["entities"]))
    messages = [*_agentbench.opening(task["prompt"]), ("user", asked)]
    for _ in range(settings["max_rounds"]):
        request = _agentbench.ask(messages, settings)
        if request is None:
            return [], "context_limit"
        reply = (yield request).split("Observation:")[0].replace("\\_", "_")
        final = _FINAL.search(reply)
        if final and int(final[1]) < len(search.sets):
            return sorted(set(search.ask(_freebase.values_query(search.sets[int(final[1])])))), "completed"
        seen = task["prompt"]["no_set"].replace("{number}", final[1]) if final else _act(reply, search)
        search.faults.update(["arguments"] if final else [])
        messages += [("assistant", reply), ("user", seen)]
    return [], "task_limit"


def _act(reply: str, search: _Search) -> str:
    """Do the first call that can be done in the first line of action, and say what is seen (``predict_single``)."""
    told = search.task["prompt"]
    line = next((line for line in reply.split("\n") if re.match(r"Action.*?:", line)), None)
    seen, fault = told["no_action" if line is None else "no_call"], "format"
    for tool in re.findall(r"(\w+)\(", line or ""):
        found = re.search(rf"{tool}\((.+?)\)", line or "")
        if tool not in _TOOLS or not found:
            seen, fault = told["no_tool"].replace("{tool}", tool), "format" if tool in _TOOLS else "tool"
            continue
        texts = re.split(r"\s*,\s*", found[1])
        try:
            return "Observation: " + _call(tool, texts, search)
        except (ValueError, IndexError):
            text = told["no_intersection" if tool == "intersection" else "failed"]
            seen, fault = text.replace("{call}", f"{tool}({', '.join(texts)})"), "arguments"
    search.faults[fault] += 1
    return seen


def _call(tool: str, texts: list[str], search: _Search) -> str:
    """Run a tool.

    Raises:
        ValueError, IndexError: the arguments do not fit it.
    """
    run, count = _TOOLS[tool]
    if len(texts) != count:
        raise ValueError(f"{tool} takes {count} arguments")
    return run(search, *(_argument(text, search) for text in texts))


def _argument(text: str, search: _Search) -> Program | str:
    text = text.replace("variable ", "").replace("Variable ", "")
    return search.sets[int(text[1:])] if text.startswith("#") else search.task["entities"].get(text, text)


def _get_relations(search: _Search, start: Program | str) -> str:
    known = search.task["vocabulary"].relations
    search.listed[start] = _listing(search.ask(_freebase.relations_query(start)), known)
    return f"[{', '.join(search.listed[start])}]"


def _get_attributes(search: _Search, start: Program | str) -> str:
    known = search.task["vocabulary"].attributes
    query = _freebase.relations_query(_set(start), of_values=known is None)
    search.attributes[start] = _listing(search.ask(query), known)
    return f"[{', '.join(search.attributes[start])}]"


def _get_neighbors(search: _Search, start: Program | str, relation: Program | str) -> str:
    if relation not in search.listed.get(start, ()):
        raise ValueError("a relation that was not listed")
    ranges = search.task["vocabulary"].ranges
    return _keep(search, Program("JOIN", (start,), str(relation), ranges.get(str(relation), "")))


def _intersection(search: _Search, first: Program | str, second: Program | str) -> str:
    if _set(first).type != _set(second).type:
        raise ValueError("two kinds of things")
    return _keep(search, Program("AND", (first, second), type=_set(first).type))


def _superlative(kind: str) -> Callable[[_Search, Program | str, Program | str], str]:
    def run(search: _Search, start: Program | str, attribute: Program | str) -> str:
        if attribute not in search.attributes.get(start, ()):
            raise ValueError("an attribute that was not listed")
        return _keep(search, Program(kind, (start,), str(attribute), _set(start).type))

    return run


def _count(search: _Search, start: Program | str) -> str:
    search.sets.append(Program("COUNT", (_set(start),), type="type.int"))
    _freebase.values_query(search.sets[-1])
    return f"variable #{len(search.sets) - 1}, which is a number"


# Each tool with the number of its arguments.
_TOOLS: dict[str, tuple[Callable[..., str], int]] = {
    "get_relations": (_get_relations, 1),
    "get_neighbors": (_get_neighbors, 2),
    "intersection": (_intersection, 2),
    "get_attributes": (_get_attributes, 1),
    "argmax": (_superlative("ARGMAX"), 2),
    "argmin": (_superlative("ARGMIN"), 2),
    "count": (_count, 1),
}


def _keep(search: _Search, program: Program) -> str:
    """Give a set the next name."""
    _freebase.values_query(program)  # refuses what cannot be asked
    search.sets.append(program)
    told = f", which are instances of {program.type}" if program.type else ""
    return f"variable #{len(search.sets) - 1}{told}"


def _set(start: Program | str) -> Program:
    if isinstance(start, str):
        raise ValueError("an entity where a set is wanted")
    return start


def _listing(found: Sequence[str], known: frozenset[str] | None) -> list[str]:
    names = {name for name in found if ":" not in name}  # what is left of other name spaces
    return sorted(names if known is None else names & known)
