"""A checkpoint that is made in a second: a tiny untrained Llama with a tokenizer and a chat template."""

from __future__ import annotations

from pathlib import Path

TEXTS = ["the rain in a town", "Thought: go on\nAction: rain_report", "<s> </s> [INST] 12 mm", "െ ി <|Human|>"]


def make_checkpoint(folder: Path, template: str, seed: int = 1) -> Path:
    """A tiny untrained Llama with a byte-level tokenizer and a chat template."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from agentflan.training.tokenizer import train_tokenizer

    train_tokenizer(TEXTS * 3, 300, template, folder)
    size = len(AutoTokenizer.from_pretrained(folder))
    torch.manual_seed(seed)
    shape = LlamaConfig(
        vocab_size=size,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        initializer_range=0.5,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    return folder
