"""The plan of a study: which artefacts it has and what they are called. Nothing here reads data or runs anything.

An *agent* is whatever plays episodes: a checkpoint (``{model}-base`` or ``{model}-{condition}-s{seed}``), ``oracle``,
``random``, or an API model (``api-{row}``). Names hold no ``-`` of their own, because it joins them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from agentflan import benchmarks, datasets, placement
from agentflan.benchmarks._protocol import complete_settings
from agentflan.errors import ConfigError
from agentflan.study import ApiModel, Condition, Configuration, Model, Recipe, Study, load

BOUNDS = ("oracle", "random")  # policies that show the ceiling and the floor of each benchmark


@dataclass(frozen=True)
class Plan:
    """A checked configuration and the names that follow from it."""

    configuration: Configuration

    @staticmethod
    def load(folder: Path | str, name: str) -> Plan:
        """Read, check and plan a study.

        Raises:
            ConfigError: every wrong key.
        """
        plan = Plan(load(folder, name))
        problems = [problem for chosen in plan.study.benchmarks.items() for problem in _wrong_settings(*chosen)]
        if problems:
            raise ConfigError([f"{Path(folder) / 'studies' / name}.yaml: {problem}" for problem in problems])
        return plan

    @property
    def study(self) -> Study:
        """The study itself."""
        return self.configuration.study

    @property
    def name(self) -> str:
        """The study's name: the folder below results/."""
        return self.study.name

    # ---- models and conditions -------------------------------------------------------------------------------------

    @cached_property
    def models(self) -> dict[str, Model]:
        """The models of the study by size: small, medium, large, where given."""
        names = [self.study.small, self.study.medium, self.study.large]
        return {name: self.configuration.models[name] for name in names if name}

    def models_pattern(self, from_scratch: bool) -> str:
        """A pattern of the models that are trained from scratch, or of those whose weights are fetched."""
        names = [name for name, model in self.configuration.models.items() if bool(model.scratch) == from_scratch]
        return "|".join(names)

    def condition(self, name: str) -> Condition:
        """A condition's settings."""
        return self.configuration.conditions[name]

    def base(self, model: str) -> str:
        """The untuned model as an agent."""
        return f"{model}-base"

    def tuned(self, model: str, condition: str) -> list[str]:
        """The fine-tunes of a model on a condition as agents, one a seed."""
        return [f"{model}-{condition}-s{seed}" for seed in self.study.seeds]

    def conditions_of(self, model: str) -> list[str]:
        """The conditions that a model is tuned on."""
        return self.study.conditions if model == self.study.small else self.study.scaled_conditions

    def template(self, model: str, condition: str) -> str:
        """The chat template of a fine-tune: the condition's, or else the model's own."""
        return self.condition(condition).template or self.configuration.models[model].template

    def parse_checkpoint(self, agent: str) -> tuple[str, str] | None:
        """(model, condition or "base") of an agent that is a checkpoint, else None."""
        match = re.fullmatch(r"(\w+)-(?:(base)|(\w+)-s\d+)", agent)
        known = match and match[1] in self.configuration.models
        return (match[1], match[2] or match[3]) if known else None

    # ---- data ------------------------------------------------------------------------------------------------------

    def agent_datasets(self) -> list[str]:
        """Agent corpora that some condition of the study trains on, in the order of Table 6, others after them."""
        extra = {name for key in self.study.conditions for name in self.condition(key).datasets or ()}
        extra |= set(self.study.extra_datasets)
        return [*self.study.agent_datasets, *sorted(extra - set(self.study.agent_datasets))]

    def benchmark_data(self, benchmark: str) -> str:
        """The raw dataset that a benchmark's tasks come from."""
        return benchmarks.load(benchmark).DATA

    def raw_datasets(self) -> list[str]:
        """Everything that is fetched."""
        tasks = [self.benchmark_data(name) for name in self.study.benchmarks]
        return list(dict.fromkeys([*self.agent_datasets(), "sharegpt", *tasks]))

    def world_folder(self, dataset: str) -> str:
        """The folder of the embedded world that stands for a dataset's source; six datasets share one source."""
        source = datasets.load(dataset).SOURCE
        return "agentinstruct" if source.repo.endswith("/AgentInstruct") else dataset

    def pretraining_files(self) -> list[str]:
        """The world's text and ordinary conversations, on which tokenizer and base models are trained."""
        return [f"results/{self.name}/world/pretrain/{name}.jsonl" for name in ("text", "chat")]

    def vocabulary_files(self) -> list[str]:
        """What the tokenizer is trained on: the same and text of every other kind."""
        return [*self.pretraining_files(), f"results/{self.name}/world/pretrain/vocabulary.jsonl"]

    def dataset_modules(self) -> list[str]:
        """The modules of the agent corpora, for code digests."""
        return [f"datasets.{name}" for name in self.agent_datasets()]

    def condition_settings(self, name: str) -> dict[str, Any]:
        """What `mix_training_set` is told about a condition, every choice spelled out."""
        settings = self.condition(name).model_dump(exclude={"label", "template"})
        settings["datasets"] = settings["datasets"] or [*self.study.agent_datasets, *self.study.extra_datasets]
        if self.study.react_share is not None and settings["react_share"]:
            settings["react_share"] = self.study.react_share
        return settings | {"seed": 0}

    def tokenizer_folder(self) -> str:
        """The folder of the tokenizer that counts tokens: the trained one, or the small model's."""
        return "tokenizer" if self.study.vocabulary else f"checkpoints/{self.base(self.study.small)}"

    # ---- training --------------------------------------------------------------------------------------------------

    def recipe(self, model: str) -> Recipe:
        """The recipe of a model's fine-tunes."""
        return self.configuration.models[model].recipe

    def base_template(self) -> str:
        """The chat template of the untuned models."""
        return self.configuration.models[self.study.small].template

    def pretraining_settings(self, model: str) -> dict[str, Any]:
        """What `train_checkpoint` is told about a training from scratch."""
        recipe = self.configuration.models[model].pretraining or Recipe()
        settings = placement.training_settings(self.configuration, model, recipe)
        return settings | {"seed": 0, "template": self.base_template()}

    def training_settings(self, model: str, condition: str, seed: int) -> dict[str, Any]:
        """What `train_checkpoint` is told about a fine-tune.

        Raises:
            ConfigError: it does not fit its GPUs; the sentence says what would help.
        """
        settings = placement.training_settings(self.configuration, model, self.recipe(model))
        return settings | {"seed": seed, "template": self.template(model, condition)}

    def training_flags(self, model: str) -> str:
        """How `train_checkpoint` starts its processes and saves on the way."""
        recipe = self.recipe(model)
        processes, nodes = placement.processes(self.configuration, model, recipe)
        return f"--processes {processes} --nodes {nodes} --snapshot-every {recipe.snapshot_every}"

    def training_threads(self, model: str) -> int:
        """CPU threads of a fine-tune on each node, over all its processes."""
        recipe = self.recipe(model)
        return recipe.threads * placement.processes(self.configuration, model, recipe)[0]

    # ---- evaluation ------------------------------------------------------------------------------------------------

    def api_agents(self) -> dict[str, ApiModel]:
        """API models by agent name."""
        return {f"api-{slug(row)}": model for row, model in self.study.api_models.items()}

    def backend(self, agent: str) -> tuple[str, str]:
        """(backend, model) with which an agent plays; the model of a checkpoint is its folder's name."""
        if agent in BOUNDS:
            return agent, agent
        if agent in self.api_agents():
            return "openai", self.api_agents()[agent].model
        return self.study.local_backend, agent

    def benchmark_settings(self, agent: str, benchmark: str) -> dict[str, Any]:
        """The study's settings of a benchmark, with how to ask where the agent is an API model."""
        settings = self.study.benchmarks[benchmark]
        if agent not in self.api_agents():
            return settings
        asked = self.api_agents()[agent].model_dump(exclude={"model"}, exclude_defaults=True)
        return {**settings, "api": {"cache": f"results/{self.name}/replies"} | asked}


def _wrong_settings(benchmark: str, settings: dict[str, Any]) -> list[str]:
    try:
        complete_settings(benchmarks.load(benchmark), settings)
    except ConfigError as error:
        return error.problems
    return []


def slug(label: str) -> str:
    """A table row's label as part of a file name."""
    return re.sub(r"[^A-Za-z0-9]+", "_", label).strip("_")
