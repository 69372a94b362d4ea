"""What the rest of the project knows and an audit asks for: settings, pinned hashes, what the configuration wants."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from agentflan import benchmarks, datasets
from agentflan.errors import AgentFlanError
from agentflan.outline import outline
from agentflan.plan import Plan
from agentflan.provenance.audit import Knowledge
from agentflan.provenance.store import Store


def knowledge(store: Store, planned: dict[str, dict[str, Any]]) -> Knowledge:
    """What an audit of a store needs.

    Args:
        store: the records.
        planned: what `agentflan.planned` says of each output; {} if the configuration is not asked.
    """
    return Knowledge(_settings, _pins, planned, partial(_outline, store))


def _outline(store: Store, study: str) -> dict[str, Any] | None:
    try:
        return json.loads(json.dumps(outline(Plan.load(store.root / "config", study))))
    except AgentFlanError:
        return None


def _settings(benchmark: str, given: dict[str, Any]) -> dict[str, Any]:
    known = benchmarks.load(benchmark).DEFAULTS if benchmark in benchmarks.names() else {}
    return known | given


def _pins(dataset: str) -> dict[str, str | None]:
    if dataset not in datasets.names():
        return {}
    return {file.name: file.sha256 for file in datasets.load(dataset).SOURCE.files}
