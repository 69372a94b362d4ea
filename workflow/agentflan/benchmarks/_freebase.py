"""Freebase as AgentBench asks it: programs over sets of entities, their SPARQL, and who answers it.

The queries are upstream's up to what is not standard SPARQL there. A server answers them over HTTP. Without one, each
question gets a small graph of its own: one on which its gold calls lead to exactly its gold answers, and every entity
on the way has a few relations that lead elsewhere.
"""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentflan.errors import NotAvailable
from agentflan.randomness import generator

SPACE = "http://rdf.freebase.com/ns/"
_ENTITY = re.compile(r"[mgf]\.\w+")
_START = re.compile(r"[mf]\.\w+")  # upstream's tools refuse the ids that begin with g
_NAME = re.compile(r"\w+(\.\w+)*")
_IN_WORDS = "FILTER (!isLiteral(?x) || lang(?x) = '' || langMatches(lang(?x), 'en'))"
_MOST_BYTES = 10_000_000  # of a server's answer

Ask = Callable[[str], list[str]]  # a query of one variable → its values
Triple = tuple[str, str, str | int]


@dataclass(frozen=True)
class Program:
    """A set of entities, by the way that it is found.

    Attributes:
        kind: JOIN (where a relation leads from a source), AND (of two sources), ARGMAX, ARGMIN (by an attribute) or
            COUNT.
        sources: programs or entity ids.
        relation: of JOIN, ARGMAX and ARGMIN.
        type: what the entities are, "" where nothing tells.
    """

    kind: str
    sources: tuple[Program | str, ...]
    relation: str = ""
    type: str = ""


@dataclass
class _Pattern:
    """The body of a query while it is written."""

    triples: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)
    order: str = ""
    variables: int = 0

    def add(self, program: Program, variable: str) -> None:
        """The triples that bind a variable to what a program finds."""
        if program.kind == "COUNT":
            raise ValueError("a number leads nowhere")
        for source in program.sources:
            if program.kind != "JOIN":
                self.add(_program(source), variable)
            elif isinstance(source, str):
                self.entities.append(source)
                self.triples.append(f"{_entity(source)} {_relation(program)} {variable} .")
            else:
                self.variables += 1
                between = f"?x{self.variables}"
                self.add(source, between)
                self.triples.append(f"{between} {_relation(program)} {variable} .")
        if program.kind in ("ARGMAX", "ARGMIN"):
            if self.order:
                raise ValueError("a superlative of a superlative")
            self.order = "DESC(?sk0)" if program.kind == "ARGMAX" else "?sk0"
            self.triples.append(f"{variable} {_relation(program)} ?sk0 .")


def values_query(program: Program) -> str:
    """The query for what a program finds.

    Raises:
        ValueError: the program cannot be asked.
    """
    if program.kind == "COUNT":
        return f"SELECT (COUNT(DISTINCT ?x) AS ?value) {_where(_program(program.sources[0]))}"
    return f"SELECT DISTINCT ?x {_where(program)}"


def relations_query(start: Program | str, of_values: bool = False) -> str:
    """The query for the relations that lead on from an entity or a set; those that lead to values only if asked.

    Raises:
        ValueError: there is no such entity, or the program cannot be asked.
    """
    literal = " FILTER (isLiteral(?obj))" if of_values else ""
    if isinstance(start, str):
        return f"SELECT DISTINCT ?rel WHERE {{ {_entity(_checked(_START, start))} ?rel ?obj .{literal} }}"
    _where(start)
    inner = f"SELECT DISTINCT ?x {_where(start)}"
    return f"SELECT DISTINCT ?rel WHERE {{ ?x ?rel ?obj .{literal} {{ {inner} }} }}"


def endpoint(url: str, seconds: float) -> Ask:
    """A SPARQL server.

    Args:
        url: its address.
        seconds: time of one query.

    Raises:
        NotAvailable: it does not answer.
    """

    def ask(query: str) -> list[str]:
        body = urllib.parse.urlencode({"query": query}).encode()
        request = urllib.request.Request(url, body, {"Accept": "application/sparql-results+json"})
        with urllib.request.urlopen(request, timeout=seconds) as response:
            rows = json.loads(response.read(_MOST_BYTES))["results"]["bindings"]
        return [_plain(next(iter(row.values()))["value"]) for row in rows]

    try:
        ask("SELECT ?x WHERE { ?x ?y ?z } LIMIT 1")
    except (OSError, ValueError, KeyError) as error:
        raise NotAvailable(f"the SPARQL server {url} does not answer: {error}") from None
    return ask


