"""What all stages share: the study's plan, the names of its wildcards, and small functions for inputs and parameters."""

import json
import sys
from pathlib import Path

from agentflan.code_digest import code_digest
from agentflan.forecast import summary
from agentflan.outline import FIGURES, TABLES, figure_files, outline, table_files
from agentflan.plan import Plan

# The commands come from the environment that runs Snakemake, whether or not it is activated.
shell.prefix(f'PATH="{Path(sys.executable).parent}:$PATH"; ')

plan = Plan.load("config", config["study"])

# What the fine-tunes need, before any job is submitted; one that cannot fit its GPUs ends here with the reason.
if workflow.is_main_process:
    for line in summary(plan):
        print(line, file=sys.stderr)


pathvars:
    study=f"results/{plan.name}",


wildcard_constraints:
    dataset="|".join(plan.raw_datasets()),
    model="|".join(plan.configuration.models),
    condition="|".join(plan.configuration.conditions),
    benchmark="|".join(plan.study.benchmarks),
    table="|".join(TABLES),
    figure="|".join(FIGURES),
    seed=r"\d+",
    agent=r"[A-Za-z0-9_.-]+",


def world_manifest(wildcards):
    """The embedded world where the study has one, else nothing: upstream is asked."""
    return "<study>/world/MANIFEST.json" if plan.study.world else []


def world_source(wildcards):
    """Where the embedded world keeps the files of a dataset."""
    if not plan.study.world:
        return ""
    world = f"results/{plan.name}/world"
    return f"--from {world}/{plan.world_folder(wildcards.dataset)} --manifest {world}/MANIFEST.json"


def stage_code(command, folder, wildcard):
    """Digest of a command and of the one module of a folder that it is told to use."""
    return lambda wildcards: code_digest(
        f"commands.{command}", f"{folder}.{wildcards[wildcard]}"
    )


def filter_options(wildcards):
    """Options of a dataset's filter rule."""
    options = plan.study.filters.get(wildcards.dataset, {})
    return " ".join(f"--option {key}={value}" for key, value in options.items())


def negative_settings():
    """How many negative samples of which kind, and who answers them."""
    negatives = plan.study.negatives
    cache = "world/replies.jsonl" if plan.study.world else "replies/negative.jsonl"
    return (
        f"--count {negatives.count} --with-tools {negatives.with_tools} --reading {negatives.reading}"
        f" --model {negatives.model} --max-cost {negatives.max_cost} --replies-cache results/{plan.name}/{cache}"
    )


def condition_settings(wildcards):
    """What a training condition asks of the mixture."""
    return json.dumps(plan.condition_settings(wildcards.condition))


def condition_template(wildcards):
    """The chat template in which a condition's tokens are counted."""
    return plan.template(plan.study.small, wildcards.condition)


def model_field(name):
    """One field of the wildcard's model."""
    return lambda wildcards: getattr(plan.configuration.models[wildcards.model], name)


def model_shape(wildcards):
    """The shape of a model that is trained from scratch."""
    return plan.configuration.models[wildcards.model].scratch.model_dump_json()


def pretraining_settings(wildcards):
    """The recipe of a training from scratch."""
    return json.dumps(plan.pretraining_settings(wildcards.model))


def training_settings(wildcards):
    """The recipe of a fine-tune."""
    return json.dumps(
        plan.training_settings(
            wildcards.model, wildcards.condition, int(wildcards.seed)
        )
    )


def training_threads(wildcards):
    """CPU threads of a fine-tune."""
    return plan.recipe(wildcards.model).threads


def training_gpus(wildcards):
    """GPUs of a fine-tune."""
    return plan.recipe(wildcards.model).gpus


def checkpoint_of(wildcards):
    """The weights that an agent needs; oracle, random and API agents need none."""
    known = plan.parse_checkpoint(wildcards.agent)
    return f"<study>/checkpoints/{wildcards.agent}" if known else []


def agent_backend(wildcards):
    """The backend with which an agent plays."""
    return plan.backend(wildcards.agent)[0]


def agent_model(wildcards):
    """The model's folder, or its name at an API."""
    backend, model = plan.backend(wildcards.agent)
    return f"results/{plan.name}/checkpoints/{model}" if backend == "local" else model


def benchmark_receipt(wildcards):
    """The receipt of the raw files that hold a benchmark's tasks."""
    return f"<study>/raw/{plan.benchmark_data(wildcards.benchmark)}/receipt.json"


def benchmark_settings(wildcards):
    """The study's settings of a benchmark."""
    return json.dumps(plan.study.benchmarks[wildcards.benchmark])


def episode_code(wildcards):
    """Digest of what plays: the runner, the benchmark and the backend."""
    backends = {
        "local": "transformers_local",
        "openai": "openai_api",
        "random": "random_agent",
    }
    backend = agent_backend(wildcards)
    return code_digest(
        "commands.run_episodes",
        f"benchmarks.{wildcards.benchmark}",
        f"backends.{backends.get(backend, backend)}",
    )


def table_inputs(wildcards):
    """The files that a table reads."""
    return [f"<study>/{file}" for file in table_files(plan, wildcards.table)]


def published(wildcards):
    """The paper's printed numbers, which only the comparison reads."""
    return (
        sorted(map(str, Path("paper/published").glob("*.csv")))
        if wildcards.table == "comparison"
        else []
    )


def figure_inputs(wildcards):
    """The files that a figure reads."""
    return [f"<study>/{file}" for file in figure_files(plan, wildcards.figure)]
