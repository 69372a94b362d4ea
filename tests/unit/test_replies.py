"""Replies are asked once, kept for good, and never cost more than allowed, whatever the server does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from answering import AnsweringHandler

from agentflan.errors import AgentFlanError, ConfigError, NotAvailable, RecordError
from agentflan.files import dump_line
from agentflan.replies import Question, ReplySettings, ask, cache_key, fetch_replies
from agentflan.reply_cache import Answer, append_answer, read_answers

KEY = "sk-made-up-key-for-tests"
QUICK = ReplySettings(
    "parrot", concurrency=4, attempts=4, timeout=0.5, backoff=0.01, max_tokens=20, prompt_price=2.0, reply_price=3.0
)


def talk(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


class Server(ThreadingHTTPServer):
    """An OpenAI-compatible server that repeats the last message; `faults` says what goes wrong at which try."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tries: dict[str, int] = {}
        self.faults: Callable[[str, int], str | int | bytes | dict[str, Any] | None] = lambda text, attempt: None
        self.lock, self.open, self.most_open = threading.Lock(), 0, 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up is part of the tests."""

    def count(self, change: int) -> None:
        with self.lock:
            self.open += change
            self.most_open = max(self.most_open, self.open)


class _Handler(AnsweringHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.count(1)
        try:
            self._answer()
        finally:
            self.server.count(-1)

    def _answer(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = request["messages"][-1]["content"]
        attempt = self.server.tries[text] = self.server.tries.get(text, 0) + 1
        fault = self.server.faults(text, attempt)
        if fault == "slow":
            time.sleep(1.0)
        if isinstance(fault, int):
            error = {"message": f"the key {self.headers['Authorization']} …"}
            self.send(fault, json.dumps({"error": error}))
        elif fault == "empty":
            self.send(200, json.dumps({"choices": []}))
        elif isinstance(fault, bytes):
            self.send(200, fault.decode())
        else:
            message = {"role": "assistant", "content": f"echo {text}"}
            usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
            answer = {"id": "1", "choices": [{"index": 0, "message": message}], "usage": usage}
            answer |= fault if isinstance(fault, dict) else {}
            self.send(200, json.dumps(answer), cut=fault == "cut")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def test_the_key_of_a_conversation_never_changes() -> None:
    """A change would make every cache worthless, also the one that the embedded world writes."""
    assert cache_key("m", talk("é")) == "a2c7407eff95b5c502141a1edf5c79c99248361836acc7a3a5141baeb9f67b82"


def test_a_second_run_asks_nothing(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, talks = tmp_path / "replies.jsonl", [talk("a"), talk("b"), talk("a")]

    first = fetch_replies(talks, cache, QUICK)
    before = cache.read_bytes()
    monkeypatch.delenv("OPENAI_API_KEY")
    second = fetch_replies(talks, cache, QUICK)

    assert first == second == ["echo a", "echo b", "echo a"]
    assert server.tries == {"a": 1, "b": 1}
    assert cache.read_bytes() == before


def test_overload_errors_timeouts_and_cut_replies_are_tried_again(server: Server, tmp_path: Path) -> None:
    trouble = {"busy": 429, "broken": 500, "late": "slow", "half": "cut", "nothing": "empty"}
    server.faults = lambda text, attempt: trouble[text] if attempt == 1 else None

    replies = fetch_replies([talk(text) for text in trouble], tmp_path / "replies.jsonl", QUICK)

    assert replies == [f"echo {text}" for text in trouble]
    assert set(server.tries.values()) == {2}


def test_requests_run_side_by_side_within_the_limit(server: Server, tmp_path: Path) -> None:
    fetch_replies([talk(str(number)) for number in range(30)], tmp_path / "replies.jsonl", QUICK)

    assert 1 < server.most_open <= QUICK.concurrency


def test_a_failed_run_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    cache, talks = tmp_path / "replies.jsonl", [talk("a"), talk("b"), talk("bad")]
    server.faults = lambda text, attempt: 500 if text == "bad" else None
    with pytest.raises(AgentFlanError, match=r"status 500.*repeat the command"):
        fetch_replies(talks, cache, replace(QUICK, concurrency=1))
    assert server.tries["bad"] == QUICK.attempts

    server.faults = lambda text, attempt: None
    assert fetch_replies(talks, cache, QUICK) == ["echo a", "echo b", "echo bad"]
    assert (server.tries["a"], server.tries["b"]) == (1, 1)


def test_a_line_cut_off_by_a_killed_run_is_asked_again(server: Server, tmp_path: Path) -> None:
    cache = tmp_path / "replies.jsonl"
    fetch_replies([talk("a"), talk("b")], cache, replace(QUICK, concurrency=1))
    cache.write_bytes(cache.read_bytes()[:-5])

    assert fetch_replies([talk("a"), talk("b")], cache, QUICK) == ["echo a", "echo b"]
    assert server.tries == {"a": 1, "b": 2}
    assert len(read_answers(cache)) == 2


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    cache = tmp_path / "replies.jsonl"
    cache.write_text('{"key":"x","reply":"y"}\n{"key":1}\n')

    with pytest.raises(RecordError, match=r"replies\.jsonl: record 2"):
        read_answers(cache)


def test_the_spending_cap_holds_over_all_runs(server: Server, tmp_path: Path) -> None:
    """A reply is paid at its real length, and is booked at its longest before it is asked for."""
    cache, talks = tmp_path / "replies.jsonl", [talk(str(number)) for number in range(9)]
    paid, longest = (3 * 2 + 2 * 3) / 1e6, (8 * 2 + 20 * 3) / 1e6
    capped = replace(QUICK, max_cost=3 * paid + longest)

    for _ in range(2):
        with pytest.raises(AgentFlanError, match=r"spending cap.*raise max_cost"):
            fetch_replies(talks, cache, capped)
        assert len(read_answers(cache)) == sum(server.tries.values()) == 4
    assert len(fetch_replies(talks, cache, replace(QUICK, max_cost=9 * longest))) == 9


def test_a_cap_on_tokens_needs_no_price(server: Server, tmp_path: Path) -> None:
    unpriced = replace(QUICK, prompt_price=None)
    with pytest.raises(ConfigError, match="prompt_price and reply_price not given"):
        fetch_replies([talk("a")], tmp_path / "replies.jsonl", unpriced)

    with pytest.raises(AgentFlanError, match=r"spending cap of .* 33 tokens"):
        fetch_replies(
            [talk("a"), talk("b"), talk("c")], tmp_path / "replies.jsonl", replace(unpriced, max_total_tokens=33)
        )
    assert len(server.tries) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_not_repeated_and_the_key_stays_secret(server: Server, tmp_path: Path, status: int) -> None:
    server.faults = lambda text, attempt: status

    with pytest.raises(NotAvailable, match="status 4") as caught:
        fetch_replies([talk("a")], tmp_path / "replies.jsonl", QUICK)

    assert server.tries == {"a": 1}
    assert KEY not in str(caught.value)


def test_without_a_key_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    with pytest.raises(NotAvailable, match="OPENAI_API_KEY is not set"):
        fetch_replies([talk("a")], tmp_path / "replies.jsonl", QUICK)


# ---- what is no reply ------------------------------------------------------------------------------------------------


def question(text: str) -> Question:
    return Question(cache_key("parrot", talk(text)), {"messages": talk(text), "max_tokens": 20})


def holding(content: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]}


ODD = {
    "a number": holding(5),
    "an object": holding({"text": "a"}),
    "parts that are none": holding(["a"]),
    "a part without text": holding([{"type": "text", "text": None}]),
    "a message that is none": {"choices": [{"message": "a"}]},
    "a choice that is none": {"choices": [None]},
    "no choice": {"choices": []},
    "a text for choices": {"choices": "abc"},
    "an object for choices": {"choices": {"0": 1}},
    "nested without end": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_reply_is_tried_again_and_ends_as_the_fault_of_its_request_alone(
    odd: str, server: Server, tmp_path: Path
) -> None:
    server.faults = lambda text, attempt: ODD[odd] if text == "odd" else None
    cache = tmp_path / "replies.jsonl"

    answers = ask([question(text) for text in ("a", "odd", "b")], cache, QUICK)

    assert [(answer.text, answer.fault) for answer in answers] == [("echo a", ""), ("", "api_error"), ("echo b", "")]
    assert server.tries == {"a": 1, "odd": QUICK.attempts, "b": 1}
    assert len(read_answers(cache)) == 2  # it is asked for again in the next run


def test_an_odd_reply_may_pass(server: Server, tmp_path: Path) -> None:
    server.faults = lambda text, attempt: ODD["a number"] if attempt == 1 else None
    assert fetch_replies([talk("a")], tmp_path / "replies.jsonl", QUICK) == ["echo a"]


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        ([{"type": "text", "text": "one "}, {"type": "text", "text": "two"}], "one two"),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "two"}], "two"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
        ("a pair \ud83d\ude00", "a pair 😀"),
    ],
)
def test_parts_are_joined_and_halves_of_pairs_replaced(
    content: Any, reply: str, server: Server, tmp_path: Path
) -> None:
    server.faults = lambda text, attempt: holding(content)
    cache = tmp_path / "replies.jsonl"

    assert fetch_replies([talk("a")], cache, QUICK) == [reply]
    assert [answer.text for answer in read_answers(cache).values()] == [reply]


def test_a_fault_of_our_own_is_raised_when_the_others_are_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store(path: Path, key: str, model: str, answer: Answer) -> None:
        if answer.text == "echo a":
            raise OSError(28, "No space left on device")
        append_answer(path, key, model, answer)

    monkeypatch.setattr("agentflan.replies.append_answer", store)
    server.faults = lambda text, attempt: "slow" if text != "a" else None
    cache = tmp_path / "replies.jsonl"

    with pytest.raises(OSError, match="No space left"):
        ask([question(text) for text in ("a", "b", "c")], cache, replace(QUICK, timeout=5.0))
    assert {answer.text for answer in read_answers(cache).values()} == {"echo b", "echo c"}


@pytest.mark.parametrize("address", ["::bad", "http://", "http://127.0.0.1:99999/v1", "no address", "\n"])
def test_what_is_no_address_is_a_wrong_setting(server: Server, tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"base_url .* is no address; expected the address of a server"):
        fetch_replies([talk("a")], tmp_path / "replies.jsonl", replace(QUICK, base_url=address))


# ---- counts that are none --------------------------------------------------------------------------------------------

BOOKED = (len("a") // 3 + 8, QUICK.max_tokens)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 0}, (7, 0)),
        ({"prompt_tokens": -7, "completion_tokens": -9}, BOOKED),
        ({"prompt_tokens": "7", "completion_tokens": 2.5}, BOOKED),
        ({"prompt_tokens": True, "completion_tokens": None}, BOOKED),
        ({"prompt_tokens": 7}, (7, QUICK.max_tokens)),
        ({}, BOOKED),
        (None, BOOKED),
        ("7", BOOKED),
        ([7], BOOKED),
    ],
)
def test_a_count_that_is_none_is_as_high_as_what_was_booked(
    usage: Any, counts: tuple[int, int], server: Server, tmp_path: Path
) -> None:
    server.faults = lambda text, attempt: {"usage": usage}
    cache = tmp_path / "replies.jsonl"

    (answer,) = ask([question("a")], cache, QUICK)

    assert answer == Answer("echo a", *counts)
    assert list(read_answers(cache).values()) == [answer]  # so the next run counts it, too


@pytest.mark.parametrize("count", [-(10**6), None, 3])
def test_no_count_of_a_server_lets_the_cap_be_passed(count: int | None, server: Server, tmp_path: Path) -> None:
    server.faults = lambda text, attempt: {"usage": {"prompt_tokens": count, "completion_tokens": count}}
    capped = replace(QUICK, prompt_price=None, max_total_tokens=3 * sum(BOOKED), concurrency=1)

    for _ in range(2):
        with pytest.raises(AgentFlanError, match="spending cap"):
            ask([question(str(number)) for number in range(99)], tmp_path / "replies.jsonl", capped)
    assert sum(server.tries.values()) == (3 if count != 3 else 1 + 2 * sum(BOOKED) // 6)


@pytest.mark.parametrize("count", [-100, "1", 1.5, True, None, [1]])
def test_a_line_whose_counts_are_none_is_counted_by_its_texts(count: Any, server: Server, tmp_path: Path) -> None:
    cache, capped = tmp_path / "replies.jsonl", replace(QUICK, prompt_price=None, max_total_tokens=28 + 28)
    line = {"key": question("a").key, "reply": "x" * 60, "prompt_tokens": count, "completion_tokens": count}
    cache.write_text(dump_line(line))

    with pytest.raises(AgentFlanError, match=r"spending cap.*so far \$0.0001, 36 tokens"):  # 8 asked, 28 replied
        ask([question("a"), question("b")], cache, capped)
    assert server.tries == {}


@pytest.mark.parametrize("line", [b"[" * 100_000, b"\xff\xfe", b"5", b"[]", b'{"key":"a","reply":null}'])
def test_a_line_that_is_no_reply_is_named(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "replies.jsonl").write_bytes(b'{"key":"x","reply":"y"}\n' + line + b"\n")
    with pytest.raises(RecordError, match=r"replies\.jsonl: record 2: found .*; expected a JSON object"):
        read_answers(tmp_path / "replies.jsonl")


def test_half_a_pair_in_a_line_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "replies.jsonl").write_text('{"key":"x","reply":"a\\ud800"}\n')
    assert read_answers(tmp_path / "replies.jsonl")["x"].text == "a\ufffd"


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"attempts": 0}, {"max_tokens": -1}, {"concurrency": "8"}])
def test_counts_with_which_nothing_would_be_asked_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"settings of m: key {name}: found .*; expected a whole number from 1"):
        ReplySettings("m", **wrong)
