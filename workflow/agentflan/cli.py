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
import pkgutil
import sys
import traceback
from types import ModuleType

from agentflan import __version__, commands
from agentflan.errors import AgentFlanError
from agentflan.provenance.recorder import recorded


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
        with recorded(name, argv, arguments):
            result = command.run(arguments)
        if last := getattr(result, "when_recorded", None):
            last()
        print(result)
        return getattr(result, "exit_code", 0)
    except AgentFlanError as error:
        logging.debug(traceback.format_exc())
        print(f"agentflan {name}: {error}", file=sys.stderr)
        return error.exit_code


def _overview(names: list[str]) -> str:
    lines = ["usage: agentflan COMMAND …   (agentflan COMMAND --help explains each)", ""]
    return "\n".join(lines + [f"  {name:24}{_first_line(name)}" for name in names])


def _first_line(name: str) -> str:
    module: ModuleType = importlib.import_module(f"agentflan.commands.{name}")
    return (module.__doc__ or "").strip().splitlines()[0]
