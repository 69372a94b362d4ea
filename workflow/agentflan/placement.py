"""Where fine-tunes run and how they are laid out: the configuration's "auto" turned into values, or a refusal.

Light on purpose: planning imports this, and every job of a cluster plans anew.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agentflan.errors import ConfigError
from agentflan.files import read_json
from agentflan.study import Configuration, Recipe
from agentflan.training.choice import Limits, Wish, choose
from agentflan.training.memory import GIB, Job, Layout, Memory, memory
from agentflan.training.operations import PEAK_TFLOPS
from agentflan.training.shape import CONFIG_KEYS, LlamaShape


@dataclass(frozen=True)
class Placement:
    """The fine-tunes of one model: what is trained, on what, and how."""

    model: str
    gpus: int  # 0: a CPU
    nodes: int
    job: Job
    layout: Layout

    @property
    def memory(self) -> Memory:
        """Its memory by part."""
        return memory(self.job, self.layout)


def training_settings(configuration: Configuration, model: str, recipe: Recipe) -> dict[str, Any]:
    """A recipe as `train_checkpoint` takes it: `zero`, `offload` and `checkpoint_activations` have values.

    Raises:
        ConfigError: see `place`.
    """
    return recipe.model_dump(exclude={"gpus", "snapshot_every"}) | asdict(layout(configuration, model, recipe))


def processes(configuration: Configuration, model: str, recipe: Recipe) -> tuple[int, int]:
    """Processes on each node and nodes: one process a GPU, one alone on a CPU.

    Raises:
        ConfigError: no hardware is configured, or the nodes would hold different numbers of processes.
    """
    if recipe.gpus == 0:
        return 1, 1
    nodes = -(-recipe.gpus // _limits(configuration, model).gpus_per_node)  # whole nodes
    if recipe.gpus % nodes:
        raise ConfigError(
            [f"models.yaml: key {model}.recipe.gpus: {recipe.gpus} do not spread evenly over {nodes} nodes"]
        )
    return recipe.gpus // nodes, nodes


def layout(configuration: Configuration, model: str, recipe: Recipe) -> Layout:
    """The layout of a recipe; on a CPU, or where everything is fixed, without looking at memory.

    Raises:
        ConfigError: nothing fits, or what the choice needs is not configured.
    """
    wish = _wish(recipe)
    if recipe.gpus == 0:
        wish = _on_cpu(wish, recipe)
    if not any(value == "auto" for value in vars(wish).values()):
        return choose_fixed(model, wish)
    return place(configuration, model, recipe).layout


def place(
    configuration: Configuration, model: str, recipe: Recipe | None = None, results: Path = Path("results")
) -> Placement:
    """Lay out the fine-tunes of a model.

    Args:
        configuration: the study's.
        model: its name in models.yaml.
        recipe: of the training; that of the fine-tunes if not given.
        results: where base checkpoints lie, once they are fetched.

    Raises:
        ConfigError: no shape or no hardware is configured, the weights have another shape, or nothing fits.
    """
    recipe = recipe or configuration.models[model].recipe
    job = _job(shape(configuration, model, results), recipe)
    if recipe.gpus == 0:
        return Placement(model, 0, 0, job, choose_fixed(model, _on_cpu(_wish(recipe), recipe)))
    limits = _limits(configuration, model)
    _, nodes = processes(configuration, model, recipe)
    return Placement(model, recipe.gpus, nodes, job, choose(model, job, limits, _wish(recipe)))


def choose_fixed(model: str, wish: Wish) -> Layout:
    """The layout of a wish that leaves nothing open.

    Raises:
        ConfigError: DeepSpeed has no such combination.
    """
    if wish.offload == "optimizer" and wish.zero == 0:
        raise ConfigError([f"{model}: offload: optimizer needs ZeRO 1, 2 or 3; found zero: 0"])
    return Layout(**vars(wish))


def peak_flops(configuration: Configuration) -> float:
    """Peak of one GPU, FLOP/s.

    Raises:
        ConfigError: the GPU is not known and no peak is given.
    """
    hardware = configuration.study.hardware
    peak = hardware and (hardware.peak_tflops or PEAK_TFLOPS.get(hardware.gpu_model))
    if not peak:
        name = hardware.gpu_model if hardware else "none"
        known = ", ".join(PEAK_TFLOPS)
        raise ConfigError([f"key hardware.peak_tflops: not given, and gpu_model {name!r} is none of {known}"])
    return peak * 1e12


def shape(configuration: Configuration, model: str, results: Path) -> LlamaShape:
    """The shape of a model: from its weights where they are there, else from the configuration.

    The tokenizer of a model that is trained from scratch may find fewer entries than the study allows it.

    Raises:
        ConfigError: neither is there, or they contradict each other.
    """
    configured = _configured_shape(configuration, model)
    path = results / configuration.study.name / "checkpoints" / f"{model}-base" / "config.json"
    if not path.is_file():
        if configured is None:
            raise ConfigError([f"models.yaml: key {model}.shape: not given; memory cannot be planned without it"])
        return configured
    found = _shape_of_weights(path)
    if configured and configuration.models[model].scratch and found.vocabulary < configured.vocabulary:
        configured = replace(configured, vocabulary=found.vocabulary)
    for field, value in asdict(found).items():
        if configured is not None and value != getattr(configured, field):
            expected = getattr(configured, field)
            raise ConfigError([f"{path}: {CONFIG_KEYS[field]}: found {value}; models.yaml says {expected} for {model}"])
    return found


def _configured_shape(configuration: Configuration, model: str) -> LlamaShape | None:
    public, scratch = configuration.models[model].shape, configuration.models[model].scratch
    if public:
        sizes = public.model_dump()
        return LlamaShape(hidden=sizes.pop("hidden_size"), **sizes)
    vocabulary = configuration.study.vocabulary
    if scratch and vocabulary:
        return LlamaShape(
            vocabulary, scratch.hidden_size, scratch.intermediate, scratch.layers, scratch.heads, scratch.heads, True
        )
    return None


def _shape_of_weights(path: Path) -> LlamaShape:
    try:
        return LlamaShape.from_config(read_json(path))
    except KeyError as missing:
        raise ConfigError([f"{path}: no key {missing}; expected the configuration of a Llama model"]) from None


def _job(shape: LlamaShape, recipe: Recipe) -> Job:
    """Rows of a pass: as the recipe says, or at worst one for each conversation that falls to a process."""
    processes = max(1, recipe.gpus)
    rows = recipe.rows_per_pass or -(-recipe.batch // processes)
    return Job(
        shape,
        processes,
        recipe.row_length or recipe.max_length,
        rows,
        recipe.dtype,
        fused_layers=recipe.fused_layers,
        lora_rank=recipe.lora_rank,
    )


def _limits(configuration: Configuration, model: str) -> Limits:
    hardware = configuration.study.hardware
    if hardware is None:
        study = configuration.study.name
        raise ConfigError([f"{study}.yaml: key hardware: not given; {model} trains on GPUs and is planned for them"])
    memory_of_gpu, memory_of_host = hardware.gpu_memory_gib * GIB, hardware.host_memory_gib * GIB
    return Limits(round(memory_of_gpu), hardware.gpus_per_node, round(memory_of_host))


def _wish(recipe: Recipe) -> Wish:
    return Wish(recipe.zero, recipe.offload, recipe.checkpoint_activations)


def _on_cpu(wish: Wish, recipe: Recipe) -> Wish:
    plain = {"zero": 0 if recipe.dtype == "float32" else 2, "offload": "none", "checkpoint_activations": False}
    return Wish(**{key: plain[key] if value == "auto" else value for key, value in vars(wish).items()})
