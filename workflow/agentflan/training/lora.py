"""LoRA: low-rank additions to the matrices of the layers are trained, the weights themselves stay (arXiv 2106.09685).

The additions are merged before a checkpoint is written, so that it loads like any other.
"""

from __future__ import annotations

from typing import Any

from agentflan.training.recipe import Settings


def with_additions(model: Any, settings: Settings) -> Any:
    """The model with additions, all of the same rank, that start as nothing; only they are trained."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(settings.seed)
    configuration = LoraConfig(
        task_type="CAUSAL_LM", target_modules="all-linear", r=settings.lora_rank, lora_alpha=settings.lora_alpha
    )
    return get_peft_model(model, configuration)


def merged(model: Any) -> Any:
    """The plain model again, the additions added to its weights."""
    return model.merge_and_unload()
