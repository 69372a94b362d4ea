"""WebShop: the reward, the pages, the goals, the protocol and the files."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmark_examples import Bench, agentbench_webshop, say

from agentflan import datasets
from agentflan.benchmarks import agentbench_webshop as webshop
from agentflan.benchmarks._purchase import (
    Goal,
    colour_of,
    count_attributes,
    count_options,
    fit_of_type,
    guess_nouns,
    nouns_of,
    reward,
)
from agentflan.benchmarks._shop import Shop, Visit
from agentflan.datasets.agentbench_webshop import read_colours
from agentflan.errors import ConfigError, FileError, NotAvailable, RecordError
from agentflan.files import write_json

NAME = "agentbench_webshop"
LAMP = {
    "code": "B1",
    "name": "Brass desk lamp",
    "description": "Gives warm light.",
    "bullets": ["energy saving", "metal foot"],
    "query": "lamps",
    "path": ["home", "light", "lamps"],
    "prices": [30.0],
    "options": {"color": ["night black", "white"], "size": ["10 inch"]},
    "attributes": ["long lasting"],
    "wishes": [],
    "source": "invented",
}
GOAL = Goal("a lamp", "B1", ("lasting long", "warm light", "cheap"), ("black", "10 inch"), 40.0)


def lamp(**changes: Any) -> dict[str, Any]:
    return LAMP | changes


def test_the_reward_is_the_share_of_what_fits() -> None:
    chosen = {"color": "night black", "size": "10 inch"}

    def points(price: float, options: dict[str, str]) -> float:
        return reward(LAMP, options, price, GOAL, LAMP, guess_nouns)

    assert points(30, chosen) == pytest.approx(5 / 6)  # nothing tells that it is cheap
    assert points(50, chosen) == pytest.approx(4 / 6)
    assert points(50, {"size": "2 ft"}) == pytest.approx(2 / 6)
    assert reward(LAMP, {}, 30, GOAL, lamp(name="oak desk", query="desks", path=["home"]), guess_nouns) == (3 / 6) * 1.0


@pytest.mark.parametrize(
    ("name", "query", "path", "fit"),
    [
        ("Floor lamp", "lamps", [], 1.0),
        ("Floor lamp", "other", [], 1.0),  # one noun of two
        ("Paper box holder set kit lamp", "other", [], 0.5),  # one noun of six
        ("Paper box holder set kit lamp", "other", ["lamps", "home"], 1.0),
        ("one two three four five six seven eight nine ten eleven lamp", "lamps", [], 0.1),  # one of twelve
        ("Paper box", "lamps", ["home", "light", "lamps"], 0.0),  # no noun at all outweighs the rest
        ("of the", "other", [], 0.5),  # a name without nouns
    ],
)
def test_the_fit_of_the_type(name: str, query: str, path: list[str], fit: float) -> None:
    assert fit_of_type(LAMP, lamp(name=name, query=query, path=path), guess_nouns) == fit


def test_attributes_are_alike_or_stand_in_the_text() -> None:
    assert count_attributes(LAMP, ["long lasting", "very long lasting", "metal foot", "warm", "brass", "cheap"]) == 5


@pytest.mark.parametrize(
    ("chosen", "wanted", "hits"),
    [
        (["night black"], ["black"], 1),  # the colour is what counts
        (["dark navy"], ["dark red"], 1),  # "dark" comes before both in the list of colours
        (["dark red"], ["red"], 0),
        (["violet lavender"], ["violet"], 0),
        (["table lamp"], ["lamp for a table"], 1),
        (["6.76 fl oz (pack of 1)"], ["6.76 fl oz"], 1),
        (["6.76 fl oz"], ["6.76 fl oz (pack of 1)"], 1),  # a size is compared like any other option
        (["12 inch"], ["10 inch"], 1),  # likeness of 86
        (["10 inch"], ["12 ft"], 0),
        (["brass"], ["white"], 0),  # a wrong colour, though the product's name says it
        (["metal foot"], [], 0),  # not wanted, though the product's text says it
        (["white", "10 inch"], ["white"], 1),
        (["white"], ["white", "10 inch"], 1),  # upstream counts what is wanted, not what is chosen
        (["large", "x-large"], ["large"], 1),
        ([], ["white"], 0),
    ],
)
def test_wanted_options_count_that_are_like_a_chosen_one(chosen: list[str], wanted: list[str], hits: int) -> None:
    colours = ["black", "dark", "lavender", "navy", "red", "violet", "white"]  # in an order as upstream's

    assert count_options(chosen, wanted, colours) == hits


def test_the_colour_of_an_option_is_the_first_one_in_the_lists_order() -> None:
    colours = ["alabaster", "black", "fuchsia", "night", "steel"]
    found = [colour_of(option, colours) for option in ("night black", "fuchsia and steel", "123alabaster", "oak", "")]

    assert found == ["black", "fuchsia", "alabaster", "oak", ""]


def test_upstreams_colours_are_read_where_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "src/tasks/webshop/web_agent_site/engine/normalize.py"
    path.parent.mkdir(parents=True)
    path.write_text("import re\n\nCOLOR_SET = [\n    'teal', 'dark',\n]\nraise SystemExit\n")

    assert read_colours(tmp_path) == ["teal", "dark"]
    assert read_colours(tmp_path / "elsewhere") == []
    assert count_options(["dark red"], ["dark blue"], read_colours(tmp_path)) == 1


def test_options_that_were_not_wanted_do_not_add_to_the_reward() -> None:
    goal = GOAL._replace(attributes=("metal foot",), options=("black",))
    chosen = {"color": "white", "foot": "metal foot", "light": "warm light"}

    assert reward(LAMP, chosen, 30, goal, LAMP, guess_nouns) == pytest.approx(2 / 3)
    assert reward(LAMP, chosen | {"color": "black"}, 30, goal, LAMP, guess_nouns) == 1


def test_no_purchase_is_worth_more_than_1_or_less_than_0() -> None:
    rng = random.Random(1)
    words = "brass desk lamp metal foot warm light black dark white 10 inch energy saving cheap".split()

    def some(most: int) -> list[str]:
        return [" ".join(rng.sample(words, rng.randint(1, 3))) for _ in range(rng.randint(0, most))]

    for _ in range(300):
        bought = lamp(name=" ".join(some(3)), bullets=some(3), attributes=some(3), query=rng.choice(words))
        goal = Goal("a lamp", "B1", tuple(some(3)), tuple(some(3)), rng.uniform(1, 90))
        chosen = {str(number): value for number, value in enumerate(some(4))}
        assert 0 <= reward(bought, chosen, rng.uniform(1, 90), goal, LAMP, guess_nouns) <= 1


def test_nouns_are_guessed_or_asked_of_spacy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert guess_nouns("The new Red Lamp for a Washable Desk") == ["lamp", "desk"]
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(NotAvailable, match="needs spaCy and its model en_core_web_lg"):
        nouns_of("spacy")


def test_search_finds_words_in_name_description_first_bullet_and_options() -> None:
    shop = Shop([LAMP, lamp(code="B2", name="Oak desk", description="", bullets=[], options={})])

    assert shop.search("desk LAMP") == ["B1", "B2"]
    assert shop.search("inch") == shop.search("energy") == ["B1"]
    assert shop.search("foot") == shop.search("") == []  # the second bullet is not looked at


def test_a_visit_from_page_to_page() -> None:
    visit = Visit(Shop([lamp(code=f"B{number}") for number in range(12)]), "a lamp")
    pages = []
    for action in ("click[search]", "search[lamp]", "click[Next >]", "click[B10]", "click[features]", "click[< Prev]"):
        visit.act(action)
        pages.append(visit.text)

    head = "Instruction: [SEP] a lamp [SEP] Back to Search"
    item = (
        "< Prev [SEP] color [SEP] night black [SEP] white [SEP] size [SEP] 10 inch [SEP] Brass desk lamp [SEP] "
        "Price: $30.0 [SEP] Rating: N.A. [SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now"
    )
    assert pages[0] == "WebShop [SEP] Instruction: [SEP] a lamp [SEP] Search"
    assert pages[1].startswith(f"{head} [SEP] Page 1 (Total results: 12) [SEP] Next > [SEP] B0 [SEP] Brass desk lamp")
    assert pages[2] == (
        f"{head} [SEP] Page 2 (Total results: 12) [SEP] < Prev [SEP] "
        "B10 [SEP] Brass desk lamp [SEP] $30.0 [SEP] B11 [SEP] Brass desk lamp [SEP] $30.0"
    )
    assert pages[3] == pages[5] == f"{head} [SEP] {item}"
    assert pages[4] == f"{head} [SEP] < Prev [SEP] energy saving [SEP] metal foot"
    assert visit.buttons == [
        *("back to search", "< prev", "description", "features", "reviews", "buy now"),
        *("night black", "white", "10 inch"),
    ]
    for action in ("click[White]", "click[green]", "fly", "click[night black]", "click[Buy Now]"):
        visit.act(action)
    assert visit.bought == {"code": "B10", "options": {"color": "night black"}}


def test_going_back_to_search_forgets_the_options() -> None:
    visit = Visit(Shop([LAMP]), "a lamp")
    for action in ("search[lamp]", "click[b1]", "click[white]", "click[Back to Search]", "search[lamp]", "click[b1]"):
        visit.act(action)
    visit.act("click[buy now]")

    assert visit.bought == {"code": "B1", "options": {}}


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        ("Thought:\nI look.\n\nAction:\nsearch[a lamp]", "search[a lamp]"),
        ("Action: \n click[b1] and click[b2]", "click[b1]"),
        ("action:\nclick[Buy Now]", "click[Buy Now]"),
        ("Action:\nsearch[a [b] c]", "search[a [b]"),
        ("Action: click[Buy Now]", None),  # on the same line: AgentBench took it later, AgentTuning's copy does not
        ("Action:\n\nclick[Buy Now]", None),
        ("I will search[a lamp]", None),
        ("Action:\nbuy[b1]", None),
    ],
)
def test_the_action_of_a_reply(reply: str, action: str | None) -> None:
    assert webshop.read_action(reply) == action


def test_goals_have_attributes_a_highest_price_and_upstreams_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in agentbench_webshop() if row["wishes"]]
    rows[0]["wishes"].append({"text": "anything", "attributes": [], "options": []})
    rows[1]["prices"] = [985.0]
    bench = Bench.of(NAME, monkeypatch, rows=rows)
    goals = [task["goal"] for task in bench.tasks]

    assert len(goals) == 8  # a wish without attributes is no goal
    assert [task["id"] for task in bench.tasks[:2]] == ["goal_0", "goal_1"]
    for goal in goals:
        if goal.code == rows[1]["code"]:
            assert goal.price == 1_000_000
            assert "price" not in goal.text
        else:
            cost = bench.tasks[0]["prices"][goal.code]
            assert cost < goal.price <= cost + 40
            assert goal.text.endswith(f", and price lower than {goal.price:.2f} dollars")
    assert [goal.code for goal in goals] != sorted(goal.code for goal in goals)
    assert goals == [task["goal"] for task in Bench.of(NAME, monkeypatch, rows=rows).tasks]
    assert len(Bench.of(NAME, monkeypatch, rows=rows, goals=3).tasks) == 3


def test_each_turn_shows_the_page_and_its_buttons(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of(NAME, monkeypatch, limit=1)
    row = bench.play(say("Action:\nsearch[pot]"))[0]
    said = [turn["content"] for turn in row["messages"]]

    assert said[1] == "Ok."
    assert said[2].startswith("Observation:\nWebShop [SEP] Instruction: [SEP] a ")
    assert said[2].endswith("Available Actions:\n{'has_search_bar': True, 'clickables': ['search']}")
    assert "{'has_search_bar': False, 'clickables': ['back to search', 'a" in said[4]
    assert (row["outcome"], len(row["replies"]), row["bought"]) == ("task_limit", 10, None)


def test_a_reply_without_action_ends_an_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of(NAME, monkeypatch, limit=1)

    assert [row["outcome"] for row in bench.play(say("I buy it."))] == ["invalid_action"]


def test_a_purchase_that_fits_in_part_counts_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of(NAME, monkeypatch)
    rows = bench.play_oracle()
    whole = bench.score(rows)
    first = bench.tasks[0]
    other = next(code for code in first["shop"].products if code != first["goal"].code)
    rows[0]["bought"] = {"code": other, "options": {}}
    part = bench.score(rows)

    assert whole["value"] == 100
    assert 100 - 100 / len(rows) < part["value"] < 100
    assert part["parts"]["whole_reward"] == pytest.approx(100 * (len(rows) - 1) / len(rows), abs=1e-3)


def test_settings_must_fit_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="key environment: found 'amazon'; expected embedded or webshop"):
        Bench.of(NAME, monkeypatch, environment="amazon")
    with pytest.raises(ConfigError, match="key environment: the products are of invented"):
        Bench.of(NAME, monkeypatch, environment="webshop")
    with pytest.raises(ConfigError, match="key nouns: found 'verbs'"):
        Bench.of(NAME, monkeypatch, nouns="verbs")


RAW = {
    "asin": "B0TEA",
    "name": "Tea pot",
    "full_description": None,
    "small_description": "holds a litre",
    "query": " Tea Pots ",
    "product_category": "Kitchen › Tea › Pots",
    "pricing": "$1,012.50 to $1,100",
    "customization_options": {"Color": [{"value": " Red/Blue "}], "Style": None},
}


def test_upstreams_files_are_read(tmp_path: Path) -> None:
    rows = [RAW, RAW, RAW | {"asin": "nan"}, RAW | {"asin": "B0MUG", "pricing": "", "customization_options": None}]
    wish = {"instruction": "a pot.", "instruction_attributes": ["hot"], "instruction_options": ["red"]}
    write_json(tmp_path / "items_shuffle_1000.json", rows)
    write_json(tmp_path / "items_ins_v2_1000.json", {"B0TEA": {"attributes": ["hot"]}})
    write_json(tmp_path / "items_human_ins.json", {"B0TEA": [wish]})

    pot, mug = datasets.load(NAME).read(tmp_path)

    assert pot == {
        "code": "B0TEA",
        "name": "Tea pot",
        "description": "",
        "bullets": ["holds a litre"],
        "query": "tea pots",
        "path": ["Kitchen", "Tea", "Pots"],
        "prices": [1012.5, 1100.0],
        "options": {"color": ["red | blue"]},
        "attributes": ["hot"],
        "wishes": [{"text": "a pot.", "attributes": ["hot"], "options": ["red"]}],
        "source": "WebShop",
    }
    assert (mug["prices"], mug["options"], mug["attributes"], mug["wishes"]) == ([100.0], {}, ["DUMMY_ATTR"], [])


def test_files_that_are_missing_or_broken_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no items_shuffle\*\.json"):
        list(datasets.load(NAME).read(tmp_path))
    write_json(tmp_path / "items_shuffle_1000.json", [{"asin": "B0TEA", "name": "Tea pot"}])
    write_json(tmp_path / "items_ins_v2_1000.json", {})
    write_json(tmp_path / "items_human_ins.json", {})
    with pytest.raises(RecordError, match=r"record 1 \(B0TEA\), field full_description: found nothing"):
        list(datasets.load(NAME).read(tmp_path))
