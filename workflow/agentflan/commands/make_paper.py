"""Set the paper as PDF from its words, its data and the figures. The same inputs give the same bytes.

Only the fonts that the typesetter brings are used, nothing is fetched, and the date is that of the newest result.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from agentflan.arguments import InputFolder, InputPath, OutputPath
from agentflan.errors import FileError
from agentflan.files import atomic_write, read_json

_MAIN = "paper.typ"
_WORDS = ("*.typ", "*.bib")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--source", type=InputFolder, default="paper", help=f"the folder of {_MAIN} and what it needs")
    parser.add_argument("--data", type=InputPath, required=True, help="what the paper prints (write_manuscript)")
    parser.add_argument("--figures", type=InputFolder, required=True, help="the folder of the figures, PDF")
    parser.add_argument("--out", type=OutputPath, required=True, help="the paper, PDF")


def run(arguments: argparse.Namespace) -> str:
    """Compile and write."""
    data = read_json(arguments.data)
    with tempfile.TemporaryDirectory(prefix="agentflan-paper-") as folder:
        scratch = Path(folder)
        for pattern in _WORDS:
            for path in arguments.source.glob(pattern):
                shutil.copyfile(path, scratch / path.name)
        for name in data["figures"]:
            shutil.copyfile(arguments.figures / f"{name}.pdf", scratch / f"{name}.pdf")
        shutil.copyfile(arguments.data, scratch / "manuscript.json")
        document = _compile(scratch / _MAIN, data["finished"])
    with atomic_write(arguments.out, "wb") as handle:
        handle.write(document)
    return f"{arguments.out}: {len(document):,} bytes"


def _compile(source: Path, finished: str) -> bytes:
    """The PDF of a document whose folder holds all that it reads.

    Raises:
        FileError: the typesetter refuses the document.
    """
    import typst

    date = int(datetime.fromisoformat(finished).timestamp()) if finished else 0
    try:
        return typst.compile(
            str(source), root=str(source.parent), ignore_system_fonts=True, font_paths=[], format="pdf", timestamp=date
        )
    except (typst.TypstError, RuntimeError) as error:
        raise FileError(source.name, f"a document that cannot be set ({error})", "typst markup") from None
