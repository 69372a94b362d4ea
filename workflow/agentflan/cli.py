"""The one runner of all commands: `agentflan NAME …`. It parses, calls one function, and turns errors into sentences.

A command is a module of `agentflan.commands` with three things: a docstring (its ``--help``),
``add_arguments(parser)`` and ``run(arguments) -> str``, whose return value is the last line printed. What it reads and
writes is declared by the types of its arguments (`agentflan.arguments`), and recorded here, for all commands. A line
may have an ``exit_code`` of its own, and ``when_recorded``: what is done last, when the job's record is written.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from types import ModuleType

from agentflan import __version__, commands
from agentflan.arguments import OutputFolder, OutputPath, UpdatedPath
from agentflan.errors import AgentFlanError, FileError
from agentflan.provenance.recorder import declared, recorded

_INTO_FOLDERS = (  # commands whose --out is a folder
    *("export_crate", "export_dataset", "fetch_model", "fetch_raw", "make_world", "train_checkpoint"),
    *("train_tokenizer", "write_latex"),
)


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 done (a result that says "not run" is done too), 1 bad input, 2 wrong usage, 143 stopped by SIGTERM;
        or the ``exit_code`` of the result.
    """
    argv = sys.argv[1:] if argv is None else argv
    names = command_names()
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview(names))
        return 0
    if argv[0] == "--version":
        print(__version__)
        return 0
    if argv[0] not in names:
        print(f"agentflan: no command {argv[0]!r}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    return _run(argv[0], argv[1:])


def command_names() -> list[str]:
    """All commands, by listing the folder."""
    return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command's arguments."""
    command = importlib.import_module(f"agentflan.commands.{name}")
    parser = argparse.ArgumentParser(
        prog=f"agentflan {name}", description=command.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_arguments(parser)
    return parser


def _run(name: str, argv: list[str]) -> int:
    command = importlib.import_module(f"agentflan.commands.{name}")
    arguments = parser_of(name).parse_args(argv, argparse.Namespace(command_line=[name, *argv]))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        _check_outputs(name, arguments)
        with recorded(name, argv, arguments):
            result = command.run(arguments)
        if last := getattr(result, "when_recorded", None):
            last()
        print(result)
        return getattr(result, "exit_code", 0)
    except (AgentFlanError, OSError) as error:
        logging.debug(traceback.format_exc())
        told = error if isinstance(error, AgentFlanError) else _sentence_of(error)
        print(f"agentflan {name}: {told}", file=sys.stderr)
        return told.exit_code


def _check_outputs(name: str, arguments: argparse.Namespace) -> None:
    """Refuse outputs that certainly cannot be written, before the command works for them.

    Raises:
        FileError: a folder stands where a file is written, a file where a folder is, or no folder can be made or
            written to.
    """
    for argument, path in declared(arguments, (OutputPath, OutputFolder, UpdatedPath)):
        is_file = not isinstance(path, OutputFolder) and (argument != "out" or name not in _INTO_FOLDERS)
        if is_file and path.is_dir():
            raise FileError(path, "a folder", f"the name of a file (--{argument.replace('_', '-')})")
        if argument == "out" and name in _INTO_FOLDERS and path.is_file():
            raise FileError(path, "a file", "the name of a folder (--out)")
        above = path if path.is_dir() else next(filter(Path.exists, Path(path).absolute().parents))
        if not above.is_dir():
            raise FileError(above, "a file", f"a folder, to write {path}")
        if not os.access(above, os.W_OK | os.X_OK):
            raise FileError(above, "a folder that must not be written to", f"one for {path}")


def _sentence_of(error: OSError) -> AgentFlanError:
    """What the system refused, in the project's words."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return AgentFlanError(f"{reason} ({type(error).__name__})")
    return FileError(str(error.filename), reason, "a file or folder that can be read and written")


def _overview(names: list[str]) -> str:
    lines = ["usage: agentflan COMMAND …   (agentflan COMMAND --help explains each)", ""]
    return "\n".join(lines + [f"  {name:24}{_first_line(name)}" for name in names])


def _first_line(name: str) -> str:
    module: ModuleType = importlib.import_module(f"agentflan.commands.{name}")
    return (module.__doc__ or "").strip().splitlines()[0]
