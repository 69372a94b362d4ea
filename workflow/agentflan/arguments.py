"""Types of command-line arguments that say what a step reads and writes.

A command declares its files by these types (``type=InputPath``) and does nothing else for its record of provenance: the
runner finds them among the parsed arguments by their type.
"""

from __future__ import annotations

from pathlib import Path

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
