"""The texts of AgentTuning's harness: instructions and demonstrations, which stand in its code and in files beside it.

They are other people's words: they are fetched as they are, pinned, and read where they lie. Of Python files only
literals are taken from the syntax tree; nothing of them is run or imported.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentflan.datasets._source import SourceFile
from agentflan.errors import FileError
from agentflan.files import read_json

AGENTTUNING = "https://raw.githubusercontent.com/THUDM/AgentTuning/e33a45d7eab2b63cac4d1956da1e6377fca9fcc7"
AGENTBENCH = f"{AGENTTUNING}/AgentBench.old"  # the AgentBench that AgentTuning evaluated with

Prompt = dict[str, Any]


def harness_file(name: str, sha256: str, size: int, url: str = AGENTBENCH) -> SourceFile:
    """A file of the harness beside the tasks of a dataset; the embedded world has none."""
    return SourceFile(name, sha256, size, optional=True, url=url)


ALFWORLD = harness_file(
    "src/tasks/alfworld/task.py", "ab194f0168c6c8eae3e5e6317eff6b5e1c44df58a390d4f9ae88584845105212", 10_277
)
ALFWORLD_SHOWN = harness_file(
    "src/tasks/alfworld/prompts/alfworld_multiturn_react.json",
    "79a92edddd49691cde9d7a05beda354658355882911fcf5c5a7b38a4777bc3b2",
    8_932,
)
DB = harness_file(
    "src/tasks/dbbench/__init__.py", "891b904ea9f1883e5eae5a0e62e47d4ebeb2ca36e304721f853d3395bd9c8d83", 9_606
)
KG = harness_file(
    "src/tasks/knowledgegraph/task.py", "7dbea9ad33283bbd0054ffb3eb76fb896678366e261f79dec0384166dc1c9b8e", 18_205
)
OS = harness_file(
    "src/tasks/os_interaction/task.py", "c63e00d43c0d0e6ae8adc51f27178ae5ee780b56c3070cd607ae4abd3ebb7d87", 18_613
)
WEBSHOP = harness_file(
    "src/tasks/webshop/__init__.py", "60e6463e0dd1c4b4257898d055dc643e04092fb975401bca1727b2b22bf64548", 8_164
)
WEBSHOP_COLOURS = harness_file(
    "src/tasks/webshop/web_agent_site/engine/normalize.py",
    "1962113ac9e209a636d4f181b2c70544bbea59b03adca9847e48287158d794fb",
    3_819,
)

HOTPOTQA = harness_file(
    "src/pre_prompt.py",
    "207af79910d66d10dfefc34bb75629e5cb5b54468aefbe599c88036b456f7141",
    5_714,
    f"{AGENTTUNING}/eval_heldout/hotpotQA",
)
HOTPOTQA_SHOWN = harness_file(
    "src/fewshots.py",
    "579a805ef628546cdec407356c2d8d7302322a601972dea9bfb362ce1ea45547",
    32_383,
    f"{AGENTTUNING}/eval_heldout/hotpotQA",
)
SCIWORLD = harness_file(
    "eval.py",
    "d9f0426febaecfd04b3eb9c5c5f54cabeac07a20449a94f71e68fc1c910b68c4",
    15_613,
    f"{AGENTTUNING}/eval_heldout/science-world",
)
SCIWORLD_SHOWN = harness_file(
    "prompts/prompt.json",
    "c00a12011861e58b3ddadf61a3398e418bf08a812e61710b83fc7593443d3a85",
    178_515,
    f"{AGENTTUNING}/eval_heldout/science-world",
)


class Code:
    """A Python file whose literals are read.

    Raises:
        FileError: it is not Python; and from each method: it does not hold what is asked for.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError) as error:
            raise FileError(path, f"a file that is no Python ({error})", "a file of the harness") from None

    def literal(self, name: str) -> Any:
        """The literal, or the text without the white space around it, that a name is given outside of functions."""
        for node in self._tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                try:
                    return _value(node.value)
                except ValueError:
                    break
        raise FileError(self._path, f"no literal {name}", f"{name} = a literal, as in AgentTuning")

    def returned(self, function: str) -> str:
        """The text that a function returns."""
        texts = [_start(node.value) for node in self._nodes(function, ast.Return)]
        return self._only(texts, f"text that {function} returns")

    def added(self, function: str) -> str:
        """The text that a function adds to another one; where it adds several, it is the same."""
        texts = [_start(node.value) for node in self._nodes(function, ast.AugAssign)]
        return self._only(list(dict.fromkeys(texts)), f"text that {function} adds")

    def injected(self, function: str, role: str) -> list[str]:
        """The texts that a function puts into the dialogue in one role, in order; variables are left out."""
        calls = self._nodes(function, ast.Call)
        turns = [call.args[0] for call in calls if getattr(call.func, "attr", "") == "inject" and call.args]
        texts = []
        for turn in turns:
            keys = [getattr(key, "value", None) for key in turn.keys] if isinstance(turn, ast.Dict) else []
            values = dict(zip(keys, turn.values, strict=True)) if keys else {}
            if _start(values.get("role")) == role and (text := _start(values.get("content"))) is not None:
                texts.append(text)
        return texts

    def _nodes(self, function: str, kind: type[ast.AST]) -> list[Any]:
        found = [node for node in ast.walk(self._tree) if isinstance(node, ast.FunctionDef) and node.name == function]
        if len(found) != 1:
            raise FileError(self._path, f"{len(found)} functions {function}", "one, as in AgentTuning")
        nodes = [node for node in ast.walk(found[0]) if isinstance(node, kind)]
        return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))

    def _only(self, texts: list[str | None], what: str) -> str:
        if len(texts) != 1 or texts[0] is None:
            raise FileError(self._path, f"no single {what}", "one literal, as in AgentTuning")
        return texts[0]


