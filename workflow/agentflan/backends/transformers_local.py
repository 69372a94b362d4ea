"""A checkpoint folder, run here with transformers: greedy, in padded batches of requests of like length.

The loop is our own, as fast as `generate()` for a batch of equal replies and faster for others: a reply that is done,
by an end sign or a stop string, leaves the batch. A prompt that fills the model's context is not cut but marked, and so
is a reply that the end of the context cuts off.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan.backends import Call, Reply
from agentflan.backends._chat_tokens import ChatTokens
from agentflan.benchmarks._protocol import Request
from agentflan.errors import FileError, NotAvailable

NAME = "local"

_FINISHED_SHARE = 0.25  # of a batch; then its rows are dropped, which costs a copy of the cache


def start(model: str, benchmark: ModuleType, settings: dict[str, Any]) -> Callable[[list[Call]], list[Reply]]:
    """An agent that runs the checkpoint folder `model`.

    Raises:
        FileError: there is no such folder.
        NotAvailable: torch or transformers is not installed.
    """
    if not (Path(model) / "config.json").exists():
        raise FileError(model, "no config.json", "the folder of a checkpoint")
    local = LocalModel(Path(model), settings["threads"], settings["rows"])
    return lambda calls: local.generate([call.request for call in calls])


class LocalModel(ChatTokens):
    """Weights and tokenizer in memory; fp32 on a CPU, bf16 on GPUs.

    Args:
        folder: a checkpoint in the Hugging Face layout, with a chat template.
        threads: CPU threads, fixed because sums depend on them.
        rows: requests that are run together; 16 is the fastest for tiny models on a CPU.
    """

    def __init__(self, folder: Path, threads: int = 1, rows: int = 16) -> None:
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise NotAvailable(f"the local backend needs the package {error.name}, which is not installed") from None
        torch.set_num_threads(threads)
        gpus = torch.cuda.device_count()
        placed = {"dtype": torch.bfloat16 if gpus else torch.float32, "device_map": "auto" if gpus > 1 else None}
        model = AutoModelForCausalLM.from_pretrained(folder, **placed).eval()
        self.model = model.to("cuda") if gpus == 1 else model
        ends = self.model.generation_config.eos_token_id
        super().__init__(AutoTokenizer.from_pretrained(folder), ends if isinstance(ends, list) else [ends])
        self.context = self.model.config.max_position_embeddings
        self.rows = rows

    def generate(self, requests: list[Request]) -> list[Reply]:
        """One reply a request, in order."""
        chosen = iter(self._choose([request for request in requests if request.choices]))
        written = iter(self._write([request for request in requests if not request.choices]))
        return [next(chosen if request.choices else written) for request in requests]

    def _choose(self, requests: list[Request]) -> list[Reply]:
        """The likeliest choice of each request. Of a prompt that is too long the beginning is left out."""
        from agentflan.backends._likelihood import log_likelihoods, split

        texts = [split(self.encode_choices(request), self.context, request.max_prompt_tokens) for request in requests]
        found = iter(log_likelihoods(self.model, [text for choices in texts for text in choices], self.rows))
        replies = []
        for request, choices in zip(requests, texts, strict=True):
            scores = [next(found) for _ in choices]
            best = scores.index(max(scores))
            tokens, begin = choices[best]
            replies.append(Reply(request.choices[best], begin, len(tokens) - begin))
        return replies

    def _write(self, requests: list[Request]) -> list[Reply]:
        """A free reply to each request."""
        prompts = [self.encode(request) for request in requests]
        fitting = [place for place, prompt in enumerate(prompts) if len(prompt) < self.context]
        order = sorted(fitting, key=lambda place: len(prompts[place]))
        replies = {
            place: Reply(prompt_tokens=len(prompt), fault="context_limit") for place, prompt in enumerate(prompts)
        }
        for begin in range(0, len(order), self.rows):
            places = order[begin : begin + self.rows]
            batch = self._run([prompts[place] for place in places], [requests[place] for place in places])
            replies.update(zip(places, batch, strict=True))
        return [replies[place] for place in range(len(requests))]

    def _run(self, prompts: list[list[int]], requests: list[Request]) -> list[Reply]:
        rows = [
            _Row(request, self.stops(request), self.context - len(prompt))
            for prompt, request in zip(prompts, requests, strict=True)
        ]
        self._extend(prompts, rows)
        return [
            Reply(self.finish(row.tokens, row.request), len(prompt), len(row.tokens), row.fault)
            for prompt, row in zip(prompts, rows, strict=True)
        ]

    def _extend(self, prompts: list[list[int]], rows: list[_Row]) -> None:
        """Append the likeliest token to each row until all are done."""
        import torch

        from agentflan.backends._cache import roomy_cache

        device, cache = self.model.device, roomy_cache()
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        places = torch.arange(max(map(len, prompts)), device=device)
        mask = (places < lengths[:, None]).long()
        with torch.inference_mode():
            logits = self._read_prompts(prompts, lengths, cache)
            while True:
                tokens = logits.argmax(-1)
                for row, token in zip(rows, tokens.tolist(), strict=True):
                    self._take(row, token)
                keep = [place for place, row in enumerate(rows) if not row.done]
                if not keep:
                    return
                if len(keep) <= (1 - _FINISHED_SHARE) * len(rows):
                    kept = torch.tensor(keep, device=device)
                    cache.batch_select_indices(kept)
                    tokens, mask, lengths = tokens[kept], mask[kept], lengths[kept]
                    rows = [rows[place] for place in keep]
                mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
                logits = self.model(
                    input_ids=tokens[:, None],
                    attention_mask=mask,
                    position_ids=lengths[:, None],
                    past_key_values=cache,
                    use_cache=True,
                ).logits[:, -1]
                lengths = lengths + 1

    def _read_prompts(self, prompts: list[list[int]], lengths: Any, cache: Any) -> Any:
        """Logits [rows, vocabulary] behind the prompts, whose keys and values go to the cache.

        They are padded on the right: what follows a token does not change it, so the prompts need no mask, and
        attention takes its fast causal path. The padding is masked in later steps.
        """
        import torch

        width = max(map(len, prompts))
        ids = torch.tensor([prompt + [0] * (width - len(prompt)) for prompt in prompts], device=self.model.device)
        ends, which = torch.unique(lengths - 1, return_inverse=True)
        output = self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=ends)
        return output.logits[torch.arange(len(prompts), device=which.device), which]

    def _take(self, row: _Row, token: int) -> None:
        """Add a token to a row and see whether the row is done."""
        if row.done:
            return
        if token in self.end_ids:
            row.done = True
            return
        row.tokens.append(token)
        piece = self._piece(token)
        if "\ufffd" in piece or any(stop[-1] in piece for stop in row.stops):  # a sign may be cut into bytes
            row.done = any(stop in self.decode(row.tokens) for stop in row.stops)
        if not row.done and len(row.tokens) >= row.limit:
            row.done = True
            row.fault = "context_limit" if row.limit < row.request.max_new_tokens else ""

    def _piece(self, token: int) -> str:
        """A token's text; remembered, because it is asked for at each step."""
        if token not in self._pieces:
            self._pieces[token] = self.decode([token])
        return self._pieces[token]

    @cached_property
    def _pieces(self) -> dict[int, str]:
        return {}


class _Row:
    """A reply that is being written."""

    def __init__(self, request: Request, stops: tuple[str, ...], room: int) -> None:
        self.tokens: list[int] = []
        self.request, self.stops = request, stops
        self.limit = min(request.max_new_tokens, room)
        self.done, self.fault = False, ""
