"""Sentence encoders for T-Eval's similarities, behind one small interface.

`hashed_ngrams` is built in and deterministic; it is for the embedded study and for tests. Everything else is the folder
or the hub name of a sentence-transformers model; T-Eval uses all-mpnet-base-v2. Scores of different encoders are never
comparable, so the encoder's name is part of every score's protocol.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any

from agentflan.errors import NotAvailable

HASHED_NGRAMS = "hashed_ngrams"

_BUCKETS = 1024
_LENGTHS = (3, 4, 5)  # characters of an n-gram


class Encoder:
    """Cosines of texts. Each text is encoded once.

    Args:
        name: `hashed_ngrams`, or a sentence-transformers model.
    """

    def __init__(self, name: str) -> None:
        self._encode = hashed_ngrams if name == HASHED_NGRAMS else _sentence_transformer(name)
        self._vectors: dict[str, Any] = {}

    def read(self, texts: Iterable[str]) -> None:
        """Encode texts together, which is much faster than one by one."""
        new = sorted(set(texts) - self._vectors.keys())
        if new:
            self._vectors.update(zip(new, self._encode(new), strict=True))

    def similarity(self, left: str, right: str) -> float:
        """The cosine, or 0 where it is negative (T-Eval)."""
        self.read((left, right))
        return max(0.0, float(self._vectors[left] @ self._vectors[right]))


class Collector:
    """Stands in for an encoder in a first pass, to learn which texts the second one will ask for."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    def similarity(self, left: str, right: str) -> float:
        """Remember both texts; 0 is never used."""
        self.texts |= {left, right}
        return 0.0


def hashed_ngrams(texts: list[str]) -> Any:
    """Unit vectors of hashed character n-grams, shape (texts, buckets); an empty text is the zero vector."""
    import numpy

    vectors = numpy.zeros((len(texts), _BUCKETS))
    for row, text in zip(vectors, texts, strict=True):
        padded = f" {' '.join(text.lower().split())} ".encode()
        for length in _LENGTHS:
            for start in range(len(padded) - length + 1):
                row[zlib.crc32(padded[start : start + length]) % _BUCKETS] += 1
    norms = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / numpy.where(norms == 0, 1, norms)


def _sentence_transformer(name: str) -> Callable[[list[str]], Any]:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise NotAvailable(
            f"the encoder {name} needs the package sentence-transformers, which is not installed"
        ) from None
    try:
        model = SentenceTransformer(name)
    except Exception as error:  # the library lets errors of the hub, the file system and torch through
        raise NotAvailable(f"the encoder {name} cannot be loaded ({type(error).__name__}); give its folder") from None
    return lambda texts: model.encode(texts, normalize_embeddings=True)
