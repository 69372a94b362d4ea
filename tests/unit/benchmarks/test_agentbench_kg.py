"""The knowledge graph: queries, tools, made-up graphs, a server, and the real questions."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from benchmark_examples import Bench, say

from agentflan import datasets
from agentflan.benchmarks import agentbench_kg
from agentflan.benchmarks._freebase import Program, endpoint, memory, relations_query, subgraph, values_query
from agentflan.benchmarks._protocol import Row
from agentflan.errors import ConfigError, FileError, NotAvailable, RecordError
from agentflan.files import write_json

TRIPLES = [
    ("m.01", "city.bridge", "m.02"),
    ("m.01", "city.bridge", "m.03"),
    ("m.01", "city.bridge", "m.01"),
    ("m.02", "bridge.length", 30),
    ("m.03", "bridge.length", 200),
    ("m.04", "river.bridge", "m.03"),
    ("m.03", "bridge.name", "Old Bridge"),
]
CITY = Program("JOIN", ("m.01",), "city.bridge")
RIVER = Program("JOIN", ("m.04",), "river.bridge")


@pytest.mark.parametrize(
    ("program", "found"),
    [
        (CITY, ["m.02", "m.03"]),  # not the question's own entity
        (Program("AND", (CITY, RIVER)), ["m.03"]),
        (Program("ARGMAX", (CITY,), "bridge.length"), ["m.03"]),
        (Program("ARGMIN", (CITY,), "bridge.length"), ["m.02"]),
        (Program("COUNT", (CITY,)), ["2"]),
        (Program("JOIN", (CITY,), "bridge.name"), ["Old Bridge"]),
        (Program("JOIN", (Program("ARGMAX", (CITY,), "bridge.length"),), "bridge.name"), ["Old Bridge"]),
    ],
)
def test_what_programs_find(program: Program, found: list[str]) -> None:
    assert sorted(memory(TRIPLES)(values_query(program))) == found


def test_relations_lead_on_from_an_entity_and_from_a_set() -> None:
    ask = memory(TRIPLES)
    assert ask(relations_query("m.04")) == ["river.bridge"]
    assert sorted(ask(relations_query(CITY))) == ["bridge.length", "bridge.name"]
    assert ask(relations_query("m.02", of_values=True)) == ["bridge.length"]


@pytest.mark.parametrize(
    "program",
    [
        Program("JOIN", ("m.01> . } #",), "city.bridge"),
        Program("JOIN", ("m.01",), "a> ?x . } #"),
        Program("JOIN", (Program("COUNT", (CITY,)),), "city.bridge"),
        Program("ARGMAX", (Program("ARGMIN", (CITY,), "bridge.length"),), "bridge.length"),
    ],
)
def test_what_cannot_be_asked_is_refused(program: Program) -> None:
    with pytest.raises(ValueError):
        values_query(program)


def test_a_made_up_graph_leads_elsewhere_too() -> None:
    triples = subgraph("q1", ["get_neighbors(m.01,city.bridge)"], ["m.02"], ["city.bridge", "a.b", "c.d"], 2)
    assert {relation for _, relation, _ in triples} == {"city.bridge", "a.b", "c.d"}
    assert memory(triples)(values_query(CITY)) == ["m.02"]
    with pytest.raises(ValueError, match="no tool jump"):
        subgraph("q1", ["jump(#0)"], ["m.02"], [], 0)


def test_f1_of_sets() -> None:
    assert agentbench_kg.set_f1({"a", "b"}, {"b", "c"}) == 0.5
    assert agentbench_kg.set_f1(set(), {"b"}) == 0


def answered(bench: Bench, replies: list[str]) -> tuple[Row, list[str]]:
    """The first episode of an agent with these replies, and what its tools said."""
    row = bench.play(say(*replies))[0]
    return row, [message["content"] for message in row["messages"] if message["role"] == "user"][2:]


def test_tools_say_what_they_find_or_that_they_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agentbench_kg", monkeypatch, distractors=0)
    replies = [
        "Action: get_neighbors(Arden, city.bridge)",
        "Thought: x\nAction: get_relations(Arden)\nObservation: made up",
        "Action: get_neighbors(Arden, city.bridge)",
        "Action: get_neighbors(variable #0, bridge.builder)",
        "Action: get_relations(#0)",
        "Action: __import__(os)",
        "Action: intersection(#0, Arden)",
        "Action: get_relations(#7)",
        "I do not know.",
        "Final Answer: #4",
        "Final Answer: #0",
    ]
    row, seen = answered(bench, replies)

    assert seen == [
        "get_neighbors(Arden, city.bridge) cannot be done.",
        "Observation: [city.bridge]",
        "Observation: variable #0",
        "get_neighbors(variable #0, bridge.builder) cannot be done.",
        "Observation: [bridge.builder]",
        "__import__ cannot be called like this.",
        "intersection(#0, Arden) cannot be done.",
        "get_relations(#7) cannot be done.",
        "There is no action in this reply.",
        "There is no set #4.",
    ]
    assert (row["outcome"], row["faults"]) == ("completed", {"arguments": 5, "format": 1, "tool": 1})
    assert not any("made up" in message["content"] for message in row["messages"])


def test_the_calls_of_a_line_are_tried_until_one_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agentbench_kg", monkeypatch, distractors=0)
    replies = [
        "Action: get_neighbors(get_relations(Arden), city.bridge)",
        "Action: jump(get_relations(#7), get_attributes(",
        "Action: go on\nAction: get_relations(Arden)",
        "Action: get_relations()",
        "Final Answer: #0",
    ]
    row, seen = answered(bench, replies)

    assert seen[:4] == [
        "Observation: [city.bridge]",  # the second call, as the first one fails
        "get_attributes cannot be called like this.",  # what the last one comes to is told
        "There is no call in this action.",  # only the first line of action counts
        "get_relations cannot be called like this.",
    ]
    assert row["faults"] == {"arguments": 11, "format": 3}  # the last reply is said until the turns run out


def test_what_is_told_after_a_mistake_can_be_another_wording(tmp_path: Path) -> None:
    question = {"question": "?", "entities": {"A": "m.01"}, "actions": ["get_neighbors(m.01,a.b)"]}
    write_json(tmp_path / "std.json", [question | {"answer": [{"answer_argument": "m.02"}]}])
    wording = {
        "no_set": "set {number}?",
        "no_action": "what?",
        "no_call": "which?",
        "no_tool": "{tool}?",
        "failed": "no {call}",
        "no_intersection": "unlike: {call}",
    }
    write_json(tmp_path / "prompt.json", wording)
    mistakes = ["Final Answer: #7", "Hm.", "Action: so", "Action: jump(x)", "Action: count(A ,b)"]
    row = Bench("agentbench_kg", tmp_path).play(say(*mistakes, "Action: intersection(A, A)"))[0]

    seen = [message["content"] for message in row["messages"] if message["role"] == "user"][2:8]
    assert seen == ["set 7?", "what?", "which?", "jump?", "no count(A, b)", "unlike: intersection(A, A)"]


def test_turns_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agentbench_kg", monkeypatch)
    row = bench.play(say("Action: get_relations(Arden)"))[0]
    assert (row["outcome"], len(row["replies"])) == ("task_limit", 15)


def test_an_ontology_restricts_what_is_listed_and_tells_types(tmp_path: Path) -> None:
    question = {
        "question": "?",
        "entities": {"A": "m.01"},
        "actions": ["get_relations(m.01)", "get_neighbors(m.01,a.b)"],
        "answer": [{"answer_type": "Entity", "answer_argument": "m.02"}],
    }
    write_json(tmp_path / "std.json", [question])
    (tmp_path / "fb_roles").write_text("a a.b place\n")

    row = Bench("agentbench_kg", tmp_path).play_oracle()[0]

    assert row["prediction"] == ["m.02"]
    assert "Observation: variable #0, which are instances of place" in [turn["content"] for turn in row["messages"]]


def test_a_server_lists_what_its_ontology_has(tmp_path: Path, server: str) -> None:
    question = {
        "question": "?",
        "entities": {"A": "m.01"},
        "actions": ["get_relations(A)"],
        "answer": [{"answer_argument": "m.02"}],
    }
    write_json(tmp_path / "std.json", [question])
    write_json(tmp_path / "vocab.json", {"relations": ["city.bridge", "bridge.name"], "attributes": ["bridge.length"]})
    (tmp_path / "fb_roles").write_text("city city.bridge bridge and more\n")
    replies = [
        "Action: get_relations(A)",
        "Action: get_neighbors(A, city.bridge)",
        "Action: get_relations(#0)",
        "Action: get_attributes(#0)",
        "Final Answer: #0",
    ]
    row = Bench("agentbench_kg", tmp_path, environment="server", endpoint=server).play(say(*replies))[0]

    assert [message["content"] for message in row["messages"] if message["content"].startswith("Observation")] == [
        "Observation: [city.bridge]",
        "Observation: variable #0, which are instances of bridge",
        "Observation: [bridge.name]",  # the length is there, but not among the relations
        "Observation: [bridge.length]",
    ]
    assert row["prediction"] == ["m.02", "m.03"]


def test_a_server_is_not_played_without_its_ontology(tmp_path: Path) -> None:
    write_json(tmp_path / "std.json", [])

    def read() -> Bench:
        return Bench("agentbench_kg", tmp_path, environment="server", endpoint="http://127.0.0.1:9/sparql")

    with pytest.raises(FileError, match=r"vocab\.json: found no such file; expected the relations and attributes"):
        read()
    write_json(tmp_path / "vocab.json", ["a.b"])
    with pytest.raises(FileError, match=rf"{tmp_path}/fb_roles: found no such file; expected what relations lead to"):
        read()
    (tmp_path / "fb_roles").write_text("a a.b c\n\n")
    with pytest.raises(FileError, match=r"vocab\.json: found another content"):
        read()
    write_json(tmp_path / "vocab.json", {"relations": [], "attributes": []})
    with pytest.raises(RecordError, match=r"fb_roles.* 2.*found 0 words; expected a type, a relation, a type"):
        read()


@pytest.fixture
def server() -> Iterator[str]:
    """A SPARQL server over HTTP."""
    ask = memory(TRIPLES)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["query"][0]
            rows = [{"x": {"type": "uri", "value": value}} for value in ask(query)]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"results": {"bindings": rows}}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}/sparql"
    http.shutdown()


def test_a_server_is_asked_over_http(server: str) -> None:
    assert sorted(endpoint(server, 5)(values_query(CITY))) == ["m.02", "m.03"]


def test_a_server_that_is_not_there_means_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="key endpoint"):
        Bench.of("agentbench_kg", monkeypatch, environment="server")
    bench = Bench.of("agentbench_kg", monkeypatch)
    bench.settings |= {"environment": "server", "endpoint": "http://127.0.0.1:9/sparql"}
    with pytest.raises(NotAvailable, match="does not answer"):
        bench.play_oracle()


def test_a_question_without_answers_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "std.json", [{"question": "?", "entities": {}, "actions": ["count(#0)"], "answer": []}])
    with pytest.raises(RecordError, match="field answer"):
        list(datasets.load("agentbench_kg").read(tmp_path))


def test_the_gold_chains_of_the_real_questions_can_be_played_but_for_seven(shared_data: Path) -> None:
    bench = Bench("agentbench_kg", shared_data / "agentbench")
    rows = bench.play_oracle()
    played = {row["id"]: set(row["prediction"]) for row in rows}

    assert len(bench.tasks) == 150
    assert {task["id"] for task in bench.tasks if played[task["id"]] != set(task["answers"])} == {
        f"kg_{number}" for number in (41, 54, 73, 88, 107, 116, 148)
    }
    assert bench.score(rows)["parts"]["counts"] == {"cwq": 41, "grailqa": 91, "graphquestions": 17, "webqsp": 1}
    assert bench.score(bench.play_random())["value"] < 5
