"""Chat templates as data, and the loss mask that follows from them (data-level source: paper §4.1, App. A).

The same Jinja file is stored with the weights and used in training. What stands between ``{% generation %}`` and
``{% endgeneration %}`` is what the assistant says: its text and its end sign. Only that can bear loss.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from agentflan.errors import ConfigError
from agentflan.records import CAPABILITIES, CONVERSATION, Trajectory, Turn

FOLDER = Path(__file__).parent

# Private-use characters mark, in a rendered skeleton, where contents and generated stretches stand.
_MARKS = _CONTENT, _BEGIN, _END = "\ue000", "\ue001", "\ue002"
NO_CAPABILITY = -1


class Piece(NamedTuple):
    """A stretch of the rendered conversation."""

    text: str
    turn: int  # index of the turn whose content it is, or whose end sign; -1 for the template's own text
    is_content: bool
    is_generated: bool


@dataclass(frozen=True)
class Encoded:
    """A tokenized conversation. All lists have one entry a token.

    Attributes:
        input_ids: token ids.
        loss: whether the token bears loss.
        capability: index into `agentflan.records.CAPABILITIES`, or -1 where the token bears no loss.
        is_format: whether the token is format, as against content; end signs are format.
    """

    input_ids: list[int]
    loss: list[bool]
    capability: list[int]
    is_format: list[bool]


def names() -> list[str]:
    """The templates that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.jinja"))


@cache
def source(template: str) -> str:
    """The Jinja text of a template, as it is stored with a tokenizer.

    Raises:
        ConfigError: there is no such template.
    """
    if template not in names():
        raise ConfigError([f"template {template!r}: no such template; there are: {', '.join(names())}"])
    return (FOLDER / f"{template}.jinja").read_text(encoding="utf-8")


def pieces(turns: Sequence[Turn], template: str, bos: str, eos: str) -> list[Piece]:
    """The rendered conversation, cut where contents begin and end."""
    found: list[Piece] = []
    generated, turn = False, -1
    for part in _skeleton(tuple(turn.role for turn in turns), template, bos, eos):
        if part in (_BEGIN, _END):
            generated = part == _BEGIN
        elif part[0] == _CONTENT:
            turn = int(part[1:])
            found.append(Piece(turns[turn].content, turn, True, generated))
        else:
            found.append(Piece(part, turn if generated else -1, False, generated))
    return found


def render(turns: Sequence[Turn], template: str, bos: str = "<s>", eos: str = "</s>") -> str:
    """The conversation as one string."""
    return "".join(piece.text for piece in pieces(turns, template, bos, eos))


def encode(trajectory: Trajectory, tokenizer: Any, template: str) -> Encoded:
    """Tokenize a conversation and say of each token whether it bears loss and what it trains.

    Args:
        trajectory: the conversation; spans, where given, tell the capability of each stretch.
        tokenizer: a fast tokenizer of `transformers`.
        template: name of the template.
    """
    return next(encode_many([trajectory], tokenizer, template))


def encode_many(
    trajectories: Iterable[Trajectory], tokenizer: Any, template: str, batch: int = 512
) -> Iterator[Encoded]:
    """Like `encode`, many at a time: several times faster.

    Text of the conversation never becomes a special token: only the template's own signs do. What stands between two
    signs is tokenized by itself, as in the reference code of Llama-2, so the first word after a sign has the mark of a
    word's beginning where the tokenizer knows one.

    Raises:
        ConfigError: the tokenizer cannot write a character of the template.
    """
    backend = tokenizer.backend_tokenizer
    bos, eos = tokenizer.bos_token or "", tokenizer.eos_token or ""
    check_characters(tokenizer, template)
    ids = {sign: tokenizer.convert_tokens_to_ids(sign) for sign in (bos, eos) if sign}
    waiting: list[tuple[Trajectory, list[list[Piece]]]] = []
    for trajectory in trajectories:
        waiting.append((trajectory, _stretches(pieces(trajectory.turns, template, bos, eos), ids)))
        if len(waiting) == batch:
            yield from _encode_batch(waiting, backend, ids)
            waiting = []
    yield from _encode_batch(waiting, backend, ids)


def check_characters(tokenizer: Any, template: str) -> None:
    """Whether a tokenizer can write a template.

    Raises:
        ConfigError: it cannot write a character; all such are named.
    """
    bos, eos = tokenizer.bos_token or "", tokenizer.eos_token or ""
    skeleton = _skeleton(("system", "user", "assistant"), template, bos, eos)
    text = "".join(part for part in skeleton if part[0] not in _MARKS).replace(bos, "").replace(eos, "")
    missing = [sign for sign in sorted(set(text)) if not sign.isspace() and not _can_write(tokenizer, sign)]
    if missing:
        named = ", ".join(f"U+{ord(character):04X}" for character in missing)
        where = f"tokenizer {tokenizer.name_or_path!r}" if tokenizer.name_or_path else "tokenizer"
        raise ConfigError([f"{where}: cannot write {named}; template {template!r} needs a tokenizer that can"])


