"""What jobs ask for: GPUs, nodes, memory and time from the plan, in the words of the SLURM plugin."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_executor_plugin_slurm import ExecutorSettings
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from agentflan import benchmarks, needs
from agentflan.backends.vllm_local import _parts
from agentflan.needs import Need
from agentflan.plan import Plan


@pytest.fixture(scope="module")
def paper(root: Path) -> Plan:
    return Plan.load(root / "config", "paper")


def test_a_fine_tune_asks_for_its_gpus_and_whole_nodes(paper: Plan) -> None:
    for model in paper.models:
        need = needs.training(paper, model, "agent_flan", Path("nowhere"))
        assert need.gpus * need.nodes == paper.recipe(model).gpus
        assert need.gpus <= 8 and need.gpu_model == "a100" and need.saves
        assert need.memory_mb <= 900 * 1024


def test_a_fine_tune_on_a_cpu_asks_for_no_gpu(root: Path) -> None:
    need = needs.training(Plan.load(root / "config", "mini"), "tiny_7b", "agent_flan")
    assert (need.gpus, need.nodes, need.saves) == (0, 1, True)


def test_a_model_plays_on_gpus_that_hold_it_and_an_api_on_none(paper: Plan) -> None:
    def gpus(agent: str) -> int:
        return needs.episodes(paper, agent, ["teval"], Path("nowhere")).gpus

    assert gpus("llama2_7b-agent_flan-s0") == 1
    assert gpus("llama2_70b-agent_flan-s0") == 3  # 138 GB of weights, three quarters of 79 GiB each
    assert [gpus(agent) for agent in ("oracle", "random", "GPT-4")] == [0, 0, 0]


def test_keys_and_values_have_most_of_what_weights_leave_of_the_gpus(paper: Plan) -> None:
    def cache_gib(agent: str, benchmark: str = "teval") -> float | None:
        return needs.episode_settings(paper, agent, benchmark, Path("nowhere")).get("cache_gib")

    assert cache_gib("llama2_7b-agent_flan-s0") == pytest.approx(0.6 * (79 - 12.6), abs=0.1)
    assert cache_gib("llama2_70b-agent_flan-s0") == pytest.approx(0.6 * (3 * 79 - 128.5), abs=0.1)
    assert [cache_gib(agent) for agent in ("oracle", "GPT-4")] == [None, None]
    paper.study.benchmarks["mmlu"]["cache_gib"] = 2
    assert cache_gib("llama2_7b-agent_flan-s0", "mmlu") == 2
    del paper.study.benchmarks["mmlu"]["cache_gib"]


def test_vllm_has_gpus_that_share_the_attention_heads_evenly(config: Path) -> None:
    study = config / "studies" / "paper.yaml"
    study.write_text(study.read_text() + "local_backend: vllm\n")
    plan = Plan.load(config, "paper")

    def gpus(model: str) -> int:
        return needs.episodes(plan, f"{model}-agent_flan-s0", ["teval"], Path("nowhere")).gpus

    assert [gpus(f"llama2_{size}") for size in ("7b", "13b", "70b")] == [1, 1, 4]  # 64 heads: three cannot share them
    assert _parts(64, 4) == 4


def test_episodes_have_the_memory_of_their_environment(paper: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = SimpleNamespace(MEMORY_MB=2000), SimpleNamespace(MEMORY_MB=16_000)
    monkeypatch.setattr(benchmarks, "load", {"small": small, "large": large}.__getitem__)
    assert needs.episodes(paper, "GPT-4", ["small"]).memory_mb == needs.CPU_MEMORY_MB
    assert needs.episodes(paper, "GPT-4", ["small", "large"]).memory_mb == 16_000


def test_environments_that_are_large_say_so(paper: Plan) -> None:
    def memory(benchmark: str) -> int:
        return needs.episodes(paper, "GPT-4", [benchmark]).memory_mb

    assert memory("agentbench_webshop") > 16_000  # upstream's products
    assert memory("sciworld") >= 8000  # eight simulators
    assert memory("teval") == needs.CPU_MEMORY_MB


def test_every_retry_asks_for_more_memory_up_to_what_a_node_has() -> None:
    need = Need(3000, 60, most_memory_mb=8000)
    assert [need.resources(attempt)["mem_mb"] for attempt in (1, 2, 3, 4)] == [3000, 6000, 8000, 8000]


# ---- what the plugin makes of it ------------------------------------------------------------------------------------


class Resources(dict[str, Any]):
    """Resources as the plugin reads them: by key and by attribute."""

    __getattr__ = dict.__getitem__


def _submitted(need: Need, model: str | None = None) -> str:
    """The plugin's sbatch command for a need."""
    asked = Resources(need.resources(site_model=model))
    job = SimpleNamespace(name="job", threads=4, resources=asked, is_group=lambda: False)
    known = {"run_uuid": "u", "slurm_logfile": "log", "comment_str": "c", "account": "", "workdir": "."}
    settings = ExecutorSettings()
    return get_submit_command(job, known | {"partition": ""}, settings, set()) + set_gres_string(job)


def test_one_node_asks_for_gpus_and_no_tasks() -> None:
    command = _submitted(Need(4000, 60, gpus=2, gpu_model="a100"), "a100")
    assert "--gpus=a100:2" in command
    assert "--ntasks-per-gpu" not in command and "--gres" not in command


def test_several_nodes_are_one_task_a_node_with_gpus_by_node() -> None:
    command = _submitted(Need(4000, 60, gpus=8, gpu_model="a100", nodes=16), "a100")
    assert "--nodes=16" in command and "--ntasks=16" in command and "--gres=gpu:a100:8" in command
    assert "--ntasks-per-gpu" not in command and "--gpus=" not in command


def test_a_job_that_saves_is_told_before_its_time_is_over() -> None:
    assert "--signal=TERM@900" in _submitted(Need(4000, 60, saves=True))
    assert "--signal" not in _submitted(Need(4000, 60))


def test_agents_of_one_world_play_one_after_another(root: Path) -> None:
    assert needs.shares_world("webarena") and not needs.shares_world("webarena_embedded")
    for profile in ("slurm", "generic"):
        assert "shared_world=1" in (root / "profiles" / profile / "config.yaml").read_text()
