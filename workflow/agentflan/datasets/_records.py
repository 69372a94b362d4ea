"""Records of task files: a shape says what they must be, and what differs is named by file, record and field.

A shape is one of these::

    str, int, float, bool, list, dict, object   a value of this type; a whole number is a float, too, all is an object
    str | None                                  a value of one of these types
    {"a", "b"}                                  one of these texts
    [shape]                                     a list of such values
    (shape, shape)                              a list of as many values
    {"a": shape, "b?": shape}                   an object with these fields among others; `b` may be missing
    {str: shape}                                an object with any names
    a function                                  gives the shape for a value

A text must be one that a file can hold: half of a surrogate pair is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FunctionType, NoneType
from typing import Any, get_args

from agentflan.errors import FileError, RecordError
from agentflan.files import read_json, read_jsonl

_WORDS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    NoneType: "null",
    object: "a value",
}
_SHOWN = 80  # characters of a value


def maybe(shape: Any) -> Callable[[Any], Any]:
    """The shape of what may be null."""
    return lambda value: NoneType if value is None else shape


def records(
    paths: Iterable[Path], shape: Any, names: Sequence[str] = (), distinct: bool = True
) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """The records of JSON-lines files and of JSON files that are lists, each checked, with its file and number.

    Args:
        paths: the files.
        shape: what each record must be.
        names: the fields that may name a record; the first one that is there does.
        distinct: whether no two records may have the same name.

    Raises:
        FileError: a file is missing or damaged, or is no list.
        RecordError: a record has another shape, or the name of an earlier one.
    """
    seen: dict[str, str] = {}
    for path in paths:
        for number, row in enumerate(_rows(path), 1):
            check(row, shape, path, number, names)
            field = next((field for field in names if field in row), None)
            if field and distinct:
                where = f"record {number} of {path.name}"
                first = seen.setdefault(row[field], where)
                if first != where:
                    found = f"{row[field]!r} again, which {first} has"
                    raise RecordError(path, _label(row, number, names), field, found, "another one in each record")
            yield path, number, row


def read_object(path: Path, shape: Any) -> dict[str, Any]:
    """A JSON file that is one object.

    Raises:
        FileError: the file is missing or damaged.
        RecordError: it has another shape.
    """
    found = read_json(path)
    check(found, shape, path, 1)
    return found


def read_prompt(folder: Path, shape: dict[str, Any]) -> dict[str, Any]:
    """The texts of ``prompt.json`` in a folder of tasks; {} if there is no such file.

    Args:
        folder: the raw folder.
        shape: the texts that the benchmark knows; each may be missing.

    Raises:
        FileError: the file is damaged.
        RecordError: it is no object, or holds a text that is not known or of another shape.
    """
    path = folder / "prompt.json"
    if not path.exists():
        return {}
    found = read_object(path, {})
    for name, value in found.items():
        if name not in shape:
            raise RecordError(path, 1, _plain(name), _shown(value), f"texts among {', '.join(shape)}")
        check({name: value}, {name: shape[name]}, path, 1)
    return found


def check(row: Any, shape: Any, path: Path, number: int | str, names: Sequence[str] = ()) -> None:
    """Refuse a record of another shape.

    Args:
        row: the record.
        shape: what it must be.
        path: its file.
        number: its number in the file.
        names: the fields that may name it.

    Raises:
        RecordError: it differs; file, record, field, what was found and what was expected are named.
    """
    for field, found, expected in problems(row, shape):
        raise RecordError(path, _label(row, number, names), _plain(field), found, expected)


def problems(value: Any, shape: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """What is wrong with a value: field, what was found, what was expected."""
    shape = _resolved(shape, value)
    if not _fits(value, shape):
        yield place, _shown(value), _expected(shape)
    elif isinstance(shape, dict):
        yield from _problems_of_object(value, shape, place)
    elif isinstance(shape, list | tuple):
        shapes = shape * len(value) if isinstance(shape, list) else shape
        for index, (item, inner) in enumerate(zip(value, shapes, strict=True)):
            yield from problems(item, inner, f"{place}[{index}]")
    else:
        yield from _halves(value, place)


def _problems_of_object(value: dict[str, Any], shape: dict[Any, Any], place: str) -> Iterator[tuple[str, str, str]]:
    if str in shape:
        yield from _halves(list(value), f"names of {place}" if place else "names")
        shape = dict.fromkeys(value, shape[str])
    for name, inner in shape.items():
        field = name if name in value else name.removesuffix("?")
        inside = _inside(place, field)
        if field in value:
            yield from problems(value[field], inner, inside)
        elif name == field:
            yield inside, "nothing", _expected(_resolved(inner, None))


def _resolved(shape: Any, value: Any) -> Any:
    """The shape that functions give for a value."""
    while isinstance(shape, FunctionType):
        shape = shape(value)
    return shape


def _fits(value: Any, shape: Any) -> bool:
    """Whether a value is of the kind of a shape, whatever it holds."""
    if isinstance(shape, set):
        return isinstance(value, str) and value in shape
    if isinstance(shape, tuple):
        return isinstance(value, list) and len(value) == len(shape)
    if isinstance(shape, list | dict):
        return isinstance(value, type(shape))
    kinds = get_args(shape) or (shape,)
    return type(value) in kinds or object in kinds or (type(value) is int and float in kinds)


def _expected(shape: Any) -> str:
    if isinstance(shape, set):
        return f"one of {', '.join(map(repr, sorted(shape)))}"
    if isinstance(shape, tuple):
        return f"a list of {' and '.join(map(_expected, shape))}"
    if isinstance(shape, list):
        return "a list"
    if isinstance(shape, dict):
        needed = [name for name in shape if name is not str and not name.endswith("?")]
        return f"an object with {', '.join(needed)}" if needed else "an object"
    return " or ".join(_WORDS[kind] for kind in get_args(shape) or (shape,))


def _halves(value: Any, place: str) -> Iterator[tuple[str, str, str]]:
    """The texts in a value that hold half of a surrogate pair, which no file and no model can take."""
    if isinstance(value, str):
        if not value.isascii() and _plain(value) != value:
            yield place, f"half of a surrogate pair in {_shown(value)}", "text"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _halves(item, f"{place}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _halves(name, place)
            yield from _halves(item, _inside(place, name))


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _shown(value: Any) -> str:
    return "null" if value is None else repr(value)[:_SHOWN]


def _label(row: Any, number: int | str, names: Sequence[str]) -> int | str:
    """The record's number, and its name if it has one."""
    found = [row[field] for field in names if isinstance(row.get(field), str)] if isinstance(row, dict) else []
    return f"{number} ({_plain(found[0])})" if found else number


def _rows(path: Path) -> Iterator[Any]:
    if ".jsonl" in path.name:
        yield from read_jsonl(path)
        return
    rows = read_json(path)
    if not isinstance(rows, list):
        raise FileError(path, f"a JSON {type(rows).__name__}", "a list of records")
    yield from rows
