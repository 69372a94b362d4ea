"""Requests as token ids and token ids as replies: the same for every backend that runs a checkpoint itself.

The chat template comes from the checkpoint, as in training. Text of a conversation never becomes a special token; only
the template's own signs do.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import Any

from agentflan.backends import cut
from agentflan.benchmarks._protocol import Request

_MARK = "\ue000"  # private use; stands for a content in the rendered template


class ChatTokens:
    """The tokenizer and the chat template of a checkpoint.

    Args:
        tokenizer: a fast tokenizer of `transformers` with a chat template.
        end_ids: tokens that end a reply, beside the tokenizer's own end sign.
    """

    def __init__(self, tokenizer: Any, end_ids: list[int]) -> None:
        self.tokenizer = tokenizer
        self.end_ids = {token for token in [*end_ids, tokenizer.eos_token_id] if token is not None}

    def encode(self, request: Request) -> list[int]:
        """Token ids of what the model is given."""
        if request.prompt:
            start = [self.tokenizer.bos_token_id] if self.tokenizer.bos_token_id is not None else []
            return start + self._encode_text(request.prompt + request.prefix)
        rendered = self._render([role for role, _ in request.messages], begin_reply=True)
        if not request.prefix:
            rendered = rendered.rstrip(" ")  # in training the space is part of the reply's first token
        contents = [content for _, content in request.messages]
        return self._encode_pieces(_split(rendered), contents, request.prefix)

    def encode_after(self, request: Request, place: int) -> list[int]:
        """Token ids of what follows the content of the message `place`: its end sign, and all later turns."""
        rendered = self._render([role for role, _ in request.messages], begin_reply=True)
        pieces = _split(rendered if request.prefix else rendered.rstrip(" "))
        contents = [content for _, content in request.messages]
        return self._encode_pieces(pieces[2 * place + 2 :], contents, request.prefix)

    def cut(self, prompt: list[int], request: Request, context: int) -> list[int]:
        """The prompt without its beginning, the begin sign excepted, if the request allows that and it is too long.

        Args:
            prompt: token ids.
            request: says how many are read at most.
            context: tokens that the model can read and write; the reply has its room in them.
        """
        if request.max_prompt_tokens is None:
            return prompt
        surplus = len(prompt) - max(1, min(request.max_prompt_tokens, context - request.max_new_tokens))
        if surplus <= 0:
            return prompt
        begin = int(prompt[0] == self.tokenizer.bos_token_id)
        return prompt[:begin] + prompt[begin + surplus :]

    def encode_choices(self, request: Request) -> list[list[int]]:
        """Token ids of what the model is given with each of the request's choices behind it."""
        return [self.encode(replace(request, prefix=request.prefix + choice)) for choice in request.choices]

    def stops(self, request: Request) -> tuple[str, ...]:
        """The request's stop strings, and the template's end of a turn where it is made of text."""
        ends_in_text = bool(request.messages) and self.end_sign and self.end_sign not in self._sign_ids
        return (*request.stop, self.end_sign) if ends_in_text else request.stop

    def finish(self, tokens: list[int], request: Request) -> str:
        """The reply up to its first stop string; outer spaces belong to the template."""
        text = cut(self.decode(tokens), self.stops(request))
        return text.strip() if request.messages and not request.prefix else text

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens, without special signs."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    @cached_property
    def end_sign(self) -> str:
        """What the template puts after a reply, without spaces: an end token or a sign made of text."""
        return self._render(["user", "assistant"], begin_reply=False).rsplit(_MARK, 1)[1].strip()

    def _render(self, roles: list[str], begin_reply: bool) -> str:
        """The chat template with numbered marks for the contents; conversations of one shape share it."""
        shape = (*roles, begin_reply)
        if shape not in self._rendered:
            turns = [{"role": role, "content": f"{_MARK}{place}{_MARK}"} for place, role in enumerate(roles)]
            text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=begin_reply)
            self._rendered[shape] = text
        return self._rendered[shape]

    @cached_property
    def _rendered(self) -> dict[tuple[object, ...], str]:
        return {}

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


def _split(rendered: str) -> list[str]:
    """The template's text and, at odd places, the numbers of the contents."""
    return re.split(f"{_MARK}(\\d+){_MARK}", rendered)
