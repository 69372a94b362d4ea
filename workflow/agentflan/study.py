"""The typed configuration: what a study, a model and a training condition may say, and errors that name the key.

`config/config.yaml` chooses a study; `config/studies/<name>.yaml`, `config/conditions.yaml` and `config/models.yaml`
say what it is made of. `config/schema.json` and the tables of `config/README.md` are generated from the classes here.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agentflan.errors import ConfigError


class Strict(BaseModel):
    """Unknown keys are errors: a mistyped key must never be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shape(Strict):
    """The shape of a Llama model that is trained from scratch."""

    hidden_size: int = Field(gt=0, description="width of the residual stream")
    layers: int = Field(gt=0, description="decoder layers")
    heads: int = Field(gt=0, description="attention heads; divides hidden_size")
    intermediate: int = Field(gt=0, description="width of the feed-forward layer")
    max_length: int = Field(gt=0, description="context length in tokens")


class PublicShape(Strict):
    """The shape of public weights, to plan with before they are fetched; their config.json must say the same."""

    vocabulary: int = Field(gt=0, description="entries of the vocabulary (vocab_size)")
    hidden_size: int = Field(gt=0, description="width of the residual stream")
    layers: int = Field(gt=0, description="decoder layers (num_hidden_layers)")
    heads: int = Field(gt=0, description="attention heads (num_attention_heads)")
    kv_heads: int = Field(gt=0, description="heads of keys and values, fewer with grouped-query attention")
    intermediate: int = Field(gt=0, description="width of the feed-forward layer (intermediate_size)")
    tied: bool = Field(False, description="input embedding and output layer are one matrix (tie_word_embeddings)")


class Recipe(Strict):
    """How a model is trained (Table 5, Appendix A)."""

    lr: float = Field(2e-5, gt=0, description="peak learning rate")
    warmup_lr: float = Field(4e-6, ge=0, description="learning rate at the first step")
    warmup_share: float = Field(0.03, ge=0, lt=1, description="share of the steps that warm up")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="what follows the warm-up")
    epochs: float = Field(1, gt=0, description="passes over the training set")
    batch: int = Field(32, gt=0, description="conversations in a global batch")
    max_length: int = Field(4096, gt=0, description="longest conversation in tokens; the rest is cut and counted")
    row_length: int = Field(0, ge=0, description="tokens of a packed row; 0: as long as the longest conversation")
    rows_per_pass: int = Field(0, ge=0, description="packed rows in one forward pass; 0: all of a global batch")
    packing: bool = Field(
        True, description="conversations side by side in a row; else one a row, padded: as right, only slower"
    )
    beta2: float = Field(0.999, gt=0, lt=1, description="second-moment decay of AdamW")
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    clip: float = Field(1.0, ge=0, description="largest norm of the gradient; 0: no clipping")
    dtype: Literal["float32", "bfloat16"] = Field("bfloat16", description="arithmetic of the forward pass")
    zero: Literal["auto", 0, 1, 2, 3] = Field(
        "auto", description="ZeRO stage of DeepSpeed; auto: the fastest that fits, 0 on a CPU"
    )
    offload: Literal["auto", "none", "optimizer"] = Field(
        "auto", description="keep optimizer states on the host; auto: only if nothing else fits"
    )
    checkpoint_activations: Literal["auto"] | bool = Field(
        "auto", description="compute activations anew in the backward pass; auto: only if they do not fit"
    )
    fused_layers: bool = Field(
        False, description="norms, rotations and activations by the kernels of liger-kernel (extra `gpu`); on GPUs"
    )
    lora_rank: int = Field(0, ge=0, description="train low-rank additions of this rank alone; 0: train all weights")
    lora_alpha: float = Field(32.0, gt=0, description="the additions are scaled by lora_alpha / lora_rank")
    max_shard_size: str = Field(
        "5GB", pattern=r"^[1-9]\d*(\.\d+)?([KMG]i?B)$", description="largest file of the checkpoint's weights"
    )
    threads: int = Field(1, gt=0, description="CPU threads of one process")
    gpus: int = Field(0, ge=0, description="GPUs of the fine-tune; 0 is a CPU")
    snapshot_every: int = Field(
        50, ge=0, description="steps between two snapshots, from which a killed fine-tune goes on; 0: on signals alone"
    )


