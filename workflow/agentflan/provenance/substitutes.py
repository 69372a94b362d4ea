"""What stands in for the real thing: data, model, environment or encoder, as a step's own parameters say."""

from __future__ import annotations

from typing import Any

ENVIRONMENTS = {"embedded", "sqlite", "synthetic"}  # settings of benchmarks; each says in its module what it replaces
ENCODERS = {"hashed_ngrams"}


def substitutes(command: str, parameters: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """The stand-ins that a step brings in, in words.

    Args:
        command: its name.
        parameters: as recorded.
        settings: those of its benchmark, defaults included; {} for other steps.
    """
    found = []
    if command == "make_world":
        found.append("data: the embedded world in place of the published corpora and tasks")
    if command == "train_checkpoint" and parameters.get("from_scratch"):
        found.append("model: trained from scratch in place of public weights")
    if settings.get("environment") in ENVIRONMENTS:
        found.append(f"environment: {settings['environment']}")
    if settings.get("wiki") == "frozen":
        found.append("environment: the pages that come with the questions in place of Wikipedia")
    if settings.get("nouns") == "heuristic" and command == "score_transcripts":
        found.append("nouns: guessed in place of spaCy's")
    if settings.get("image") == "":
        found.append("environment: this host's programs in place of an image")
    if settings.get("encoder") in ENCODERS and command == "score_transcripts":
        found.append(f"encoder: {settings['encoder']}")
    return found
