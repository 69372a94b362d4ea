"""`config/README.md` and `config/schema.json`, written from the classes of `agentflan.study` so that none drifts."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agentflan.study import (
    ApiModel,
    Condition,
    Configuration,
    General,
    Hardware,
    Model,
    Negatives,
    PublicShape,
    Recipe,
    Shape,
    Study,
    Weights,
    World,
)

_INTRO = """# Configuration

Written by `agentflan write_config_docs` from `workflow/agentflan/study.py`; do not edit.

`config.yaml` chooses a study; `snakemake --config study=paper` does so for one call. A study
(`studies/<name>.yaml`) names models from `models.yaml` and conditions from `conditions.yaml`. Unknown keys, wrong types
and names that do not exist are errors, all listed at once with file and key. `schema.json` gives editors completion.

What can be set of a benchmark stands with its defaults in its module, `workflow/agentflan/benchmarks/<name>.py`
(`DEFAULTS`), and what can be set of all in `_protocol.py` beside it (`COMMON_DEFAULTS`).
"""
_PARTS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("A study: `studies/<name>.yaml`", Study),
    ("`world` of a study", World),
    ("`negatives` of a study", Negatives),
    ("`api_models` of a study, one block a row", ApiModel),
    ("`hardware` of a study", Hardware),
    ("A training condition: a block of `conditions.yaml`", Condition),
    ("`weights` of a condition", Weights),
    ("`general` of a condition", General),
    ("A base model: a block of `models.yaml`", Model),
    ("`scratch` of a model", Shape),
    ("`shape` of a model", PublicShape),
    ("`recipe` and `pretraining` of a model", Recipe),
)


def files(folder: Path) -> dict[Path, str]:
    """The generated files with their texts."""
    schema = json.dumps(Configuration.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
    return {folder / "README.md": _readme(), folder / "schema.json": schema}


def _readme() -> str:
    sections = [f"## {title}\n\n{(kind.__doc__ or '').strip()}\n\n{_table(kind)}" for title, kind in _PARTS]
    return "\n".join([_INTRO, *sections])


def _table(kind: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_default(field)} | {field.description or name} |" for name, field in kind.model_fields.items()
    ]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see below"
    return "none" if value is None else f"`{json.dumps(value)}`"