def read_prompt(folder: Path) -> Prompt | None:
    """The texts of AgentBench's harness whose files lie in a raw folder, under our keys; None if it has none.

    Returns:
        "instruction", "acknowledgement" and "demonstration" where the task has them, and "source", the file; of
        ALFWorld "demonstrations" by category, of OS "restart", what leads on from the demonstration.

    Raises:
        FileError: a file has another form than AgentTuning's.
    """
    for file, read in _READERS.items():
        if (folder / file.name).exists():
            try:
                return read(folder, Code(folder / file.name)) | {"source": file.name}
            except (ValueError, KeyError, TypeError, AttributeError):
                raise FileError(folder / file.name, "a dialogue of another form", "AgentTuning's") from None
    return None


def _alfworld(folder: Path, code: Code) -> Prompt:
    [acknowledgement] = code.injected("alfworld_run", "agent")
    return {
        "instruction": code.returned("get_task_instruction"),
        "acknowledgement": acknowledgement,
        "demonstrations": {name: list(turns) for name, turns in read_json(folder / ALFWORLD_SHOWN.name).items()},
    }


def _db(folder: Path, code: Code) -> Prompt:
    [acknowledgement] = code.injected("process", "agent")
    return {"instruction": code.literal("big_prompt"), "acknowledgement": acknowledgement}


def _kg(folder: Path, code: Code) -> Prompt:
    [acknowledgement] = code.injected("predict_single", "agent")
    shown = code.literal("ONE_SHOT")
    return {"instruction": code.literal("INSTRUCTIONS"), "acknowledgement": acknowledgement, "demonstration": shown}


def _os(folder: Path, code: Code) -> Prompt:
    instruction, restart = code.injected("get_answer", "user")
    shown = [turn["content"] for turn in code.literal("ONE_SHOT")]
    return {"instruction": instruction + code.added("get_answer"), "demonstration": shown, "restart": restart}


def _webshop(folder: Path, code: Code) -> Prompt:
    acknowledgement, *replies = code.injected("predict", "agent")
    pages = code.injected("predict", "user")
    shown = [text for pair in zip(pages, replies, strict=True) for text in pair]
    return {"instruction": code.literal("prompt"), "acknowledgement": acknowledgement, "demonstration": shown}


_READERS: dict[SourceFile, Callable[[Path, Code], Prompt]] = {
    ALFWORLD: _alfworld,
    DB: _db,
    KG: _kg,
    OS: _os,
    WEBSHOP: _webshop,
}


def _value(node: ast.AST) -> Any:
    """A literal, or ``text.strip()``.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(node, ast.Call) and not node.args and getattr(node.func, "attr", "") == "strip":
        return str(ast.literal_eval(node.func.value)).strip()
    return ast.literal_eval(node)


def _start(node: ast.AST | None) -> str | None:
    """A text, or the text that a sum of texts starts with; None for what is no literal."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        node = node.left
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
