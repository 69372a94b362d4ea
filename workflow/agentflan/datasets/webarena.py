"""WebArena's 812 tasks, in the frozen copy that AgentTuning evaluated with, and its prompt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._source import Source, SourceFile
from agentflan.datasets._webarena import read_tasks
from agentflan.errors import FileError

KIND = "tasks"
_REVISION = "e33a45d7eab2b63cac4d1956da1e6377fca9fcc7"
_FILE = "config_files/test.raw.json"
_PROMPT = "agent/prompts/raw/p_cot_id_actree_2s.py"
SOURCE = Source(
    licence="Apache-2.0",
    url=f"https://raw.githubusercontent.com/THUDM/AgentTuning/{_REVISION}/eval_heldout/webarena",
    files=(
        SourceFile(_FILE, "4ea85923dd3d5425913cf655f04803c75b7c8ce7a5de7088a7782d5313efabf3", 876_087),
        SourceFile(_PROMPT, "50766c5cc959806a3e800a809ab0731945a709b92897a5f7fc56fdd9c4bb090b", 4_581, optional=True),
    ),
    rows=812,
)
OPTIONAL_FILES = ("prompt.json",)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Tasks as upstream has them, with an id."""
    names = (_FILE, "test.raw.json", "test.raw.json.gz")
    path = next((folder / name for name in names if (folder / name).exists()), None)
    if not path:
        raise FileError(folder, f"no {_FILE}", "WebArena's task configurations")
    return read_tasks(path)
