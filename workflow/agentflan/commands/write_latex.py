"""Write every table of the paper as LaTeX, to be read with \\input.

The packages booktabs, makecell and longtable are needed. A table longer than a page is a longtable, which stands in the
text by itself and not in a float.
"""

from __future__ import annotations

import argparse

from agentflan import latex
from agentflan.arguments import InputPath, OutputPath
from agentflan.files import read_json, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--data", type=InputPath, required=True, help="what the paper prints (write_manuscript)")
    parser.add_argument("--out", type=OutputPath, required=True, help="folder of the .tex files")


def run(arguments: argparse.Namespace) -> str:
    """Write one file a table."""
    data = read_json(arguments.data)
    files = {name: latex.side_by_side(content) for name, content in data["tables"].items()}
    files |= {name: latex.grid(content) for name, content in data["grids"].items()}
    files["claims"] = latex.claims(data["claims"])
    for name, text in files.items():
        write_text(arguments.out / f"{name}.tex", f"% {data['artefacts'][name]['sha256']}  {name}.csv\n{text}")
    return f"{arguments.out}: {len(files)} tables"
