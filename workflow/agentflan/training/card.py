"""The model card of a checkpoint: what it was trained from, on what, how, and with which libraries.

No times and no figures that vary: the same run gives the same bytes, and what was measured stands in the study's
``throughput/`` folder, to which the card points.
"""

from __future__ import annotations

import json
from typing import Any

_FRONT = "---\nlibrary_name: transformers\npipeline_tag: text-generation\n---\n"


def model_card(name: str, facts: dict[str, Any]) -> str:
    """The text of README.md.

    Args:
        name: of the checkpoint.
        facts: `condition`, `template`, `base` and `data` (file → SHA-256), `settings`, `counts`, `versions`.
    """
    condition = facts["condition"] or {}
    parts = [
        f"{_FRONT}\n# {name}\n",
        f"Made by `agentflan train_checkpoint`. Condition: {condition.get('name', 'none')}; chat template: "
        f"{facts['template']}, stored beside the weights. Speed, padding, memory and energy of the training: "
        f"`throughput/{name}.json` of the study; losses by capability, format and corpus: `losses/{name}.parquet`.\n",
        f"## Base model, SHA-256 by file\n\n{_hashes(facts['base'])}",
        f"## Training data, SHA-256 by file\n\n{_hashes(facts['data'])}",
        f"## Condition\n\n{_block(condition)}",
        f"## Recipe\n\n{_block(facts['settings'])}",
        f"## What happened to the conversations\n\n{_block(facts['counts'])}",
        f"## Versions\n\n{_block(facts['versions'])}",
    ]
    return "\n".join(parts)


def _hashes(files: dict[str, str]) -> str:
    if not files:
        return "none: trained from scratch\n"
    return "| file | SHA-256 |\n|---|---|\n" + "".join(f"| `{name}` | `{value}` |\n" for name, value in files.items())


def _block(facts: Any) -> str:
    return f"```json\n{json.dumps(facts, indent=2, ensure_ascii=False)}\n```\n"
