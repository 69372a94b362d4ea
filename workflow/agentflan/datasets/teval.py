"""T-Eval's task files: one JSON object a file, from the sample's id to the sample; v1 and v2 share the schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._records import check
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError
from agentflan.files import read_json

KIND = "tasks"
_FILES = (
    "instruct",
    "plan_json",
    "plan_str",
    "reason_str",
    "retrieve_str",
    "understand_str",
    "reason_retrieve_understand_json",
    "review_str",
)
SOURCE = Source(
    licence="Apache-2.0",
    repo="lovesnowbest/T-Eval",
    # The only revision with the v1 files. Upstream publishes no hashes of them: the whole commit fixes their bytes, and
    # the receipt keeps the hashes of what came.
    revision="03f691b72257bfc47578bdfe4b094e858279d22c",
    files=tuple(SourceFile(f"data/{name}_v1.json") for name in _FILES),
    rows=23_305,
)
_SAMPLE = {
    "origin_prompt": list | str,
    "ground_truth": list | dict | str,
    "template?": dict | str | None,
    "meta?": dict | None,
    "meta_data?": dict | None,
}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Samples with id and file (below `folder`), the rest as upstream has it (origin_prompt, ground_truth, meta…).

    Raises:
        FileError: there is no file, or one is no object.
        RecordError: a field is missing or of another type.
    """
    paths = sorted(path for path in folder.rglob("*.json*") if path.name.removesuffix(".gz").endswith(".json"))
    paths = [path for path in paths if path.name.split("_")[0] in {name.split("_")[0] for name in _FILES}]
    if not paths:
        raise FileError(folder, "no task file", ", ".join(f"{name}_v1.json" for name in _FILES))
    for path in paths:
        samples = read_json(path)
        if not isinstance(samples, dict):
            raise FileError(path, f"a JSON {type(samples).__name__}", "an object from ids to samples")
        for number, (identity, sample) in enumerate(samples.items(), 1):
            check({"id": identity}, {"id": str}, path, number)
            check(sample, _SAMPLE, path, f"{number} ({identity})")
            yield {**sample, "id": identity, "file": path.relative_to(folder).as_posix()}
