"""Types of command-line arguments that say what a step reads and writes, and arguments that are JSON objects.

A command declares its files by these types (``type=InputPath``) and does nothing else for its record of provenance: the
runner finds them among the parsed arguments by their type.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agentflan.errors import ConfigError

_Path = type(Path())


class InputPath(_Path):
    """A file, or a folder with all that is in it, that the step reads."""


class InputFolder(_Path):
    """A folder shared by several steps: the files below it that this step opens are its inputs."""


class InputName(str):
    """A file or folder that the step reads if there is one of this name; else the name of something elsewhere."""


class OutputPath(_Path):
    """A file, or a folder of this step's own, that the step writes."""


class OutputFolder(_Path):
    """A folder, or the stem of several files, shared with other steps: what this step puts there is its output."""


class MeasuredPath(OutputPath):
    """An output that tells times of this very run: the same job, run again, gives other bytes."""


class UpdatedPath(_Path):
    """A file that the step reads if it is there and may add to: input and output, even if nothing was added."""


def json_object(text: str, flag: str) -> dict[str, Any]:
    """The object that a flag was given as JSON.

    Raises:
        ConfigError: the text is no JSON object.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError([f"{flag}: not JSON ({error})"]) from None
    if not isinstance(value, dict):
        raise ConfigError([f"{flag}: found a JSON {type(value).__name__}; expected an object"])
    return value
