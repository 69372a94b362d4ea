"""Mind2Web's pages with the ranks of their elements, one step a row.

``data_std.json`` is the list of recorded tasks as Mind2Web has them (``annotation_id``, ``confirmed_task``, ``actions``
with ``cleaned_html``, ``operation`` and candidates, ``action_reprs``); AgentBench keeps them as ``data_std/*.json`` in
its image. ``scores_all_data.pkl`` is Mind2Web's ranking. It is a pickle, so only plain values are taken out of it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from agentflan.datasets import _harness
from agentflan.datasets._records import records
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError

KIND = "tasks"
SOURCE = Source(
    licence="CC BY 4.0",
    url="",  # the test pages are in an archive with a password and in AgentBench's image: give a folder with both files
    files=(
        SourceFile("data_std.json"),
        SourceFile("scores_all_data.pkl"),
        _harness.harness_file(  # wording and demonstration of the harness
            "llm_prompt_cot.json",
            "c2ae04794d0d6841d4e727c9bacc081b53db9d9a73a8cc4241d9885bf47826c4",
            5_153,
            f"{_harness.AGENTBENCH}/data/mind2web/prompt",
        ),
    ),
    rows=1173,
)
OPTIONAL_FILES = ("prompt.json",)
_PLAIN = {("numpy", "dtype"), ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")}

_CANDIDATES = [{"backend_node_id": str}]
_ACTION = {
    "action_uid": str,
    "cleaned_html": str,
    "operation": {"op": {"CLICK", "SELECT", "TYPE"}, "value": str},
    "pos_candidates": _CANDIDATES,
    "neg_candidates": _CANDIDATES,
}
_RECORDED = {
    "annotation_id": str,
    "website?": str,
    "confirmed_task": str,
    "actions": [_ACTION],
    "action_reprs": [str],
}

Ranks = dict[str, dict[str, int]]


class _Plain(pickle.Unpickler):
    """Reads plain values and numpy's numbers, nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f"it holds {module}.{name}")
        return super().find_class(module, name)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Steps with id, website, task, earlier actions (in words), html, operation, and the elements' ranks.

    `positives` and `negatives` map an element's ``backend_node_id`` to its rank, 0 the likeliest.

    Raises:
        FileError: a file is missing or damaged, or is no list of recorded tasks.
        RecordError: a field is missing or of another shape, a page is not well-formed, or an element has no rank.
    """
    path, ranks = folder / SOURCE.files[0].name, _ranks(folder / SOURCE.files[1].name)
    for _, number, row in records([path], _RECORDED, ("annotation_id",), distinct=False):
        for index, action in enumerate(row["actions"]):
            label = f"{number} ({row['annotation_id']})"
            try:
                ElementTree.fromstring(action["cleaned_html"])
                yield _step(row, index, action, ranks)
            except ElementTree.ParseError as error:
                field, found, expected = "cleaned_html", f"a broken page ({error})", "a page in well-formed XML"
                raise RecordError(path, label, f"actions[{index}].{field}", found, expected) from None
            except (KeyError, TypeError, ValueError) as error:
                found, expected = f"no rank ({error})", "elements that are ranked in scores_all_data.pkl"
                raise RecordError(path, label, f"actions[{index}]", found, expected) from None


def _step(row: dict[str, Any], index: int, action: dict[str, Any], ranks: Ranks) -> dict[str, Any]:
    identity = f"{row['annotation_id']}_{action['action_uid']}"
    found = {
        kind: {
            candidate["backend_node_id"]: int(ranks[identity][candidate["backend_node_id"]])
            for candidate in action[f"{kind[:3]}_candidates"]
        }
        for kind in ("positives", "negatives")
    }
    return {
        "id": identity,
        "website": row.get("website", ""),
        "task": row["confirmed_task"],
        "previous": row["action_reprs"][:index],
        "html": action["cleaned_html"],
        "operation": {key: action["operation"][key] for key in ("op", "value")},
        **found,
    }


def _ranks(path: Path) -> Ranks:
    try:
        with path.open("rb") as handle:
            return _Plain(handle).load()["ranks"]
    except FileNotFoundError:
        raise FileError(path, "no such file", "Mind2Web's ranks of the elements") from None
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        raise FileError(path, f"a file that cannot be read ({error})", "a pickle with ranks") from None
