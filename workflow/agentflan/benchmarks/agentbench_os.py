"""OS interaction (AgentBench, held-in): do something on a Linux machine, or find something out, by bash commands.

Each episode has a machine of its own, prepared by the task's scripts. The answer is right if it matches the task's, or
if all of the task's check scripts end with 0; they see the machine, the answer and what the scripts before them wrote.
A dialogue that ends without an answer is judged as well, as in upstream's ``_judge``: the scripts are given "None", and
pass where only the state of the machine counts.
Upstream's machines are containers of three Ubuntu images; here a sandbox with this host's programs stands in, or one
with a root file system that is given (`image`). A command that takes longer than `seconds` is stopped, where upstream
stops to read; the prompt of the shell and the colours of a terminal are not shown.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _agentbench
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
from agentflan.sandbox import Ended, Limits, Machine, Result
from agentflan.statistics import Group, estimate, percent

NAME = "agentbench_os"
TITLE = "Operating System"
DATA = "agentbench_os"
PROTOCOL = "AgentBench OS, success rate, a sandbox in place of Ubuntu containers, {max_rounds} rounds, limit {limit}"
DEFAULTS: Settings = _agentbench.DEFAULTS | {
    "max_rounds": 8,
    "seconds": 5.0,  # of one command
    "check_seconds": 60.0,  # of one script of the task
    "image": "",  # folder with the root file system of a Linux; this host's programs if empty
    "megabytes": 512,  # memory of a machine
    "disk_megabytes": 128,
    "processes": 64,
    "batch": 16,  # machines at a time
    "workers": 4,
}

_OWN_PROMPT = {
    "instruction": "You work on a Linux machine. In each turn write first what you think and then one action. To run "
    "commands:\n\nThink: I look around.\n\nAct: bash\n\n```bash\nls\n```\n\nTo end a task that asks for no answer:\n\n"
    "Think: It is done.\n\nAct: finish\n\nTo answer a question:\n\nThink: I have counted 3.\n\nAct: answer(3)\n\n"
    "Long output is cut. The commands must not wait for input.\n\nMy problem is:\n\n",
    "demonstration": [],
    "restart": "My problem is now:\n\n",
}
_LONGEST, _KEPT = 800, 780  # characters of a command's output
_ACTION = re.compile(r"Act:\s*(.+)")
_BASH = re.compile(r"```bash\n(.*?)\n```", re.DOTALL)


class MachineDied(Exception):
    """The machine is gone; its episode is played anew on another one, as often as is allowed."""


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The tasks, at most `limit`."""
    prompt = _agentbench.read_prompt(folder, _OWN_PROMPT)
    tasks = [task | {"prompt": prompt} for task in datasets.load(DATA).read(folder)]
    return draw(tasks, settings["limit"], NAME, settings["seed"])


def episode(task: Task, settings: Settings) -> Episode:
    """Prepare the machine, talk until there is an answer or a limit is reached, then check."""
    with closing(_machine(settings)) as machine:
        _prepare(machine, task, settings)
        answer, outcome, commands = yield from _play(task, machine, settings)
        codes: list[int] = []
        passed = _passes(task, answer, machine, settings, codes)
    return {"prediction": answer, "outcome": outcome, "passed": passed, "checks": codes, "commands": commands}


