"""HumanEval (paper Table 4): complete a Python function; the share of functions that pass their tests (pass@1, greedy).

The paper names no harness. Played as lm-eval does it: the model continues signature and description; the protocol
`instruct` asks in chat turns, as lm-eval's task for chat models does, with a reply that is begun for the model, so it
is not run with chat servers (API models). What the model wrote is run when it is scored, each function in a sandbox of
its own, never in this process; a host that can make no sandbox gives no score.

A function has three seconds, as upstream; here of CPU time, so that a busy host judges as an idle one does. Code that
ends the process or reads what the tests expect can pass no test by that, but code that fools the comparison itself
(an object that equals everything) passes, as upstream: the tests run in the same interpreter.
"""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _lm_eval
from agentflan.benchmarks._protocol import (
    Episode,
    Request,
    Row,
    Settings,
    Task,
    count_outcomes,
    draw,
    errors_of,
    random_words,
)
from agentflan.errors import ConfigError
from agentflan.sandbox import Ended, Limits, find_python, run
from agentflan.statistics import Group, estimate

NAME = "humaneval"
TITLE = "HumanEval"
DATA = "humaneval"
PREDICTION = str
PROTOCOL = "{protocol}, 0-shot, greedy pass@1, {cpu_seconds} s of CPU in a sandbox, limit {limit}"
PROTOCOLS = ("lm_eval", "instruct")
DEFAULTS: Settings = {
    "protocol": "lm_eval",  # or instruct, as a chat turn with a reply that is begun
    "max_new_tokens": 1024,
    "cpu_seconds": 3,  # of one function with its tests
    "seconds": 60.0,  # of wall time, for those that wait
    "megabytes": 512,
    "sandboxes": 2,  # at a time
}

TASK: _lm_eval.Config = {
    "task": "humaneval",
    "doc_to_text": "{{prompt}}",
    "generation_kwargs": {"until": ["\nclass", "\ndef", "\n#", "\nif", "\nprint"]},
}
PASSED = "passed"

_INSTRUCTION = "Write a solution to the following problem and make sure that it passes the tests:\n```python\n{}\n```\n"
_BEGUN = "Here is the completed function:\n```python\n{}\n"
_FENCE = "```"
# Runs the file beside it and says how it ended, behind a word that nobody has told the program.
_RUNNER = """
import sys
say = sys.stdout.write
try:
    with open("program.py", encoding="utf-8") as file:
        program = file.read()
    exec(compile(program, "program.py", "exec"), {{}})
except BaseException as error:
    ended = type(error).__name__
else:
    ended = "{passed}"
say(f"\\n{word}{{ended}}\\n")
"""


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The functions, at most `limit`.

    Raises:
        ConfigError: no such protocol.
    """
    if settings["protocol"] not in PROTOCOLS:
        raise ConfigError([f"settings of {NAME}: key protocol: found {settings['protocol']!r}; expected {PROTOCOLS}"])
    return draw(datasets.load(DATA).read(folder), settings["limit"], NAME, settings["seed"])


def episode(task: Task, settings: Settings) -> Episode:
    """One function, its body."""
    asked = {"stop": _lm_eval.stops(TASK), "max_new_tokens": settings["max_new_tokens"]}
    if settings["protocol"] == "instruct":
        messages = (("user", _INSTRUCTION.format(task["prompt"])),)
        reply = yield Request(messages, prefix=_BEGUN.format(task["prompt"]), **asked)
    else:
        reply = yield Request(prompt=_lm_eval.prompt(TASK, [], task), **asked)
    return {"prediction": reply.partition(_FENCE)[0], "outcome": "completed"}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The canonical solution."""
    return [task["canonical_solution"]]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Return any word of the description, or a number."""
    return f"    return {rng.choice((random_words(request, rng, 1), str(rng.randrange(100))))}\n"


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """Run every function with its tests; the share that passes, in percent. A broken episode counts 0.

    Raises:
        SandboxUnavailable: this host cannot make a sandbox.
    """
    bodies = {row["id"]: row["prediction"] for row in rows if "prediction" in row}
    played = [task for task in tasks if task["id"] in bodies]
    interpreter = find_python().version
    with ThreadPoolExecutor(settings["sandboxes"]) as pool:
        ended = list(pool.map(lambda task: check(task, bodies[task["id"]], settings), played))
    verdicts = {task["id"]: how for task, how in zip(played, ended, strict=True)}
    parts = {
        "verdicts": dict(sorted(Counter(ended).items())),
        "interpreter": interpreter,
        "harness": _lm_eval.harness(),
        "errors": errors_of(rows),
    }
    values = [float(verdicts.get(task["id"]) == PASSED) for task in tasks]
    result = estimate([Group(1.0, values)], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def check(task: Task, body: str, settings: Mapping[str, Any]) -> str:
    """Run a function with its tests in a sandbox.

    Returns:
        "passed", the name of the exception that ended it, the limit that stopped it, or its exit code.

    Raises:
        SandboxUnavailable: this host cannot make a sandbox.
    """
    python, word = find_python(), secrets.token_hex(16)
    program = f"{task['prompt']}{body}\n{task['test']}\ncheck({task['entry_point']})"
    files = {"program.py": program, "runner.py": _RUNNER.format(word=word, passed=PASSED)}
    limits = Limits(**{key: settings[key] for key in ("seconds", "cpu_seconds", "megabytes")})
    contents = {name: text.encode("utf-8", "replace") for name, text in files.items()}
    result = run([*python.argv, "runner.py"], limits, python.shown, contents)
    if result.ended is not Ended.ITSELF:
        return result.ended.value
    _, told, rest = result.output.rpartition(f"\n{word}")
    return rest.partition("\n")[0] if told else f"exit {result.code}"
