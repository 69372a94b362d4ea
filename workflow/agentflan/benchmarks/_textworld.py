"""ALFWorld's own games, on TextWorld; they need the packages `alfworld` and `textworld`, and the game files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentflan.errors import FileError, NotAvailable
from agentflan.files import read_json

_ARRIVAL = "You arrive at "  # "loc 3." in older games, "desk 1." in newer ones


class Game:
    """One game, in which one command after another is done.

    Attributes:
        observation: what the last command led to; the room and the task at the start.
        commands: every command that does something now.
        won: whether the task is done.

    Raises:
        NotAvailable: a package or the game file is missing.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NotAvailable(f"{path}: no such game of ALFWorld; the setting `games` names their folder")
        self._environment = _start(path)
        banner, _, shown = self._take(self._environment.reset()).partition("\n\n")
        self.observation = shown.replace("\n\n", "\n") or banner

    def step(self, command: str) -> str:
        """Do a command and say what is seen."""
        state, _, _ = self._environment.step(command)
        seen = self._take(state)
        self.observation = seen[seen.find(". ") + 2 :] if seen.startswith(_ARRIVAL) else seen
        return self.observation

    def close(self) -> None:
        """Let the game go."""
        self._environment.close()

    def _take(self, state: Any) -> str:
        self.won, self.commands = bool(state.won), list(state.admissible_commands)
        return state.feedback


def walkthrough(path: Path) -> list[str]:
    """The commands that solve a game, as its file has them.

    Raises:
        FileError: it has none.
    """
    found = read_json(path).get("walkthrough")
    if not found:
        raise FileError(path, "no walkthrough", "a game with its solution")
    return list(found)


def _start(path: Path) -> Any:
    try:
        import textworld
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
    except ImportError as error:
        raise NotAvailable(f"ALFWorld's games need the package {error.name}, which is not installed") from None
    wanted = textworld.EnvInfos(won=True, admissible_commands=True)
    return textworld.start(str(path), wanted, wrappers=[AlfredDemangler(shuffle=False)])
