"""Every kind of evaluator, the functions that tasks call, and who judges fuzzy answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_server import serve as serve_model

from agentflan.backends import Reply
from agentflan.benchmarks import _web_judge
from agentflan.benchmarks._browser import PageFailed
from agentflan.benchmarks._protocol import Request
from agentflan.benchmarks._web_hosts import Hosts
from agentflan.benchmarks._web_sites import serve
from agentflan.benchmarks._webarena_evaluators import Question, clean, collect, questions, verdict
from agentflan.benchmarks._webarena_functions import Function, call, parse_call, post_url
from agentflan.errors import ConfigError, NotAvailable

HOSTS = Hosts({"shopping": "http://127.0.0.1:8001", "reddit": "http://127.0.0.1:8002"})


def task(**evaluation: Any) -> dict[str, Any]:
    return {"id": "1", "intent": "which colour?", "eval": evaluation}


def says(**references: Any) -> dict[str, Any]:
    return task(eval_types=["string_match"], reference_answers=references)


@pytest.mark.parametrize(
    ("references", "answer", "solved"),
    [
        ({"exact_match": "Red"}, "'red'", True),
        ({"exact_match": "Red"}, "red pot", False),
        ({"must_include": ["Red", '"4 mm"']}, "4 MM of red", True),
        ({"must_include": ["Red", "4 mm"]}, "red", False),
        ({"must_include": ["3"]}, "Early stop: Reach max steps 30", True),  # as upstream counts it
        ({"exact_match": "red", "must_include": ["e"]}, "red", True),
        ({"exact_match": "red", "must_include": ["x"]}, "red", False),
    ],
)
def test_an_answer_is_compared(references: dict[str, Any], answer: str, solved: bool) -> None:
    assert verdict(says(**references), answer, {"url": "", "pages": []}) is solved


@pytest.mark.parametrize(
    ("url", "wanted", "note", "solved"),
    [
        ("http://reddit.com/f/rain/", "__REDDIT__/f/rain", "EXACT", True),
        ("http://reddit.com/f/rain?x", "__REDDIT__/f/rain", "EXACT", False),
        ("http://reddit.com/f/rain?x", "__REDDIT__/f/rain", "GOLD in PRED", True),
        ("http://reddit.com/f/snow", "__REDDIT__/f/rain |OR| __REDDIT__/f/snow/", "EXACT", True),
        ("http://reddit.com/f/fog", "__REDDIT__/f/rain |OR| __REDDIT__/f/snow", "GOLD in PRED", False),
        ("http://reddit.com", "NA", "EXACT", False),
    ],
)
def test_an_address_is_compared(url: str, wanted: str, note: str, solved: bool) -> None:
    asked = task(eval_types=["url_match"], reference_url=wanted, url_note=note)

    assert verdict(asked, "", {"url": url, "pages": []}) is solved


def test_the_rule_of_addresses_is_exact_if_none_is_named() -> None:
    asked = task(eval_types=["url_match"], reference_url="http://reddit.com/f")

    assert verdict(asked, "", {"url": "http://reddit.com/f", "pages": []})
    assert not verdict(asked, "", {"url": "http://reddit.com/f/rain", "pages": []})


class FakeVisit:
    """A window whose pages are texts by address; one that is not among them cannot be loaded."""

    def __init__(self, pages: dict[str, str], url: str) -> None:
        self.pages, self.url, self.evaluated = pages, url, []

    def open(self, url: str) -> None:
        if url not in self.pages:
            raise PageFailed("net::ERR")
        self.url = url

    def content(self) -> str:
        return self.pages[self.url]

    def evaluate(self, expression: str, *arguments: Any) -> Any:
        self.evaluated.append(expression)
        if "missing" in expression:
            raise PageFailed("TypeError")
        return self.pages[self.url] if arguments or "shown" in expression else None


def looks(*targets: dict[str, Any]) -> dict[str, Any]:
    return task(eval_types=["program_html"], program_html=list(targets))


SHOP = "http://127.0.0.1:8001"


ROLE = "func:gitlab_get_project_memeber_role(__page__, 'anna')"


def last(required: str | dict[str, Any], locator: str = "") -> dict[str, Any]:
    return {"url": "last", "locator": locator, "required_contents": required}


@pytest.mark.parametrize(
    ("target", "met", "url"),
    [
        (last("RED pot"), [True], "last"),
        (last("green |OR| red"), [True], "last"),
        (last("green"), [False], "last"),
        (last("a red pot", "document.shown"), [True], "last"),
        (last("red", "document.nothing"), [False], "last"),
        (last("red", "document.missing.x"), [False], "last"),
        (last("red", ROLE), [True], "last"),
        (last({"must_include": ["red", "green"]}), [True, False], "last"),
        (last({"exact_match": "A red pot"}), [True], "last"),
        (last("Blue") | {"url": "__SHOPPING__/new"}, [True], "http://onestopmarket.com/new"),
        (last("Blue") | {"url": "__SHOPPING__/gone"}, [False], "http://onestopmarket.com/gone"),
    ],
)
def test_contents_of_pages_are_looked_for(target: dict[str, Any], met: list[bool], url: str) -> None:
    visit = FakeVisit({SHOP: "A red pot", f"{SHOP}/new": "a blue pot"}, SHOP)

    evidence = collect(looks(target), visit, HOSTS)

    assert evidence["url"] == "http://onestopmarket.com"
    assert evidence["pages"][0]["met"] == met
    assert verdict(looks(target), "", evidence) is all(met)
    assert evidence["pages"][0]["url"] == url
    assert "127.0.0.1" not in json.dumps(evidence)


def test_all_evaluators_must_agree() -> None:
    both = task(
        eval_types=["string_match", "url_match", "program_html"],
        reference_answers={"exact_match": "red"},
        reference_url="http://reddit.com",
        program_html=[{}],
    )
    right = {"url": "http://reddit.com", "pages": [{"met": [True]}]}

    assert verdict(both, "red", right)
    assert not verdict(both, "blue", right)
    assert not verdict(both, "red", right | {"url": "http://gitlab.com"})
    assert not verdict(both, "red", right | {"pages": [{"met": [False]}]})


def test_targets_that_are_not_evaluated_are_not_visited() -> None:
    asked = task(eval_types=["url_match"], reference_url="x", program_html=[{"url": "http://elsewhere"}])

    assert collect(asked, FakeVisit({}, "http://x"), HOSTS)["pages"] == []


# ---- functions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "func:os.system('rm')",
        "func:shopping_get_latest_order_url",
        "func:shopping_get_latest_order_url('x')",
        "func:shopping_get_sku_latest_review_author()",
        "func:shopping_get_sku_latest_review_author(__import__('os').getcwd())",
        "func:reddit_get_post_url(1)",
        "func:reddit_get_post_url('a'); import os",
        "reddit_get_post_url('a')",
    ],
)
def test_only_known_functions_with_plain_arguments_are_called(text: str) -> None:
    assert parse_call(text) is None


def test_a_call_is_read() -> None:
    text = "func:gitlab_get_project_memeber_role(__page__, 'anna')"

    assert parse_call(text) == Function("gitlab_get_project_memeber_role", ("anna",))


@pytest.mark.parametrize(
    ("url", "post"),
    [
        ("http://reddit.com/f/rain/12/title?x#y", "http://reddit.com/f/rain/12/"),
        ("http://reddit.com/f/rain/12", "http://reddit.com/f/rain/12/"),
        ("http://reddit.com/f/rain", "http://reddit.com/f/rain"),
        ("http://reddit.com/user/anna/12/", "http://reddit.com/user/anna/12/"),
    ],
)
def test_the_post_of_an_address(url: str, post: str) -> None:
    assert post_url(url) == post


def test_the_shop_is_asked_as_its_administrator() -> None:
    reviews = [{"nickname": name, "rating": stars, "text": "t"} for name, stars in (("Ida", 2), ("Ole", 4))]
    product = {"sku": "S1", "name": "red pot", "category": "pot", "price": 5, "reviews": reviews}
    with serve({"shopping": {"products": [product]}, "reddit": {"forums": {}}}) as hosts:

        def ask(name: str, *arguments: str, of: Hosts = hosts) -> str:
            return call(Function(name, arguments), FakeVisit({}, "http://x"), of)

        assert ask("shopping_get_sku_latest_review_author", "S1") == "Ole"
        assert ask("shopping_get_sku_latest_review_rating", "S1") == "80"
        assert ask("shopping_get_sku_latest_review_author", "S2") == ""  # no such product
        assert ask("shopping_get_latest_order_url") == ""  # no order
        with pytest.raises(NotAvailable, match="account of its administrator"):
            ask("shopping_get_latest_order_url", of=Hosts(hosts.real))


# ---- the judge -------------------------------------------------------------------------------------------------------


def test_what_only_a_judge_can_tell() -> None:
    fuzzy = says(fuzzy_match=["Ida", "4 stars"])

    assert questions(fuzzy, "'Ida!'") == [
        Question("ida!", "Ida", "which colour?"),
        Question("ida!", "4 stars", "which colour?"),
    ]
    assert questions(says(exact_match="x"), "x") == []


def test_an_unachievable_task_needs_its_reason_or_na() -> None:
    asked = task(eval_types=["string_match"], reference_answers={"fuzzy_match": "N/A"}, string_note="no such shop")

    assert questions(asked, "N/A") == []
    assert questions(asked, "there is none") == [Question("there is none", "no such shop", "which colour?")]


@pytest.mark.parametrize(("answer", "cleaned"), [("'Red'", "red"), ('"Red"', "red"), ("'Red", "'red"), ("'", "")])
def test_quotes_around_an_answer_do_not_count(answer: str, cleaned: str) -> None:
    assert clean(answer) == cleaned


ASKED = [Question("ida, 4 stars!", "Ida, 4 Stars", "who?"), Question("adai", "ida", "who?")]


def test_nobody_never_agrees_and_containment_wants_the_words() -> None:
    assert _web_judge.judge(ASKED, "nobody", {}, None) == [False, False]
    assert _web_judge.judge(ASKED, "containment", {}, None) == [True, False]


class YesMan:
    """In the place of a model: it agrees to what holds "ida, 4"."""

    def generate(self, requests: list[Request]) -> list[Reply]:
        return [Reply("Yes." if "ida, 4" in request.messages[-1][1] else "No") for request in requests]


def test_a_chat_model_is_asked_in_upstreams_words_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with serve_model(YesMan()) as server:
        options = {
            "base_url": server.url,
            "cache": str(tmp_path / "c.jsonl"),
            "max_cost": None,
            "max_total_tokens": 999,
        }
        first = _web_judge.judge(ASKED, "gpt-3.5-turbo", options, None)
        again = _web_judge.judge(ASKED, "gpt-3.5-turbo", options, None)

    assert first == again == [True, False]
    assert len(server.asked) == 2
    question = 'Given the statement "{}", would it be correct to infer "{}"? Yes or No'
    assert sorted([turn["content"] for turn in body["messages"]] for body in server.asked) == [
        ["You are a helpful assistant", question.format("adai", "ida")],
        ["You are a helpful assistant", question.format("ida, 4 stars!", "Ida, 4 Stars")],
    ]


PRICES = {"prompt_price": 1.5, "reply_price": 2}


def test_a_judge_that_cannot_be_asked_is_not_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(NotAvailable, match="OPENAI_API_KEY is not set"):
        _web_judge.judge(ASKED, "gpt-3.5-turbo", PRICES | {"cache": str(tmp_path / "c.jsonl")}, None)


@pytest.mark.parametrize(
    ("options", "found"),
    [({"speed": 1}, "speed"), ({}, "prompt_price and reply_price"), (PRICES | {"max_cost": None}, "max_cost")],
)
def test_a_judge_without_a_cap_is_refused_before_it_is_asked(options: dict[str, Any], found: str) -> None:
    with pytest.raises(ConfigError, match=f"key judge_api: .*{found}"):
        _web_judge.check("gpt-3.5-turbo", options)
    for name in ("nobody", "containment"):
        _web_judge.check(name, options)
