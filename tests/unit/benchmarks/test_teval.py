"""T-Eval: the six dimensions against upstream's rules and the published rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import benchmark_examples
import pytest
from benchmark_examples import INSTRUCT_TEMPLATES, Bench, say

from agentflan.benchmarks import _teval_metrics as metrics
from agentflan.benchmarks import teval
from agentflan.benchmarks._encoder import Encoder
from agentflan.errors import ConfigError, NotAvailable, RecordError


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder("hashed_ngrams")


def plan(*names: str) -> list[dict[str, object]]:
    return [{"id": number, "name": name, "args": f"{{'{name}': 1}}"} for number, name in enumerate(names)]


@pytest.mark.parametrize(
    ("dimensions", "overall"),
    [
        ((34.5, 28.1, 22.1, 16.9, 24.4, 38.6), 27.43),
        ((46.9, 34.5, 33.8, 42.0, 46.2, 44.8), 41.37),
        ((96.3, 87.8, 65.3, 88.9, 85.8, 94.5), 86.43),
    ],
)
def test_overall_is_the_mean_of_six_dimensions(dimensions: tuple[float, ...], overall: float) -> None:
    assert round(teval.overall(dimensions), 2) == overall


@pytest.mark.parametrize(
    ("found", "gold", "f1"),
    [
        (plan("alpha", "beta"), plan("alpha", "gamma", "beta"), 0.8),
        (plan("beta", "alpha"), plan("alpha", "beta"), 0.5),
        (plan("delta", "omega"), plan("alpha", "beta"), 0.5),  # upstream's quirk: one step always counts as matched
        (plan("FinishAction"), plan("alpha"), 0.0),
        ([], plan("alpha"), 0.0),
        (plan("alpha", "FinishAction"), plan("alpha"), 1.0),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_plan_f1(found: list, gold: list, f1: float, version: str, encoder: Encoder) -> None:
    assert metrics.plan_f1(found, gold, encoder, version) == pytest.approx(f1)


def test_a_plan_without_one_step_is_precise_and_recalls_the_rest(encoder: Encoder) -> None:
    """§12: P 1 and R 2/3; matched steps are in the numerator of both."""
    found, gold = plan("alpha", "beta"), plan("alpha", "gamma", "beta")
    more = plan("alpha", "beta", "omega", "theta")
    assert metrics.plan_f1(found, gold, encoder, "v1") == pytest.approx(2 * 1 * (2 / 3) / (1 + 2 / 3))
    assert metrics.plan_f1(more, gold, encoder, "v1") == pytest.approx(2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3))


def test_a_plan_in_words_takes_the_tool_named_first_in_each_piece() -> None:
    steps = metrics.plan_of_text("First b.x and then a.y. Then a.y\nnothing here\nb.x", ["a.y", "b.x"])

    assert [step["name"] for step in steps] == ["b.x", "a.y", "b.x"]


@pytest.mark.parametrize(
    "reply", ["no list", '[{"id": "x", "name": "a", "args": {}}]', '[{"id": 0, "name": "a"}]', "{}", "[1]"]
)
def test_a_malformed_plan_is_no_plan(reply: str) -> None:
    assert metrics.plan_of_json(reply) == []


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("{'a': 1}", {"a": 1}),
        ('{"a": true}', {"a": True}),
        ('```json\n{"a": null}\n```', {"a": None}),
        ("{'a': true}", {"a": True}),
    ],
)
def test_literals_are_read_as_python_json_and_repaired_json(reply: str, value: object) -> None:
    assert metrics.parse_literal(reply) == value


def test_a_literal_is_cut_to_its_brackets() -> None:
    assert metrics.parse_literal("Sure: {'a': 1} done", "{}") == {"a": 1}
    with pytest.raises(ValueError, match="no literal"):
        metrics.parse_literal("nothing", "{}")


@pytest.mark.parametrize(
    ("reply", "format_kept", "args"),
    [
        ('{"goal": "g", "tool": "t", "input": {"x": 2}}', 1, 0.5),
        ('{"goal": "g", "tool": "u", "input": {"x": 1}}', 1, 0.5),
        ('{"goal": "g", "tool": "t", "input": "x"}', 1, 0.5),
        ('{"goal": "g", "tool": "t", "input": {"x": 1}}', 1, 1),
        ('{"tool": "t", "input": {"x": 1}}', 0, 0),
        ("words", 0, 0),
    ],
)
def test_instruct_in_json(reply: str, format_kept: float, args: float) -> None:
    gold = {"action": "t", "args": {"x": 1}}
    found = metrics.instruct(reply, INSTRUCT_TEMPLATES["json"], gold, True)

    assert found == {"format": format_kept, "args": args}


@pytest.mark.parametrize(
    ("reply", "format_kept", "args"),
    [
        ("goal: g\ntool: t\ninput: {'x': 1}", 1, 1),
        ("goal: g\ntool: t\ninput: {'x': 2}", 1, 0.5),
        ("goal: g\ntool: t\ninput: many words", 1, 0.5),
        ("tool: t\ninput: {'x': 1}", 0, 0),
    ],
)
def test_instruct_in_a_string(reply: str, format_kept: float, args: float) -> None:
    gold = {"action": "t", "args": {"x": 1}}

    assert metrics.instruct(reply, INSTRUCT_TEMPLATES["string"], gold, False) == {"format": format_kept, "args": args}


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("GoogleSearch.search_google", 1),
        ("I take GoogleSearch.search_google", 1),
        ("GoogleSearch.search_google, v1.2", 0),
        ("GoogleSearch.search_google or FinishAction", 0),
        ("search_google", 0),
    ],
)
def test_retrieve_in_words_names_the_tool_and_no_other(reply: str, value: float) -> None:
    assert metrics.retrieve_text(reply, "GoogleSearch.search_google") == value


def test_understand_is_strict_in_v2_and_similar_in_v1(encoder: Encoder) -> None:
    gold = {"city": "Oslo", "days": 3}

    assert metrics.understand({"city": "Oslo", "days": "3"}, gold, encoder, "v2") == pytest.approx(1, abs=1e-4)
    assert metrics.understand({"city": "Bergen"}, gold, encoder, "v2") == 0
    assert metrics.understand({}, {}, encoder, "v2") == 1
    assert metrics.understand({"city": "Oslo"}, {}, encoder, "v2") == 0
    assert metrics.understand("'Oslo'", "Oslo", encoder, "v2") == 1
    assert 0 < metrics.understand({"city": "Bergen", "days": 3}, gold, encoder, "v1") < 1


@pytest.mark.parametrize(
    ("reply", "value"), [("Answer: B", 1), ("B", 1), ("I say: B: yes", 1), ("b", 0), ("", 0), ("C", 0)]
)
def test_review_reads_the_letter_after_the_first_colon(reply: str, value: float) -> None:
    assert metrics.review(reply, "B") == value


def test_v2_replies_end_where_another_turn_begins() -> None:
    assert metrics.clean('```json\n{"a": 1}\n```<|im_end|>\nuser') == '{"a": 1}'


def test_every_metric_of_a_step_is_0_when_it_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("teval", monkeypatch)
    found = bench.score(bench.play(say("no object here")))["parts"]["metrics"]

    kind = "reason_retrieve_understand_json"
    assert [found[f"{kind}.{metric}"] for metric in ("thought", "name", "args")] == [0, 0, 0]


def test_the_value_is_the_mean_of_the_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("teval", monkeypatch)
    score = bench.score(bench.play(say("rain.report")))

    assert 0 < score["value"] < 100
    assert score["value"] == pytest.approx(teval.overall(list(score["parts"]["dimensions"].values())), abs=1e-3)
    assert score["parts"]["encoder"] == "hashed_ngrams"


def test_a_missing_file_is_not_left_out_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": "0", "file": "review_str_v1.json", "origin_prompt": "[]", "ground_truth": {"answer": "A"}}]

    with pytest.raises(NotAvailable, match="no v1 samples of plan_json"):
        Bench.of("teval", monkeypatch, rows, files=["review_str", "plan_json"])


@pytest.mark.parametrize(
    ("file", "change", "field"),
    [
        ("review_str", {"origin_prompt": "no JSON"}, "origin_prompt"),
        ("review_str", {"origin_prompt": '{"role": "user"}'}, "origin_prompt"),
        ("review_str", {"origin_prompt": [{"role": "user"}]}, r"origin_prompt\[0\]\.content"),
        ("review_str", {"origin_prompt": [{"role": "user", "content": "\ud800"}]}, r"origin_prompt\[0\]\.content"),
        ("review_str", {"ground_truth": "A"}, "ground_truth"),
        ("instruct", {"meta_data": {}}, "meta_data.response_format"),
        ("instruct", {"meta_data": {"response_format": "xml"}}, "meta_data.response_format"),
        ("instruct", {"template": "x"}, "template"),
        ("instruct", {"template": {"thought": "a", "action": "b"}}, "template.args"),
        ("instruct", {"ground_truth": {"action": "a", "args": []}}, "ground_truth.args"),
        ("plan_json", {"ground_truth": "no plan"}, "ground_truth"),
        ("plan_json", {"ground_truth": [{"id": "x", "name": "n", "args": {}}]}, r"ground_truth\[0\]\.id"),
        ("plan_str", {"meta": {"API_list": "x"}}, "meta.API_list"),
        ("reason_str", {"ground_truth": "[1]"}, "ground_truth"),
        ("reason_str", {"ground_truth": [1]}, "ground_truth"),
    ],
)
def test_a_broken_sample_is_named(
    monkeypatch: pytest.MonkeyPatch, file: str, change: dict[str, Any], field: str
) -> None:
    row = next(row for row in benchmark_examples.teval() if row["file"] == f"{file}_v1.json")
    assert Bench.of("teval", monkeypatch, [row], files=[file]).tasks

    with pytest.raises(RecordError, match=rf"nowhere/{file}_v1\.json: record {row['id']}, field {field}: "):
        Bench.of("teval", monkeypatch, [row | change], files=[file])


def test_versions_are_never_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"id": "0", "file": f"review_str_{version}.json", "origin_prompt": "[]", "ground_truth": {"answer": "A"}}
        for version in ("v1", "v2")
    ]

    assert len(Bench.of("teval", monkeypatch, rows, files=["review_str"]).tasks) == 1


def test_upstreams_wrong_template_is_a_variant_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Bench.of("teval", monkeypatch)
    wrong = Bench.of("teval", monkeypatch, chat_template="upstream_llama2")
    request, messages = wrong.ask()[0], usual.ask()[0].messages

    assert request.messages == ()
    assert request.prompt == "".join(f"[INST]{text}[\\INST]" for _, text in messages)
    assert "chat template own" in teval.PROTOCOL.format_map(usual.settings)
    assert "chat template upstream_llama2" in teval.PROTOCOL.format_map(wrong.settings)
    with pytest.raises(ConfigError, match="key chat_template: found 'llama3'; expected own or upstream_llama2"):
        Bench.of("teval", monkeypatch, chat_template="llama3")


def test_an_encoder_without_its_package_or_weights_is_not_available() -> None:
    with pytest.raises(NotAvailable, match="no_such_encoder"):
        Encoder("no_such_encoder")


def test_gold_answers_of_the_real_files_score_as_upstream_does(shared_data: Path) -> None:
    bench = Bench("teval", shared_data / "teval", files=["plan_json", "plan_str", "review_str"])
    parts = bench.score(bench.play_oracle())["parts"]

    assert [sum(task["file"] == file for task in bench.tasks) for file in bench.settings["files"]] == [553, 553, 487]
    assert parts["dimensions"]["review"] == 100
    # Steps of equal name and arguments are matched in any order, so gold plans with repeats stay a little below 100.
    assert 97 < parts["metrics"]["plan_json.f1"] < 100
    assert 90 < parts["metrics"]["plan_str.f1"] < 100
