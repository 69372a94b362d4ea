"""The FormalParameters of a crate: what commands and the workflow take and give, examples of it, what feeds what.

A command's parameters are its arguments, so that one step of many jobs has each of them once; the files and values of
the jobs are examples of them. A ParameterConnection hangs on the step that receives (Provenance Run Crate 0.5, after
CWL), or on the workflow where it gives one of the workflow's own outputs.
"""

from __future__ import annotations

import hashlib

from rocrate.model import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

INPUT, OUTPUT, VALUE = "input", "output", "value"
FILE, DATASET = "File", "Dataset"
_PROFILE = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
_VALUES = {bool: "Boolean", int: "Integer", float: "Float"}  # as schema.org names them; all else is told as text
_UNNAMED = "files"  # what a step opened or wrote in a folder that it shares with other steps


class Parameters:
    """The FormalParameters of one crate, each once."""

    def __init__(self, crate: ROCrate) -> None:
        self._crate = crate
        self._linked: set[tuple[str, str]] = set()

    def add(self, holder: Entity, side: str, name: str, kind: str, example: Entity | None) -> None:
        """Declare a parameter, unless it is known, with one more example of it.

        Args:
            holder: the command or workflow whose parameter it is.
            side: `INPUT` or `OUTPUT` of files, or `VALUE`: an input too, but apart, as some arguments take either.
            name: of the argument; "" if none named the file.
            kind: of the example: `FILE`, `DATASET` or a type of values.
            example: the file, folder or value; None if it is not kept.
        """
        parameter = self.get(holder, side, name)
        if parameter is None:
            told = {"@type": "FormalParameter", "name": name or _UNNAMED, "conformsTo": {"@id": _PROFILE}}
            parameter = self._crate.add(ContextEntity(self._crate, _identifier(holder, side, name), told))
            holder.append_to(INPUT if side == VALUE else side, parameter)
        self._link(parameter, "additionalType", kind)
        if example is not None:
            self._link(parameter, "workExample", example)
            self._link(example, "exampleOfWork", parameter)

    def get(self, holder: Entity, side: str, name: str) -> Entity | None:
        """A parameter that was declared."""
        return self._crate.get(_identifier(holder, side, name))

    def connect(self, source: Entity | None, target: Entity | None, receiver: Entity) -> None:
        """Tell once that one parameter feeds another one, if both were declared."""
        if source is None or target is None:
            return
        identifier = f"#connection-{hashlib.sha256(f'{source.id} {target.id}'.encode()).hexdigest()[:16]}"
        if self._crate.get(identifier) is None:
            told = {"@type": "ParameterConnection", "sourceParameter": source, "targetParameter": target}
            receiver.append_to("connection", self._crate.add(ContextEntity(self._crate, identifier, told)))

    def _link(self, entity: Entity, name: str, value: Entity | str) -> None:
        link = (f"{entity.id} {name}", value if isinstance(value, str) else value.id)
        if link not in self._linked:
            self._linked.add(link)
            entity.append_to(name, value, compact=True)


def kind_of(value: object) -> str:
    """The type of a value as schema.org names it."""
    return _VALUES.get(type(value), "Text")


def _identifier(holder: Entity, side: str, name: str) -> str:
    return f"#{holder.id.removeprefix('#')}/{side}/{name or _UNNAMED}"