class Model(Strict):
    """A base model: either public weights or a shape to train from scratch."""

    stands_for: str = Field(description="the paper's model in whose row it stands: Llama2-7B, -13B or -70B")
    template: Literal["llama2", "agent_flan"] = Field("llama2", description="chat template of the untuned model")
    hub: str | None = Field(None, description="hub id of public weights")
    revision: str | None = Field(None, description="full commit of the hub repository")
    shape: PublicShape | None = Field(None, description="shape of the public weights, for planning")
    gated: bool = Field(False, description="the licence must be accepted on the hub first")
    scratch: Shape | None = Field(None, description="shape to train from scratch, instead of public weights")
    pretraining: Recipe | None = Field(None, description="recipe of the training from scratch")
    recipe: Recipe = Field(default_factory=Recipe, description="recipe of the fine-tunes")


class General(Strict):
    """How much ordinary conversation is mixed in (Appendix A)."""

    ratio: float = Field(1.0, ge=0, description="general per agent sample (or token)")
    by: Literal["sample", "token"] = Field("sample", description="unit of the ratio")


class Weights(Strict):
    """Share of the trajectories that train each capability (§4.2)."""

    reasoning: float = Field(1.0, ge=0, le=1)
    retrieval: float = Field(1.0, ge=0, le=1)
    understanding: float = Field(1.0, ge=0, le=1)


class Condition(Strict):
    """A training condition: what the mixture holds."""

    label: str = Field(description="the paper's name of the condition")
    form: Literal["chat", "react", "none"] = Field("chat", description="form of the agent trajectories")
    weights: Weights = Field(default_factory=Weights, description="capability shares of the chat form")
    instruction: float | int = Field(0, ge=0, description="instruction pairs: a count if an integer, else their share")
    react_share: float = Field(0.0, ge=0, le=1, description="share of trajectories in ReAct form (App. A: 0.1)")
    cot_share: float = Field(0.0, ge=0, le=1, description="share in thought-and-call form (released preset: 0.3)")
    negative: bool = Field(False, description="add the negative samples (§4.3)")
    general: General = Field(default_factory=General, description="ordinary conversation")
    datasets: list[str] | None = Field(None, description="agent datasets; all of the study's if not given")
    fraction: float = Field(1.0, gt=0, le=1, description="nested share of the agent data (Fig. 7)")
    template: Literal["llama2", "agent_flan"] | None = Field(
        None, description="chat template; the model's if not given"
    )


class World(Strict):
    """The embedded world: seed and counts."""

    seed: int = 0
    size: dict[str, int] = Field(default_factory=dict, description="records per kind; the world's own defaults else")


class ApiModel(Strict):
    """A model behind an OpenAI-compatible server. Its key is read from the environment and kept nowhere."""

    model: str = Field(description="the server's name of it")
    base_url: str | None = Field(None, description="address of the server; OPENAI_BASE_URL or OpenAI if not given")
    key_name: str = Field("OPENAI_API_KEY", description="environment variable that holds the key")
    raw: Literal["chat", "completions"] = Field(
        "chat", description="how a raw prompt (HotpotQA) is sent: as a user turn, or to be completed"
    )
    limit_name: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="the server's name for the longest reply"
    )
    temperature: float = Field(0.0, ge=0, description="of the sampling; 0 is greedy")
    seed: int | None = Field(None, description="sent with each request if given; servers may ignore it")
    concurrency: int = Field(8, gt=0, description="requests in flight at once")
    attempts: int = Field(6, gt=0, description="tries a request")
    timeout: float = Field(60.0, gt=0, description="seconds a try")
    backoff: float = Field(1.0, gt=0, description="seconds before the second try, doubled for each further one")
    longest_pause: float = Field(60.0, gt=0, description="seconds between two tries at most")
    prompt_price: float | None = Field(None, ge=0, description="US dollars for a million prompt tokens")
    reply_price: float | None = Field(None, ge=0, description="US dollars for a million reply tokens")
    max_cost: float | None = Field(1.0, ge=0, description="US dollars that one benchmark may cost; needs the prices")
    max_total_tokens: int | None = Field(
        None, gt=0, description="tokens that one benchmark may cost; needed where a price is not given"
    )

    @model_validator(mode="after")
    def _has_a_cap(self) -> ApiModel:
        priced = None not in (self.prompt_price, self.reply_price, self.max_cost)
        if not priced and self.max_total_tokens is None:
            raise ValueError("expected prompt_price, reply_price and max_cost, or max_total_tokens")
        return self


