"""WebShop's products and what people wanted of them. Its files lie on a drive that asks: give their folder with --from.

``items_shuffle*.json`` holds the products, ``items_ins_v2*.json`` their attributes, ``items_human_ins.json`` the
instructions that people wrote. Prices, options and texts become what the shop shows, as upstream reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._records import check, maybe, read_object, records
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError

KIND = "tasks"
SOURCE = Source(
    licence="MIT (code); none declared for the products",
    url="",
    files=(
        SourceFile("items_shuffle_1000.json"),
        SourceFile("items_ins_v2_1000.json"),
        SourceFile("items_human_ins.json"),
        _harness.WEBSHOP,
        _harness.WEBSHOP_COLOURS,
    ),
)
OPTIONAL_FILES = ("prompt.json",)

_LONGEST_CODE = 10
_UNPRICED = 100.0
_NO_ATTRIBUTE = ["DUMMY_ATTR"]  # upstream's word
_PRODUCT = {
    "name": str,
    "full_description": str | None,
    "small_description": lambda value: [str] if isinstance(value, list) else str | None,
    "query": str,
    "product_category": str,
    "pricing?": str | None,
    "customization_options?": maybe({str: maybe([{"value": str}])}),
    "source?": str,
}
_ATTRIBUTES = {str: {"attributes?": [str]}}
_WISH = {
    "instruction": str,
    "instruction_attributes": [str],
    "instruction_options": lambda value: {str: str} if isinstance(value, dict) else [str],
}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Products with code, name, description, bullets, query, path, prices, options, attributes, wishes and source.

    `prices` is one number or a lowest and a highest one, in dollars; `path` are the categories above the product;
    `wishes` are the instructions with their attributes and options.

    Raises:
        FileError: a file is missing or damaged, or the products are no list.
        RecordError: a product, its attributes or an instruction has another shape, or a price cannot be read.
    """
    path = _one(folder, "items_shuffle*.json")
    attributes = read_object(_one(folder, "items_ins_v2*.json"), _ATTRIBUTES)
    wishes = read_object(_one(folder, "items_human_ins.json"), {str: [_WISH]})
    seen: set[str] = set()
    for _, number, row in records([path], {"asin": str}, ("asin",), distinct=False):
        code = row["asin"]
        if code == "nan" or len(code) > _LONGEST_CODE or code in seen:
            continue
        seen.add(code)
        check(row, _PRODUCT, path, number, ("asin",))
        try:
            yield _product(row, attributes.get(code, {}), wishes.get(code, []))
        except ValueError:
            found = repr(row["pricing"])
            raise RecordError(path, f"{number} ({code})", "pricing", found, "prices such as $12.50 to $15") from None


def read_colours(folder: Path) -> list[str]:
    """The colours that upstream finds in options, in its order; [] without its file.

    Raises:
        FileError: the file has another form than AgentTuning's.
    """
    path = folder / _harness.WEBSHOP_COLOURS.name
    return _harness.Code(path).literal("COLOR_SET") if path.exists() else []


def _product(row: dict[str, Any], known: dict[str, Any], wishes: list[dict[str, Any]]) -> dict[str, Any]:
    bullets = row["small_description"]
    return {
        "code": row["asin"],
        "name": row["name"],
        "description": row["full_description"] or "",
        "bullets": bullets if isinstance(bullets, list) else [bullets or ""],
        "query": row["query"].lower().strip(),
        "path": [name.strip() for name in row["product_category"].split("›")],
        "prices": _prices(row.get("pricing")),
        "options": dict(_options(row.get("customization_options") or {})),
        "attributes": known.get("attributes", _NO_ATTRIBUTE),
        "wishes": [
            {
                "text": wish["instruction"],
                "attributes": wish["instruction_attributes"],
                "options": wish["instruction_options"],
            }
            for wish in wishes
        ],
        "source": row.get("source", "WebShop"),
    }


def _prices(text: str | None) -> list[float]:
    """The prices of ``$12.50`` or ``$12.50 to $15``."""
    found = [float(re.sub(r"[^\d.]", "", part)) for part in (text or "").split("$")[1:]]
    return found[:2] or [_UNPRICED]


def _options(choices: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for name, values in choices.items():
        if values is not None:
            yield name.lower(), [value["value"].strip().replace("/", " | ").lower() for value in values]


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise FileError(folder, f"no {pattern}", "the files of WebShop")
    return found[0]
