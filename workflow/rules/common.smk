"""What all stages share: the study's plan, the names of its wildcards, and small functions for inputs and parameters."""

import json
import sys
from pathlib import Path

from agentflan import needs
from agentflan.code_digest import code_digest
from agentflan.forecast import summary
from agentflan.manuscript import manuscript_files
from agentflan.outline import FIGURES, TABLES, figure_files, outline, table_files
from agentflan.plan import Plan
from agentflan.tables._cells import transcripts_behind

# The commands come from the environment that runs Snakemake, whether or not it is activated. A scheduler sends SIGTERM
# to the shell too, which must not die before the command has saved its work.
shell.prefix(
    f'set -euo pipefail; trap : TERM; PATH="{Path(sys.executable).parent}:$PATH"; '
)

plan = Plan.load("config", config["study"])

# A SLURM site: its profile's partitions.yaml is part of the configuration. Only the process that submits looks at it.
site = None
if workflow.is_main_process and "partitions" in config:
    from agentflan import partitions

    site = partitions.site(config)

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
    optional = ("prompt_price", "reply_price", "max_total_tokens")
    given = {name: getattr(negatives, name) for name in optional}
    caps = "".join(
        f" --{name.replace('_', '-')} {value}"
        for name, value in given.items()
        if value is not None
    )
    return (
        f"--count {negatives.count} --with-tools {negatives.with_tools} --reading {negatives.reading}"
        f" --model {negatives.model} --max-cost {negatives.max_cost}{caps} --replies-cache results/{plan.name}/{cache}"
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


def finished(checkpoint):
    """A fine-tune's folder; protected where GPUs made it, so that only a deliberate hand deletes their hours."""
    gpus = any(plan.recipe(model).gpus for model in plan.models)
    return protected(directory(checkpoint)) if gpus else directory(checkpoint)


def training_flags(wildcards):
    """How a fine-tune starts its processes and saves on the way."""
    return plan.training_flags(wildcards.model)


def training_threads(wildcards):
    """CPU threads of a fine-tune on each node."""
    return plan.training_threads(wildcards.model)


def training_need(wildcards):
    """What a fine-tune asks of a cluster."""
    return needs.training(plan, wildcards.model, wildcards.condition)


def episodes_need(wildcards):
    """What the episodes of one agent and benchmark ask of a cluster."""
    return needs.episodes(plan, wildcards.agent, [wildcards.benchmark])


def shared_world(wildcards):
    """1 where agents must play one after another; the profiles have one to give."""
    return int(needs.shares_world(wildcards.benchmark))


def asked(need):
    """The resources of a rule whose jobs need what the function `need` says."""

    def resource(name):
        def value(wildcards, attempt):
            wanted = need(wildcards)
            model = site.gpu_model(wanted.gpu_model) if site else None
            return wanted.resources(attempt, model).get(name)

        return value

    return {name: resource(name) for name in needs.NAMES}


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
    local = backend in ("local", "vllm")
    return f"results/{plan.name}/checkpoints/{model}" if local else model


def backend_parity(wildcards):
    """The comparison with transformers, where another backend runs the checkpoint."""
    other = agent_backend(wildcards) == "vllm"
    return (
        f"<study>/parity/{wildcards.agent}/{wildcards.benchmark}.json" if other else []
    )


def parity_flag(wildcards, input):
    """How a score is told of the comparison."""
    return f"--parity {input.parity}" if input.parity else ""


def benchmark_receipt(wildcards):
    """The receipt of the raw files that hold a benchmark's tasks."""
    return f"<study>/raw/{plan.benchmark_data(wildcards.benchmark)}/receipt.json"


def benchmark_settings(wildcards):
    """The settings with which an agent plays a benchmark."""
    return json.dumps(
        needs.episode_settings(plan, wildcards.agent, wildcards.benchmark)
    )


def episode_code(wildcards):
    """Digest of what plays: the runner, the benchmark and the backend."""
    backends = {
        "local": "transformers_local",
        "vllm": "vllm_local",
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
    """The files that a table reads: scores, the transcripts behind them, counts."""
    files = table_files(plan, wildcards.table)
    return [f"<study>/{file}" for file in [*files, *transcripts_behind(files)]]


def published(wildcards):
    """The paper's printed numbers and claims, which only the comparison and the claims read."""
    return (
        sorted(map(str, Path("paper/published").iterdir()))
        if wildcards.table in ("comparison", "claims")
        else []
    )


def figure_inputs(wildcards):
    """The files that a figure reads."""
    return [f"<study>/{file}" for file in figure_files(plan, wildcards.figure)]


def page_parts():
    """The page's template, style and scripts, which no code digest covers."""
    folder = Path(workflow.basedir) / "workflow" / "agentflan" / "page"
    return sorted(
        str(path.relative_to(workflow.basedir))
        for path in folder.iterdir()
        if path.suffix in (".jinja", ".css", ".js")
    )


def manuscript_inputs(wildcards):
    """The files of the study that the paper's data reads, beside tables and figures."""
    return [f"<study>/{file}" for file in manuscript_files(plan)]
