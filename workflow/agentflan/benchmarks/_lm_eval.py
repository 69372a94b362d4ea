"""lm-eval's way of asking and judging, over rows in memory; the model is asked by our backends.

A task is what lm-eval's YAML files hold, under the same names: `description`, `doc_to_text`, `doc_to_target`,
`generation_kwargs`, `filter_list`, `metric_list`. Its templates, filters and metrics are lm-eval's own. Its task class,
which would load pandas and `datasets` in each of many short processes, is not used; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

Config = Mapping[str, Any]

_TARGET_DELIMITER, _EXAMPLE_DELIMITER = " ", "\n\n"  # lm-eval's defaults


def prompt(config: Config, shots: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> str:
    """The text that the model is to continue: description, examples with their answers, the row.

    Args:
        config: the task.
        shots: the examples.
        row: what is asked, with the fields that the templates name.
    """
    examples = [
        _fill(config["doc_to_text"], shot) + _TARGET_DELIMITER + _fill(config["doc_to_target"], shot) for shot in shots
    ]
    asked = _EXAMPLE_DELIMITER.join([*examples, _fill(config["doc_to_text"], row)])
    return _fill(config.get("description", ""), row) + asked


def stops(config: Config) -> tuple[str, ...]:
    """Where a reply ends."""
    return tuple(config["generation_kwargs"]["until"])


def judge(config: Config, row: Mapping[str, Any], reply: str) -> dict[str, bool]:
    """Name of each filter → whether the exact match of what it leaves of the reply is right."""
    from lm_eval.api.instance import Instance
    from lm_eval.api.metrics import exact_match_fn
    from lm_eval.filters import build_filter_ensemble

    (metric,) = config["metric_list"]
    options = {key: value for key, value in metric.items() if key != "metric"}
    instance = Instance("generate_until", dict(row), ("", {}), 0)
    instance.resps = [reply]
    target, found = _fill(config["doc_to_target"], row), {}
    for chain in config["filter_list"]:
        steps = [(step["function"], {key: step[key] for key in step if key != "function"}) for step in chain["filter"]]
        build_filter_ensemble(chain["name"], steps).apply([instance])
        text = instance.filtered_resps[chain["name"]]
        found[chain["name"]] = bool(exact_match_fn(predictions=[text], references=[target], **options)["exact_match"])
    return found


def harness() -> str:
    """Name and version, for the score."""
    return f"lm-eval {version('lm-eval')}"


def _fill(template: str, row: Mapping[str, Any]) -> str:
    return _template(template).render(**row)


@lru_cache(maxsize=32)
def _template(text: str) -> Any:
    from lm_eval.utils import env

    return env.from_string(text)
