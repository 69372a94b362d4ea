"""A checkpoint folder, run here with transformers: greedy, in left-padded batches of requests of like length.

The loop is our own, as fast as `generate()` for a batch of equal replies and faster for others: a reply that is done,
by an end sign or a stop string, leaves the batch. Text of a conversation never becomes a special token; only the chat
template's own signs do, as in training.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan.backends import Call
from agentflan.benchmarks._protocol import Request
from agentflan.errors import FileError, NotAvailable

NAME = "local"

_MARK = "\ue000"  # private use; stands for a content in the rendered template
_FINISHED_SHARE = 0.25  # of a batch; then its rows are dropped, which costs a copy of the cache


def start(model: str, benchmark: ModuleType, settings: dict[str, Any]) -> Callable[[list[Call]], list[str]]:
    """An agent that runs the checkpoint folder `model`.

    Raises:
        FileError: there is no such folder.
        NotAvailable: torch or transformers is not installed.
    """
    if not (Path(model) / "config.json").exists():
        raise FileError(model, "no config.json", "the folder of a checkpoint")
    local = LocalModel(Path(model), settings["threads"], settings["rows"])
    return lambda calls: local.generate([call.request for call in calls])


class LocalModel:
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
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.rows = rows

    def generate(self, requests: list[Request]) -> list[str]:
        """One reply a request, in order."""
        prompts = [self.encode(request) for request in requests]
        order = sorted(range(len(requests)), key=lambda place: len(prompts[place]))
        replies: dict[int, str] = {}
        for begin in range(0, len(order), self.rows):
            places = order[begin : begin + self.rows]
            texts = self._run([prompts[place] for place in places], [requests[place] for place in places])
            replies.update(zip(places, texts, strict=True))
        return [replies[place] for place in range(len(requests))]

    def encode(self, request: Request) -> list[int]:
        """Token ids of what the model is given."""
        if request.prompt:
            start = [self.tokenizer.bos_token_id] if self.tokenizer.bos_token_id is not None else []
            return start + self._encode_text(request.prompt + request.prefix)
        rendered = self._render([role for role, _ in request.messages], begin_reply=True)
        if not request.prefix:
            rendered = rendered.rstrip(" ")  # in training the space is part of the reply's first token
        contents = [content for _, content in request.messages]
        return self._encode_pieces(re.split(f"{_MARK}(\\d+){_MARK}", rendered), contents, request.prefix)

    def _render(self, roles: list[str], begin_reply: bool) -> str:
        """The chat template with numbered marks for the contents."""
        turns = [{"role": role, "content": f"{_MARK}{place}{_MARK}"} for place, role in enumerate(roles)]
        return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=begin_reply)

    def _encode_pieces(self, pieces: list[str], contents: list[str], prefix: str) -> list[int]:
        """Ids of the template's text (even places) and of the contents (odd places hold their numbers).

        Text between two special signs is encoded in one go, as in training.
        """
        ids, text = [], ""
        for place, piece in enumerate(pieces):
            if place % 2:
                text += contents[int(piece)]
                continue
            for part in self._signs.split(piece):
                if part in self._sign_ids:
                    ids += [*self._encode_text(text), self._sign_ids[part]]
                    text = ""
                else:
                    text += part
        return ids + self._encode_text(text + prefix)

    def _encode_text(self, text: str) -> list[int]:
        backend = self.tokenizer.backend_tokenizer
        backend.encode_special_tokens = True  # signs in the text are text
        return backend.encode(text, add_special_tokens=False).ids if text else []

    @cached_property
    def _sign_ids(self) -> dict[str, int]:
        return {sign: self.tokenizer.convert_tokens_to_ids(sign) for sign in self.tokenizer.all_special_tokens}

    @cached_property
    def _signs(self) -> re.Pattern[str]:
        return re.compile("(" + "|".join(map(re.escape, self._sign_ids)) + ")" if self._sign_ids else "(?!)")

    @cached_property
    def _end_sign(self) -> str:
        """What the template puts after a reply, without spaces: an end token or a sign made of text."""
        return self._render(["user", "assistant"], begin_reply=False).rsplit(_MARK, 1)[1].strip()

    @cached_property
    def _end_ids(self) -> set[int]:
        configured = self.model.generation_config.eos_token_id
        listed = configured if isinstance(configured, list) else [configured]
        return {token for token in [*listed, self.tokenizer.eos_token_id] if token is not None}

    def _run(self, prompts: list[list[int]], requests: list[Request]) -> list[str]:
        rows = [_Row(request, self._stops(request)) for request in requests]
        self._extend(prompts, rows)
        return [self._finish(row) for row in rows]

    def _stops(self, request: Request) -> tuple[str, ...]:
        ends_in_text = bool(request.messages) and self._end_sign and self._end_sign not in self._sign_ids
        return (*request.stop, self._end_sign) if ends_in_text else request.stop

    def _extend(self, prompts: list[list[int]], rows: list[_Row]) -> None:
        """Append the likeliest token to each row until all are done."""
        import torch
        from transformers import DynamicCache

        device, cache = self.model.device, DynamicCache()
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=device)
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        with torch.inference_mode():
            while True:
                output = self.model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
                tokens = output.logits[:, -1].argmax(-1)
                for row, token in zip(rows, tokens.tolist(), strict=True):
                    self._take(row, token)
                keep = [place for place, row in enumerate(rows) if not row.done]
                if not keep:
                    return
                if len(keep) <= (1 - _FINISHED_SHARE) * len(rows):
                    kept = torch.tensor(keep, device=device)
                    cache.batch_select_indices(kept)
                    tokens, mask, positions = tokens[kept], mask[kept], positions[kept]
                    rows = [rows[place] for place in keep]
                ids = tokens[:, None]
                mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
                positions = positions[:, -1:] + 1

    def _take(self, row: _Row, token: int) -> None:
        """Add a token to a row and see whether the row is done."""
        if row.done:
            return
        if token in self._end_ids:
            row.done = True
            return
        row.tokens.append(token)
        piece = self._piece(token)
        if "\ufffd" in piece or any(stop[-1] in piece for stop in row.stops):  # a sign may be cut into bytes
            row.done = any(stop in self._decode(row.tokens) for stop in row.stops)
        row.done = row.done or len(row.tokens) >= row.limit

    def _piece(self, token: int) -> str:
        """A token's text; remembered, because it is asked for at each step."""
        if token not in self._pieces:
            self._pieces[token] = self._decode([token])
        return self._pieces[token]

    @cached_property
    def _pieces(self) -> dict[int, str]:
        return {}

    def _decode(self, tokens: list[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _finish(self, row: _Row) -> str:
        """The reply up to its first stop string; outer spaces belong to the template."""
        text = self._decode(row.tokens)
        ends = [text.find(stop) for stop in row.stops if stop in text]
        text = text[: min(ends)] if ends else text
        return text.strip() if row.is_chat else text


class _Row:
    """A reply that is being written."""

    def __init__(self, request: Request, stops: tuple[str, ...]) -> None:
        self.tokens: list[int] = []
        self.stops = stops
        self.limit = request.max_new_tokens
        self.is_chat = bool(request.messages) and not request.prefix
        self.done = False
