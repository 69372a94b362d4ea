"""Tables of the paper as LaTeX, to be read with ``\\input``: a tabular, or a longtable if it is longer than a page.

They need the packages booktabs, makecell and longtable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from agentflan.tables._scores import NOT_RUN

PACKAGES = ("booktabs", "makecell", "longtable")
_LONGEST = 40  # rows of a tabular, which cannot break over pages
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"${sign}$" for sign in "<>|"},  # these are other signs in TeX's first font encoding
    "−": "$-$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_ESCAPED = re.compile("|".join(map(re.escape, _SPECIAL)))
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


def side_by_side(content: dict[str, Any]) -> str:
    """A table of the paper: in each place the published value, ours in bold (or that it was not run), its interval.

    Args:
        content: an entry of ``tables`` in the manuscript.
    """
    header = [*content["keys"], *content["columns"]]
    rows = [[*map(escape, row["keys"]), *map(_place, row["cells"])] for row in content["rows"]]
    return table("l" * len(content["keys"]) + "c" * len(content["columns"]), header, rows)


def grid(content: dict[str, Any]) -> str:
    """A table of plain texts, an entry of ``grids`` in the manuscript; turned if it is wider than long."""
    lines = [content["columns"], *content["rows"]]
    header, *rows = zip(*lines, strict=True) if len(content["columns"]) > len(lines) else lines
    columns = "".join("c" if all(map(_is_number, column)) else "l" for column in zip(*rows, strict=True))
    return table(columns, header, [[escape(text) for text in row] for row in rows])


def claims(claims: Sequence[dict[str, Any]]) -> str:
    """One line a test, the claim and its verdict before its first one.

    Args:
        claims: as in the manuscript.
    """
    columns = ("test", "published", "effect", "low", "high", "p_adjusted", "detectable", "power")
    rows = []
    for claim in claims:
        rows.append([rf"\textit{{{escape(claim['says'])}}}", *[""] * (len(columns) - 1), escape(claim["verdict"])])
        rows += [[*(escape(test[column]) for column in columns), ""] for test in claim["tests"]]
    return table("p{6cm}" + "r" * (len(columns) - 1) + "l", [*columns, "verdict"], rows)


def table(columns: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The environment; the header's texts are escaped here, the rows are LaTeX already."""
    long = len(rows) > _LONGEST
    name = "longtable" if long else "tabular"
    body = [
        rf"\begin{{{name}}}{{{columns}}}",
        r"\toprule",
        " & ".join(escape(text) for text in header) + r" \\",
        r"\midrule",
        *([r"\endhead"] if long else []),
        *(" & ".join(cells) + r" \\" for cells in rows),
        r"\bottomrule",
        rf"\end{{{name}}}",
    ]
    return "\n".join(body) + "\n"


def escape(text: str) -> str:
    """Any text as LaTeX that prints it."""
    return _ESCAPED.sub(lambda match: _SPECIAL[match[0]], _MINUS.sub("−", text))


def _is_number(text: str) -> bool:
    return not text or text == NOT_RUN or text.replace(".", "", 1).isdecimal()


def _place(cell: dict[str, str]) -> str:
    style = "textit" if cell["ours"] == NOT_RUN else "textbf"
    lines = [escape(cell["published"] or "·"), rf"\{style}{{{escape(cell['ours'])}}}"]
    if cell["interval"]:
        lines.append(rf"{{\scriptsize {escape(cell['interval'])}}}")
    stacked = r" \\ ".join(lines)
    return rf"\makecell{{{stacked}}}" if cell["published"] or cell["ours"] else ""