def memory(triples: Iterable[Triple]) -> Ask:
    """A graph in memory.

    Raises:
        NotAvailable: the package is missing.
    """
    try:
        from pyoxigraph import Literal, NamedNode, Quad, Store
    except ImportError:
        raise NotAvailable("the embedded graph needs the package pyoxigraph") from None

    def node(value: str | int) -> Any:
        return NamedNode(SPACE + value) if isinstance(value, str) and _ENTITY.fullmatch(value) else Literal(value)

    store = Store()
    store.extend(
        Quad(NamedNode(SPACE + start), NamedNode(SPACE + relation), node(end)) for start, relation, end in triples
    )
    return lambda query: [_plain(row[0].value) for row in store.query(query)]


def subgraph(
    identity: str, actions: Sequence[str], answers: Sequence[str], others: Sequence[str], extra: int
) -> list[Triple]:
    """A graph on which the calls lead to exactly the answers.

    Args:
        identity: names what is made up.
        actions: the gold calls, as ``get_neighbors(m.01, a.b.c)``.
        answers: the gold answers.
        others: relations that lead elsewhere.
        extra: how many of them each entity gets.

    Raises:
        ValueError: a call of an unknown tool.
    """
    steps = [step for step in map(_call, actions) if step[0] not in ("get_relations", "get_attributes")]
    needed: list[list[str]] = [[] for _ in steps]
    needed[-1] = list(answers)
    made = (f"m.{re.sub(r'[^a-z0-9]', '', identity.lower())}_{number}" for number in range(1_000_000))
    triples: list[Triple] = []
    for (tool, arguments), wanted in zip(reversed(steps), reversed(needed), strict=True):
        triples += _lead(tool, arguments, wanted, needed, made)
    return triples + list(_elsewhere(identity, triples, others, extra, made))


def relations_of(actions: Iterable[str]) -> set[str]:
    """The relations of gold calls that lead to entities."""
    return {arguments[1] for tool, arguments in map(_call, actions) if tool == "get_neighbors"}


def _lead(
    tool: str, arguments: list[str], wanted: list[str], needed: list[list[str]], made: Iterator[str]
) -> list[Triple]:
    """What must be there so that a call gives what is wanted; what its sources must hold is added to `needed`."""
    sources = [needed[int(argument[1:])] for argument in arguments if argument.startswith("#")]
    if tool == "get_neighbors":
        if not sources:
            return [(arguments[0], arguments[1], value) for value in wanted]
        starts = sources[0] or [next(made) for _ in wanted[:2]]
        sources[0][:] = starts
        return [(starts[index % len(starts)], arguments[1], value) for index, value in enumerate(wanted)]
    if tool == "count":
        sources[0] += [next(made) for _ in range(int(wanted[0]))]
        return []
    for source in sources:
        other = next(made)
        source += [value for value in [*wanted, other] if value not in source]
    if tool == "intersection":
        return []
    if tool not in ("argmax", "argmin"):
        raise ValueError(f"no tool {tool}")
    best = 100 if tool == "argmax" else -100
    return [(value, arguments[1], best) for value in wanted] + [(other, arguments[1], 0)]


def _elsewhere(
    identity: str, triples: Sequence[Triple], others: Sequence[str], extra: int, made: Iterator[str]
) -> Iterator[Triple]:
    used = {relation for _, relation, _ in triples}
    free = sorted(set(others) - used)
    for start in sorted({start for start, _, _ in triples}):
        rng = generator("subgraph", identity, start)
        for relation in rng.sample(free, min(extra, len(free))):
            yield start, relation, next(made)


def _where(program: Program) -> str:
    pattern = _Pattern()
    pattern.add(program, "?x")
    body = " ".join(pattern.triples)
    told = " ".join(
        [_IN_WORDS, body, *(f"FILTER (?x != {_entity(entity)})" for entity in dict.fromkeys(pattern.entities))]
    )
    if not pattern.order:
        return f"WHERE {{ {told} }}"
    return f"WHERE {{ {body} {{ SELECT ?sk0 WHERE {{ {told} }} ORDER BY {pattern.order} LIMIT 1 }} }}"


def _program(source: Program | str) -> Program:
    if isinstance(source, str):
        raise ValueError("an entity where a set is wanted")
    return source


def _entity(name: str) -> str:
    return f"<{SPACE}{_checked(_ENTITY, name)}>"  # written in full: not all parsers take two dots behind a prefix


def _relation(program: Program) -> str:
    return f"<{SPACE}{_checked(_NAME, program.relation)}>"


def _checked(form: re.Pattern[str], name: str) -> str:
    if not form.fullmatch(name):
        raise ValueError(f"no name of Freebase: {name}")
    return name


def _call(action: str) -> tuple[str, list[str]]:
    tool, _, rest = action.partition("(")
    return tool, [argument.strip() for argument in rest.rstrip(")").split(",")]


def _plain(value: str) -> str:
    """A value as the harness writes it: without the name space and California's time zone."""
    return value.replace(SPACE, "").replace("-08:00", "")
