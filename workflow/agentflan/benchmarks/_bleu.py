"""Which of several sentences is most like another, as AgentBench's household judges it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

_LONGEST = 4  # words of a phrase
_K = 5  # of smoothing method 4 (Chen and Cherry, 2014)


def most_similar(text: str, choices: Sequence[str], least: float) -> str:
    """The first choice with the highest BLEU, or the text itself if none is above `least`."""
    found = max(choices, key=lambda choice: bleu(choice, text), default=text)
    return found if bleu(found, text) > least else text


def bleu(reference: str, text: str) -> float:
    """BLEU of a text of words between spaces, 0–1, with phrases of up to four words and smoothing method 4, as nltk."""
    wanted, words = reference.split(), text.split()
    if not set(words) & set(wanted):
        return 0.0
    logs, smoothed = [], 0
    for length in range(1, _LONGEST + 1):
        phrases, known = _phrases(words, length), _phrases(wanted, length)
        matches = sum((phrases & known).values())
        if not matches and len(words) == 1:
            continue  # nothing to smooth by
        if not matches:
            smoothed += 1
            matches = math.log(len(words)) / (2**smoothed * _K)
        logs.append(math.log(matches / max(sum(phrases.values()), 1)))
    brevity = min(0.0, 1 - len(wanted) / len(words))
    return math.exp(brevity + sum(logs) / _LONGEST)


def _phrases(words: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[start : start + length]) for start in range(len(words) - length + 1))
