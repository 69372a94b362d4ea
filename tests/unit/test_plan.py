"""The plan of fine-tunes: "auto" becomes values, what cannot fit is refused, estimates are named as such."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from edits import replace

from agentflan import workload
from agentflan.cli import main
from agentflan.errors import ConfigError
from agentflan.files import write_json
from agentflan.forecast import forecasts, summary
from agentflan.placement import place, shape
from agentflan.plan import Plan
from agentflan.workload import COUNTED, ESTIMATED


def _count(results: Path, study: str, condition: str, tokens: int, conversations: int) -> None:
    mixed = results / study / "mixed"
    mixed.mkdir(parents=True, exist_ok=True)
    write_json(mixed / f"{condition}.tokens.json", {"all": tokens, "loss": tokens // 2})
    write_json(mixed / f"{condition}.counts.json", {"total": {"samples": conversations}})


def _weights(results: Path, **changes: int) -> None:
    folder = results / "paper" / "checkpoints" / "llama2_7b-base"
    folder.mkdir(parents=True)
    sizes = {"vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32}
    write_json(folder / "config.json", sizes | {"num_attention_heads": 32, "num_key_value_heads": 32} | changes)


# ---- settings that reach training ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("study", "model", "zero", "checkpoint"),
    [
        ("mini", "tiny_7b", 0, False),
        ("onegpu", "tinyllama_1b", 2, False),
        ("paper", "llama2_7b", 2, False),
        ("paper", "llama2_13b", 2, False),
        ("paper", "llama2_70b", 3, True),
    ],
)
def test_training_gets_values(root: Path, study: str, model: str, zero: int, checkpoint: bool) -> None:
    settings = Plan.load(root / "config", study).training_settings(model, "agent_flan", 0)
    assert (settings["zero"], settings["offload"], settings["checkpoint_activations"]) == (zero, "none", checkpoint)
    assert "auto" not in settings.values()
    assert not {"gpus", "nodes"} & set(settings)


def test_a_recipe_overrides_the_choice(config: Path) -> None:
    fixed = "gpus: 16, zero: 3, offload: optimizer, checkpoint_activations: true"
    replace(config / "models.yaml", "gpus: 16", fixed)
    settings = Plan.load(config, "paper").training_settings("llama2_7b", "react", 0)
    assert (settings["zero"], settings["offload"], settings["checkpoint_activations"]) == (3, "optimizer", True)


def test_training_that_cannot_fit_is_refused(config: Path) -> None:
    replace(config / "models.yaml", "gpus: 128", "gpus: 8")
    plan = Plan.load(config, "paper")
    for refused in (lambda: plan.training_settings("llama2_70b", "react", 0), lambda: summary(plan)):
        with pytest.raises(ConfigError, match=r"llama2_70b does not fit 8 GPUs.*smallest change.*8 more GPUs"):
            refused()


def test_gpus_need_hardware_and_a_shape(config: Path) -> None:
    replace(config / "studies" / "onegpu.yaml", "hardware: {", "# {")
    with pytest.raises(ConfigError, match=r"onegpu\.yaml: key hardware: not given; tinyllama_1b trains on GPUs"):
        Plan.load(config, "onegpu").training_settings("tinyllama_1b", "react", 0)
    replace(config / "models.yaml", "  shape: {vocabulary: 32000, hidden_size: 4096", "  # {")
    with pytest.raises(ConfigError, match=r"key llama2_7b\.shape: not given"):
        Plan.load(config, "paper").training_settings("llama2_7b", "react", 0)


def test_an_unknown_gpu_needs_a_peak(config: Path) -> None:
    replace(config / "studies" / "paper.yaml", "gpu_model: a100", "gpu_model: b900")
    with pytest.raises(ConfigError, match=r"hardware\.peak_tflops: not given, and gpu_model 'b900' is none of a100"):
        summary(Plan.load(config, "paper"))


def test_an_impossible_value_names_the_key(config: Path) -> None:
    replace(config / "models.yaml", "gpus: 16", "gpus: 16, zero: 4")
    with pytest.raises(ConfigError, match=r"llama2_7b\.recipe\.zero: found 4"):
        Plan.load(config, "paper")


# ---- shapes ----------------------------------------------------------------------------------------------------------


def test_fetched_weights_say_the_same_or_are_refused(root: Path, tmp_path: Path) -> None:
    configuration = Plan.load(root / "config", "paper").configuration
    _weights(tmp_path)
    assert place(configuration, "llama2_7b", results=tmp_path).job.shape.parameters == 6_738_415_616
    shutil.rmtree(tmp_path / "paper")
    _weights(tmp_path, num_hidden_layers=40)
    message = r"config\.json: num_hidden_layers: found 40; models\.yaml says 32 for llama2_7b"
    with pytest.raises(ConfigError, match=message):
        place(configuration, "llama2_7b", results=tmp_path)


def test_fetched_weights_do_without_a_configured_shape(config: Path, tmp_path: Path) -> None:
    replace(config / "models.yaml", "  shape: {vocabulary: 32000, hidden_size: 4096", "  # {")
    _weights(tmp_path)
    found = place(Plan.load(config, "paper").configuration, "llama2_7b", results=tmp_path)
    assert found.job.shape.parameters == 6_738_415_616
    assert (found.gpus, found.nodes) == (16, 2)


def test_a_model_from_scratch_may_have_a_smaller_vocabulary_than_the_study_allows(root: Path, tmp_path: Path) -> None:
    configuration = Plan.load(root / "config", "mini").configuration
    sizes = {"hidden_size": 96, "intermediate_size": 288, "num_hidden_layers": 2, "num_attention_heads": 4}
    path = tmp_path / "mini" / "checkpoints" / "tiny_7b-base" / "config.json"
    path.parent.mkdir(parents=True)
    write_json(path, sizes | {"vocab_size": 1420, "tie_word_embeddings": True})
    assert shape(configuration, "tiny_7b", tmp_path).vocabulary == 1420
    write_json(path, sizes | {"vocab_size": 1600, "tie_word_embeddings": True})
    with pytest.raises(ConfigError, match=r"vocab_size: found 1600; models\.yaml says 1536"):
        shape(configuration, "tiny_7b", tmp_path)


# ---- tokens and hours ------------------------------------------------------------------------------------------------


def test_estimates_lean_on_the_published_tables(root: Path) -> None:
    published = root / "paper" / "published"
    with (published / "table2.csv").open() as handle:
        tokens = {row["Methods"]: float(row["Tokens (M)"]) for row in csv.DictReader(handle)}
    assert {"AgentTuning*": tokens.pop("ReAct (Baseline)")} | tokens == workload.PUBLISHED_TOKENS
    with (published / "table6.csv").open() as handle:
        total = {row["Datasets"]: row["Sample Num"] for row in csv.DictReader(handle)}["Total"]
    study = Plan.load(root / "config", "paper").study
    assert sum(workload.PUBLISHED_SAMPLES[name] for name in study.agent_datasets) == int(total.replace(",", ""))


def test_counted_tokens_replace_the_estimate(root: Path, tmp_path: Path) -> None:
    plan = Plan.load(root / "config", "paper")
    before = {each.agent: each.workload for each in forecasts(plan, tmp_path)}
    _count(tmp_path, "paper", "react", 12_345_678, 20_000)
    after = {each.agent: each.workload for each in forecasts(plan, tmp_path)}
    assert {each.source for each in before.values()} == {ESTIMATED}
    assert after["llama2_7b-react-s0"].source == COUNTED
    assert after["llama2_7b-react-s0"].tokens == 12_345_678
    assert after["llama2_7b-agent_flan-s0"] == before["llama2_7b-agent_flan-s0"]


def test_an_embedded_study_is_never_estimated(root: Path, tmp_path: Path) -> None:
    plan = Plan.load(root / "config", "mini")
    assert {each.workload for each in forecasts(plan, tmp_path)} == {None}
    assert summary(plan, tmp_path) == []


def test_hours_are_those_of_the_published_speed(config: Path, tmp_path: Path) -> None:
    """One H200 at half its peak trains 7B with 12,240 tokens/s: 18.1M tokens take 25 minutes."""
    replace(config / "models.yaml", "gpus: 16", "gpus: 1, zero: 2, checkpoint_activations: false")
    old = "gpu_model: a100, gpu_memory_gib: 79, gpus_per_node: 8, host_memory_gib: 900, mfu: 0.4"
    new = "gpu_model: h200, gpu_memory_gib: 1000, gpus_per_node: 1, host_memory_gib: 900, mfu: 0.5"
    replace(config / "studies" / "paper.yaml", old, new)
    replace(config / "studies" / "paper.yaml", "medium: llama2_13b\nlarge: llama2_70b\n", "")
    replace(config / "studies" / "paper.yaml", "scaled_conditions: [react, agent_flan, general]", "")
    _count(tmp_path, "paper", "weighted", 18_100_000, 17_676)
    times = {each.condition: each.time for each in forecasts(Plan.load(config, "paper"), tmp_path)}
    weighted = times["weighted"]
    assert weighted.hours * 60 * weighted.busy == pytest.approx(25, rel=0.02)
    assert weighted.busy > 0.85
    assert weighted.flops == pytest.approx(18.1e6 * 40.4e9, rel=2e-3)
    assert weighted.gpu_hours == weighted.hours


def test_gpus_wait_where_a_batch_is_too_small_for_them(root: Path, tmp_path: Path) -> None:
    _count(tmp_path, "paper", "react", 128_000_000, 128_000)  # a step of 128 conversations of 1,000 tokens
    found = {each.agent: each for each in forecasts(Plan.load(root / "config", "paper"), tmp_path)}
    time = found["llama2_70b-react-s0"].time
    assert time.steps == 1000
    assert time.busy == pytest.approx(1000 / 4096)  # each of 128 GPUs has one row


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_prints_every_fine_tune(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "--study", "paper", "--config", str(root / "config"), "--results", str(tmp_path)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "llama2_70b      128 × 16" in printed
    assert "~ estimated from published numbers" in printed
    plan = Plan.load(root / "config", "paper")
    agents = [agent for model in plan.models for name in plan.conditions_of(model) for agent in plan.tuned(model, name)]
    assert [line.split()[0] for line in printed.splitlines() if "-s0" in line] == agents
    assert all("~" in line for line in printed.splitlines() if "-s0" in line)
    assert main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["fine_tune"] for row in rows] == agents
    assert {row["workload"]["source"] for row in rows} == {ESTIMATED}
    total = sum(row["time"]["gpu_hours"] for row in rows)
    assert f"{total:,.0f}" in printed


def test_the_command_refuses_what_cannot_fit(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(config / "models.yaml", "gpus: 128", "gpus: 8")
    assert main(["plan", "--study", "paper", "--config", str(config), "--results", str(tmp_path)]) == 1
    assert "llama2_70b does not fit 8 GPUs" in capsys.readouterr().err


def test_the_command_plans_a_study_without_gpus(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _count(tmp_path, "mini", "react", 100_000, 1000)
    arguments = ["--study", "mini", "--config", str(root / "config"), "--results", str(tmp_path)]
    assert main(["plan", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "CPU" in printed and "not counted" in printed and "~" not in printed


def test_wrong_settings_of_benchmarks_are_all_named_with_their_file(config: Path) -> None:
    study = config / "studies" / "mini.yaml"
    study.write_text(study.read_text().replace("hotpotqa: {", "hotpotqa: {rows: -1, max_stepz: 5, "))

    with pytest.raises(ConfigError) as caught:
        Plan.load(config, "mini")

    first, second = caught.value.problems
    assert first.startswith(f"{study}: settings of hotpotqa: key rows: found -1")
    assert "key max_stepz: no such setting (did you mean 'max_steps'?)" in second