class Negatives(Strict):
    """The negative samples (§4.3, App. C)."""

    count: int = Field(761, ge=0, description="queries")
    with_tools: float = Field(0.5, ge=0, le=1, description="share that is given tools")
    reading: Literal["appendix", "section", "both"] = Field(
        "appendix", description="tools that do not fit (App. C), ordinary talk beside tools (§4.3), or half of each"
    )
    model: str = Field("gpt-3.5-turbo", description="the model that replies; any OpenAI-compatible name")
    prompt_price: float | None = Field(
        None, ge=0, description="US dollars for a million prompt tokens; gpt-3.5-turbo's are known"
    )
    reply_price: float | None = Field(None, ge=0, description="US dollars for a million reply tokens, likewise")
    max_cost: float = Field(10.0, ge=0, description="spending cap in US dollars; needs the prices (0: it is free)")
    max_total_tokens: int | None = Field(None, gt=0, description="cap in tokens; needed where a price is not given")


class Hardware(Strict):
    """The GPUs that the study's fine-tunes are planned for."""

    gpu_model: str = Field(description="name of the GPU: a100, h100 and h200 have known peaks")
    gpu_memory_gib: float = Field(gt=0, description="memory of one GPU as PyTorch sees it, GiB")
    gpus_per_node: int = Field(8, gt=0, description="GPUs of one node")
    host_memory_gib: float = Field(gt=0, description="main memory of one node that training may fill, GiB")
    peak_tflops: float | None = Field(
        None, gt=0, description="dense bf16 peak of one GPU, TFLOP/s; that of `gpu_model` if not given"
    )
    mfu: float = Field(
        0.4, gt=0, le=1, description="expected share of the peak without checkpointing, offload and waiting"
    )


class Study(Strict):
    """What is built."""

    name: str = Field(description="name of the file and of the folder below results/")
    description: str = Field(description="one line for people")
    small: str = Field(description="model that stands for 7B: every condition is trained on it")
    medium: str | None = Field(None, description="model that stands for 13B")
    large: str | None = Field(None, description="model that stands for 70B")
    conditions: list[str] = Field(description="conditions trained on the small model")
    scaled_conditions: list[str] = Field(default_factory=list, description="conditions trained on the larger models")
    seeds: list[int] = Field(default_factory=lambda: [0], min_length=1, description="seeds of the fine-tunes")
    agent_datasets: list[str] = Field(description="agent corpora, in the order of Table 6")
    extra_datasets: list[str] = Field(
        default_factory=list, description="further agent corpora that conditions train on"
    )
    filters: dict[str, dict[str, str]] = Field(default_factory=dict, description="options of a dataset's filter rule")
    react_share: float | None = Field(None, ge=0, le=1, description="replaces the conditions' ReAct share, if not 0")
    instruction_pairs: int = Field(2000, ge=0, description="instruction-following pairs that are built (App. A: 2,000)")
    negatives: Negatives = Field(default_factory=Negatives, description="negative samples")
    benchmarks: dict[str, dict[str, Any]] = Field(description="benchmarks to run, each with its settings")
    not_run: dict[str, str] = Field(default_factory=dict, description="columns that are not run, each with the reason")
    api_models: dict[str, ApiModel] = Field(
        default_factory=dict, description="table row → model of an OpenAI-compatible API"
    )
    local_backend: Literal["local", "vllm"] = Field(
        "local", description="what runs the checkpoints: transformers (local) or vllm"
    )
    evaluated_only: dict[str, str] = Field(default_factory=dict, description="table row → model that is only evaluated")
    reference_row: str = Field("GPT-4", description="row of Table 1 that Figure 1 divides by, or oracle")
    hardware: Hardware | None = Field(None, description="GPUs of the fine-tunes; needed where a recipe has GPUs")
    world: World | None = Field(None, description="make the raw data here instead of fetching it")
    vocabulary: int | None = Field(
        None, gt=0, description="size of the tokenizer that is trained; none is trained else"
    )


