"""How likely a model finds texts behind a prompt, in batches; texts that differ in their last token share one row."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import torch


class Text(NamedTuple):
    """Token ids, and where those begin whose likelihood is asked for."""

    tokens: list[int]
    begin: int


def split(candidates: list[list[int]], context: int, most: int | None = None) -> list[Text]:
    """The candidates of one request, from where they differ; their common beginning is cut so that all fit.

    Args:
        candidates: token ids of the prompt with each of the choices.
        context: tokens that the model can read.
        most: of the tokens before the candidates differ, how many are kept; None: all that fit.
    """
    columns = enumerate(zip(*candidates, strict=False))
    shared = next((place for place, ids in columns if len(set(ids)) > 1), min(map(len, candidates)) - 1)
    surplus = max(0, max(map(len, candidates)) - 1 - context, shared - (most or shared))
    return [Text(tokens[surplus:], shared - surplus) for tokens in candidates]


def log_likelihoods(model: Any, texts: list[Text], rows: int) -> list[float]:
    """The sum of the log-probabilities of each text's asked tokens.

    Args:
        model: a causal language model.
        texts: each at least one token before those that are asked for.
        rows: of a batch.
    """
    by_read: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        by_read[tuple(text.tokens[:-1])].append(place)
    order, scores = sorted(by_read, key=len), [0.0] * len(texts)
    for start in range(0, len(order), rows):
        batch = order[start : start + rows]
        asked = [
            (place, row, step)
            for row, read in enumerate(batch)
            for place in by_read[read]
            for step in range(texts[place].begin, len(texts[place].tokens))
        ]
        steps = sorted({step for _, _, step in asked})
        found = _log_probabilities(model, batch, [step - 1 for step in steps])
        picked = [(row, steps.index(step), texts[place].tokens[step]) for place, row, step in asked]
        values = found[tuple(torch.tensor(picked, device=found.device).T)].tolist()
        for (place, _, _), value in zip(asked, values, strict=True):
            scores[place] += value
    return scores


def _log_probabilities(model: Any, batch: list[tuple[int, ...]], places: list[int]) -> Any:
    """[rows, places, vocabulary] of the tokens that follow the places; rows are padded on the right, as prompts are."""
    width = max(map(len, batch))
    ids = torch.tensor([[*tokens, *[0] * (width - len(tokens))] for tokens in batch], device=model.device)
    keep = torch.tensor(places, device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=keep).logits
    return logits.float().log_softmax(-1)