def end_sign(template: str, bos: str, eos: str) -> str:
    """What ends a reply: the template's own text after a generated content, without outer spaces."""
    found = pieces((Turn("user", "question"), Turn("assistant", "answer")), template, bos, eos)
    return "".join(piece.text for piece in found if piece.is_generated and not piece.is_content).strip()


def _can_write(tokenizer: Any, character: str) -> bool:
    ids = tokenizer.backend_tokenizer.encode(character, add_special_tokens=False).ids
    return tokenizer.unk_token_id not in ids and character in tokenizer.decode(ids)


@lru_cache(4096)
def _skeleton(roles: tuple[str, ...], template: str, bos: str, eos: str) -> tuple[str, ...]:
    messages = [{"role": role, "content": f"{_CONTENT}{index}{_CONTENT}"} for index, role in enumerate(roles)]
    text = _compiled(template).render(messages=messages, bos_token=bos, eos_token=eos, add_generation_prompt=False)
    parts = re.split(f"({_CONTENT}\\d+{_CONTENT}|{_BEGIN}|{_END})", text)
    return tuple(part.rstrip(_CONTENT) if part[0] == _CONTENT else part for part in parts if part)


@cache
def _compiled(template: str) -> Any:
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    marked = re.sub(r"{%-?\s*generation\s*-?%}", _BEGIN, source(template))
    return environment.from_string(re.sub(r"{%-?\s*endgeneration\s*-?%}", _END, marked))


def _stretches(found: list[Piece], ids: dict[str, int]) -> list[list[Piece]]:
    """Pieces grouped between the special signs; a sign of the template stands alone."""
    groups: list[list[Piece]] = [[]]
    pattern = re.compile("(" + "|".join(re.escape(sign) for sign in ids) + ")") if ids else None
    for piece in found:
        parts = [piece.text] if piece.is_content or not pattern else pattern.split(piece.text)
        for part in parts:
            if not piece.is_content and part in ids:
                groups += [[piece._replace(text=part)], []]
            elif part:
                groups[-1].append(piece._replace(text=part))
    return [group for group in groups if group]


def _encode_batch(
    waiting: list[tuple[Trajectory, list[list[Piece]]]], backend: Any, ids: dict[str, int]
) -> Iterator[Encoded]:
    texts = [
        "".join(piece.text for piece in group) for _, groups in waiting for group in groups if not _is_sign(group, ids)
    ]
    before, backend.encode_special_tokens = backend.encode_special_tokens, True  # as ordinary text
    try:
        encodings = iter(backend.encode_batch(texts, add_special_tokens=False))
    finally:
        backend.encode_special_tokens = before
    for trajectory, groups in waiting:
        result = Encoded([], [], [], [])
        for group in groups:
            if _is_sign(group, ids):
                _append(result, [ids[group[0].text]], [1], group, trajectory)
            else:
                encoding = next(encodings)
                _append(result, encoding.ids, [end for _, end in encoding.offsets], group, trajectory)
        yield result


def _is_sign(group: list[Piece], ids: dict[str, int]) -> bool:
    return len(group) == 1 and not group[0].is_content and group[0].text in ids


def _append(result: Encoded, token_ids: list[int], ends: list[int], group: list[Piece], trajectory: Trajectory) -> None:
    """Add tokens; a token belongs to the character that it ends on, so a leading space never steals a word."""
    result.input_ids.extend(token_ids)
    begin, marks = 0, _marks(group, trajectory)
    for position, (offset, loss, capability, is_format) in enumerate(marks, 1):
        end = bisect_right(ends, offset) if position < len(marks) else len(ends)
        result.loss.extend([loss] * (end - begin))
        result.capability.extend([capability if loss else NO_CAPABILITY] * (end - begin))
        result.is_format.extend([is_format] * (end - begin))
        begin = end


def _marks(group: list[Piece], trajectory: Trajectory) -> list[tuple[int, bool, int, bool]]:
    """(end offset, bears loss, capability, is format) for each stretch of a group."""
    marks, offset = [], 0
    for piece in group:
        turn = trajectory.turns[piece.turn] if piece.turn >= 0 else None
        loss = bool(turn and turn.loss and piece.is_generated)
        for length, capability, is_format in _spans(piece, turn):
            offset += length
            marks.append((offset, loss, capability, is_format))
    return marks


def _spans(piece: Piece, turn: Turn | None) -> Iterator[tuple[int, int, bool]]:
    if turn is None:
        yield len(piece.text), NO_CAPABILITY, True
    elif not turn.spans:
        yield len(piece.text), CAPABILITIES.index(CONVERSATION), not piece.is_content
    elif not piece.is_content:
        yield len(piece.text), CAPABILITIES.index(turn.spans[-1].capability), True
    else:
        for span in turn.spans:
            yield span.length, CAPABILITIES.index(span.capability), span.format
