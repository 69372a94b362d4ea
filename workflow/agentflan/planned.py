"""What the present configuration asks for: the workflow's own commands, as Snakemake lists them, parsed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from agentflan.arguments import InputPath, OutputFolder, OutputPath
from agentflan.cli import command_names, parser_of
from agentflan.errors import NotAvailable
from agentflan.provenance.recorder import declared, parameters_of
from agentflan.provenance.redact import Redactor

_LOG, _COMMAND = "    log: ", "Shell command: "  # lines of a dry run


def planned_jobs(root: Path, studies: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Path of each output and log → the parameters and input paths of the job that is to make it.

    Args:
        root: the folder of the Snakefile.
        studies: names of studies.

    Raises:
        NotAvailable: Snakemake cannot plan them.
    """
    jobs: dict[str, dict[str, Any]] = {}
    for study in studies:
        for command, log in set(_listed(root, study)):
            arguments = _parse(command)
            if arguments is not None:
                job = _job(arguments)
                outputs = declared(arguments, (OutputPath, OutputFolder))
                jobs |= dict.fromkeys([log, *(os.path.normpath(path) for _, path in outputs)], job)
    return jobs


def _listed(root: Path, study: str) -> Iterator[tuple[str, str]]:
    """(shell command, log) of every job of a study, from a dry run."""
    words = ["--dry-run", "--forceall", "--printshellcmds", "--nolock", "--config", f"study={study}"]
    done = subprocess.run([sys.executable, "-m", "snakemake", *words], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise NotAvailable(f"snakemake cannot plan the study {study}: {done.stderr.strip().splitlines()[-1:]}")
    log = ""
    for line in done.stdout.splitlines():
        if line.startswith(_LOG):
            log = line.removeprefix(_LOG)
        elif line.startswith(_COMMAND):
            yield line.removeprefix(_COMMAND), log


def _parse(command: str) -> Namespace | None:
    """The arguments of ``agentflan NAME … > log``; None if it is no command of ours."""
    text = _without_dirname(command).split(" > ")[0]
    program, name, *words = [*shlex.split(text), ""]
    return parser_of(name).parse_args(words[:-1]) if program == "agentflan" and name in command_names() else None


def _without_dirname(command: str) -> str:
    """``$(dirname a/b)`` as the shell gives it: ``a``."""
    before, sign, rest = command.partition("$(dirname ")
    if not sign:
        return command
    path, _, after = rest.partition(")")
    return before + os.path.dirname(path) + _without_dirname(after)  # noqa: PTH120 (text of a command, not a file)


def _job(arguments: Namespace) -> dict[str, Any]:
    inputs = [os.path.normpath(path) for _, path in declared(arguments, (InputPath,))]
    return {"parameters": parameters_of(arguments, Redactor()), "inputs": sorted(inputs)}
