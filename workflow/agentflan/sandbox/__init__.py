"""Runs what a model wrote. It is an attack until proven otherwise, so it runs under bubblewrap or not at all.

A sandbox has no network, no other processes, no environment, no home; it sees the host's programs and a little of
``/etc``, read-only, and may write to a folder in memory. `Limits` bounds its time, memory, processes, files and output.
When the harness ends, however it ends, the sandbox ends with it. `run` is for one program; `Machine` is a small Linux
of its own, whose commands come one after another and see what the ones before have done.
"""

from __future__ import annotations

from agentflan.sandbox._limits import Ended, Limits, Result
from agentflan.sandbox._machine import Machine
from agentflan.sandbox._program import find_python, require, run

__all__ = ["Ended", "Limits", "Machine", "Result", "find_python", "require", "run"]