class Configuration(Strict):
    """A study with the models and conditions that it may name."""

    study: Study
    models: dict[str, Model]
    conditions: dict[str, Condition]


def load(folder: Path | str, name: str) -> Configuration:
    """Read and check a study's configuration.

    Args:
        folder: the `config/` folder.
        name: the study.

    Raises:
        ConfigError: every wrong key at once, each with file, key path, what was found and what was expected.
    """
    folder = Path(folder)
    path = folder / "studies" / f"{name}.yaml"
    known = sorted(file.stem for file in path.parent.glob("*.yaml"))
    if name not in known:
        raise ConfigError([f"study {name!r}: no such study{_nearest(name, known)}; there are: {', '.join(known)}"])
    files = {"study": path, "models": folder / "models.yaml", "conditions": folder / "conditions.yaml"}
    parts = {part: _read_yaml(file) for part, file in files.items()}
    try:
        configuration = Configuration.model_validate(parts)
    except ValidationError as error:
        raise ConfigError([_sentence(files, problem) for problem in error.errors()]) from None
    problems = _dangling_names(configuration, files)
    if problems:
        raise ConfigError(problems)
    return configuration


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{path}: not YAML ({error})"]) from None


def _sentence(files: dict[str, Path], problem: Any) -> str:
    part, *keys = [str(key) for key in problem["loc"]]
    place = ".".join(keys) or "the whole file"
    found = "" if problem["type"] == "missing" else f": found {problem['input']!r}"
    hint = _nearest(keys[-1], _allowed_keys(part, keys)) if problem["type"] == "extra_forbidden" and keys else ""
    return f"{files[part]}: key {place}{found}: {problem['msg']}{hint}"


def _allowed_keys(part: str, keys: list[str]) -> list[str]:
    kinds = {"study": Study, "models": Model, "conditions": Condition}
    depth = 1 if part == "study" else 2
    return list(kinds[part].model_fields) if len(keys) == depth else []


def _dangling_names(configuration: Configuration, files: dict[str, Path]) -> list[str]:
    study, problems = configuration.study, []
    if files["study"].stem != study.name:
        problems.append(f"{files['study']}: key name: found {study.name!r}; expected {files['study'].stem!r}")
    models = [("small", study.small), ("medium", study.medium), ("large", study.large)]
    models += [(f"evaluated_only.{row}", model) for row, model in study.evaluated_only.items()]
    for key, model in models:
        if model is not None and model not in configuration.models:
            problems.append(f"{files['study']}: key {key}: no model {model!r}{_nearest(model, configuration.models)}")
    for key in ("conditions", "scaled_conditions"):
        for condition in getattr(study, key):
            if condition not in configuration.conditions:
                hint = _nearest(condition, configuration.conditions)
                problems.append(f"{files['study']}: key {key}: no condition {condition!r}{hint}")
    for part in ("models", "conditions"):
        for key in getattr(configuration, part):
            if not key.isidentifier():
                problems.append(
                    f"{files[part]}: key {key}: names are letters, digits and _ only (they are joined by -)"
                )
    return problems


def _nearest(name: str, known: Any) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""