def gold_replies(task: Task, settings: Settings) -> list[str | Callable[[Request], str]]:
    """The example script, and what it says last as the answer; the answer that must match, where there is one."""
    if task["match"] is not None:
        return [_reply(f"answer({task['match'].get('answer', '')})")]
    if task["example"] is None:
        return []
    commands = _reply(f"bash\n\n```bash\nexec 2> /dev/null\n{_command(task['example'])}\n```")
    return [commands, lambda request: _reply(f"answer({_last_line(request)})")]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Some command, or any word as the answer."""
    word = random_words(request, rng, 1)
    command = rng.choice(("ls", "cat", "echo", "rm -r"))
    return _reply(rng.choice((f"answer({word})", "finish", f"bash\n\n```bash\n{command} {word}\n```")))


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The share of tasks that were done, in percent; a broken episode counts 0."""
    by_id = {row["id"]: row for row in rows}
    done = {task["id"]: float(by_id[task["id"]].get("passed", False)) for task in tasks}
    kinds = {kind: [done[task["id"]] for task in tasks if task[kind] is not None] for kind in ("match", "check")}
    groups = sorted({task["group"] for task in tasks})
    parts = {
        "kinds": {kind: percent(values) for kind, values in kinds.items() if values},
        "groups": {group: percent([done[task["id"]] for task in tasks if task["group"] == group]) for group in groups},
        "commands": sum(row.get("commands", 0) for row in rows),
        "images": dict(sorted(Counter(task["image"] for task in tasks).items())),
        "environment": settings["image"] or "this host's programs in a sandbox",
        "prompt": tasks[0]["prompt"]["source"],
        "errors": errors_of(rows),
    }
    result = estimate([Group(1.0, list(done.values()))], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def parse_reply(reply: str) -> tuple[str, str | None]:
    """The last action of a reply that is one: "bash" with the code of all blocks, or "commit" with the answer, if any.

    "" if there is none.
    """
    for action in reversed(_ACTION.findall(reply)):
        kind = action.lower()
        if kind.startswith("bash"):
            return "bash", "\n\n".join(_BASH.findall(reply))
        if kind.startswith("finish"):
            return "commit", None
        if kind.startswith("answer") and "(" in action and ")" in action:
            return "commit", action[action.index("(") + 1 : action.rindex(")")]
    return "", None


def matches(answer: str | None, wanted: dict[str, Any]) -> bool:
    """Whether an answer is the one that is wanted, or fits its pattern; no answer never does."""
    if answer is None:
        return False
    text = answer.strip() if wanted.get("strip") else answer
    if "answer" in wanted:
        return text == wanted["answer"]
    return re.search(wanted["regex"], text) is not None


def _machine(settings: Settings) -> Machine:
    bounds = {key: settings[key] for key in ("seconds", "megabytes", "disk_megabytes", "processes")}
    return Machine(Limits(**bounds), settings["image"])


def _prepare(machine: Machine, task: Task, settings: Settings) -> None:
    """Run the scripts that come before the task.

    Raises:
        RuntimeError: one of them fails; the episode is broken then.
        MachineDied: the machine is gone.
    """
    for script in task["init"]:
        result = _living(machine.run(_argv(script), settings["check_seconds"]))
        if result.code:
            raise RuntimeError(f"the task's init script ends with {result.code}: {result.output[-200:].strip()}")
    if task["start"]:
        _living(machine.type(task["start"]))


def _play(task: Task, machine: Machine, settings: Settings) -> Generator[Request, str, tuple[str | None, str, int]]:
    """The dialogue; returns the answer, the outcome and the number of commands."""
    messages = _opening(task)
    for number in range(settings["max_rounds"]):
        request = _agentbench.ask(messages, settings)
        if request is None:
            return None, "context_limit", number
        reply = yield request
        action, content = parse_reply(reply)
        if not action:
            return None, "invalid_action", number
        if action == "commit":
            return content, "completed", number
        shown = _living(machine.type(content or "")).output.rstrip("\n")
        if len(shown) > _LONGEST:
            shown = f"{shown[:_KEPT]}\n[truncated because the output is too long]"
        told = f"The output of the OS:\n\n{shown}" if shown else "The output of the OS is empty."
        messages += [("assistant", reply), ("user", told)]
    return None, "task_limit", settings["max_rounds"]


def _opening(task: Task) -> list[_agentbench.Message]:
    """The instruction with its demonstration, if there is one, and the task."""
    prompt, description = task["prompt"], task["description"]
    if not prompt["demonstration"]:
        return [("user", prompt["instruction"] + description)]
    first, *others = prompt["demonstration"]
    return _agentbench.dialogue([prompt["instruction"] + first, *others, prompt["restart"] + description])


def _passes(task: Task, answer: str | None, machine: Machine, settings: Settings, codes: list[int]) -> bool:
    """Whether the answer matches, or all checks end with 0; their exit codes are added to `codes`."""
    if task["match"] is not None:
        return matches(answer, task["match"])
    parameters = [str(answer)]
    for script in task["check"]:
        argv = _argv(script or task["example"], *parameters)
        result = _living(machine.run(_silent(argv), settings["check_seconds"]))
        codes.append(result.code)
        if result.code:
            return False
        parameters.append(result.output)
    return True


def _living(result: Result) -> Result:
    """A result, if the machine is still there.

    Raises:
        MachineDied: it is gone.
    """
    if result.ended is Ended.GONE:
        raise MachineDied("the machine is gone")
    return result


def _silent(argv: Sequence[str]) -> list[str]:
    """Without what it writes to standard error, which is no output: some of the host's folders are closed here."""
    return ["bash", "-c", 'exec "$@" 2> /dev/null', "--", *argv]


def _argv(script: Sequence[str], *parameters: str) -> list[str]:
    language, code = script
    return ["python3", "-c", code, *parameters] if language == "python" else ["bash", "-c", code, "--", *parameters]


def _command(script: Sequence[str]) -> str:
    language, code = script
    return code if language == "bash" else f"python3 - <<'END'\n{code}\nEND"


def _reply(action: str) -> str:
    return f"Think: I do what the task asks for.\n\nAct: {action}"


def _last_line(request: Request) -> str:
    return request.messages[-1][1].removeprefix("The output of the OS is empty.").rpartition("\n")[2].strip()
