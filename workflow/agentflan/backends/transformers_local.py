"""A checkpoint folder, run here with transformers, in padded batches of requests of like length.

The loop is our own, as fast as `generate()` for a batch of equal replies and faster for others: a reply that is done,
by an end sign or a stop string, leaves the batch, and of a conversation that goes on only what is new is read. A prompt
that fills the model's context is marked where its request lets nothing be cut, and so is a reply that the end of the
context cuts off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan.backends import Call, Reply
from agentflan.backends._chat_tokens import ChatTokens
from agentflan.backends._checkpoint import load_model, load_tokenizer
from agentflan.backends._kept import Kept
from agentflan.backends._rows import Row, batches
from agentflan.benchmarks._protocol import Request
from agentflan.errors import NotAvailable

NAME = "local"


def start(model: str, benchmark: ModuleType, settings: dict[str, Any]) -> Callable[[list[Call]], list[Reply]]:
    """An agent that runs the checkpoint folder `model`.

    Raises:
        FileError: the folder is not a whole checkpoint.
        NotAvailable: torch or transformers is not installed.
    """
    memory = {"cache_gib": settings["cache_gib"], "kept_gib": settings["kept_gib"]}
    local = LocalModel(Path(model), settings["threads"], settings["rows"], **memory)
    return lambda calls: local.generate([call.request for call in calls], [call.task["id"] for call in calls])


class LocalModel(ChatTokens):
    """Weights and tokenizer in memory; fp32 on a CPU, bf16 on GPUs.

    Args:
        folder: a checkpoint in the Hugging Face layout, with a chat template.
        threads: CPU threads, fixed because sums depend on them.
        rows: requests that are run together at most; 32 are about the fastest for tiny models on a CPU.
        cache_gib: memory for the keys and values of requests that run together.
        kept_gib: memory for those of conversations, until their next turns; while a call runs, up to twice that.
    """

    def __init__(
        self, folder: Path, threads: int = 1, rows: int = 32, cache_gib: float = 4, kept_gib: float = 1
    ) -> None:
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError as error:
            raise NotAvailable(f"the local backend needs the package {error.name}, which is not installed") from None
        torch.set_num_threads(threads)
        gpus = torch.cuda.device_count()
        placed = {"dtype": torch.bfloat16 if gpus else torch.float32, "device_map": "auto" if gpus > 1 else None}
        model = load_model(folder, **placed)
        self.model = model.to("cuda") if gpus == 1 else model
        ends = self.model.generation_config.eos_token_id
        super().__init__(load_tokenizer(folder), ends if isinstance(ends, list) else [ends])
        self.context = self.model.config.max_position_embeddings
        self.rows, self.cache_bytes, self.kept_bytes = rows, cache_gib * 2**30, kept_gib * 2**30
        self._kept = Kept(0)

    def generate(self, requests: list[Request], conversations: Sequence[str] = ()) -> list[Reply]:
        """One reply a request, in order.

        Args:
            requests: what is asked.
            conversations: a name for each request; one with the name of a request of the call before goes on with it,
                and of its prompt only what is new is read. Without names all prompts are read whole.
        """
        names = conversations or [""] * len(requests)
        chosen = iter(self._choose([request for request in requests if request.choices]))
        named = zip(requests, names, strict=True)
        written = iter(self._write([(request, name) for request, name in named if not request.choices]))
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

    def _write(self, asked: list[tuple[Request, str]]) -> list[Reply]:
        """A free reply to each request."""
        before, self._kept = self._kept, Kept(self.kept_bytes)
        rows = []
        for request, name in asked:
            whole = self.encode(request)
            prompt = self.cut(whole, request, self.context)
            known, left_out = before.known(name, prompt), len(whole) - len(prompt)
            rows.append(Row(request, name, prompt, left_out, known, self.stops(request), self.context))
        for batch in batches(rows, self.rows, self.cache_bytes / self._token_bytes):
            self._extend(batch)
        return [
            Reply(self.finish(row.tokens, row.request), len(row.prompt), len(row.tokens), row.fault, row.cut)
            for row in rows
        ]

    def _extend(self, rows: list[Row]) -> None:
        """Append a token to each row until all are done."""
        import torch

        from agentflan.backends._batch import Batch
        from agentflan.backends._sampling import pick

        with torch.inference_mode():
            batch = Batch(self.model, rows)
            logits = batch.read_prompts()
            while True:
                tokens = pick(logits, batch.rows)
                for place, (row, token) in enumerate(zip(batch.rows, tokens.tolist(), strict=True)):
                    if not row.done and self._is_last(row, token) and row.conversation:
                        self._kept.keep(row.conversation, batch.read(place))
                if all(row.done for row in batch.rows):
                    return
                logits = batch.read_tokens(tokens)

    def _is_last(self, row: Row, token: int) -> bool:
        """Add a token to a row and see whether the row is done."""
        if token in self.end_ids:
            row.done = True
            return True
        row.tokens.append(token)
        piece = self._piece(token)
        if "\ufffd" in piece or any(stop[-1] in piece for stop in row.stops):  # a sign may be cut into bytes
            row.done = any(stop in self.decode(row.tokens) for stop in row.stops)
        if not row.done and len(row.tokens) >= row.limit:
            row.done = True
            row.fault = "context_limit" if row.limit < row.request.max_new_tokens else ""
        return row.done

    def _piece(self, token: int) -> str:
        """A token's text; remembered, because it is asked for at each step."""
        if token not in self._pieces:
            self._pieces[token] = self.decode([token])
        return self._pieces[token]

    @cached_property
    def _token_bytes(self) -> int:
        """Of a token's keys and values in all layers."""
        config = self.model.config
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        return 2 * config.num_hidden_layers * heads * width * self.model.dtype.itemsize

    @cached_property
    def _pieces(self) -> dict[int, str]:
        return {}
