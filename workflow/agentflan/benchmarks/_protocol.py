"""What a benchmark's episode and the runner say to each other.

A benchmark is a module with these names::

    NAME, TITLE           the module's name and the name in the paper
    DATA                  the raw dataset that holds its tasks
    PROTOCOL              what was measured, in words; `{key}` stands for a setting
    DEFAULTS              its settings beside the common ones
    CHANCE                what a guesser scores, in percent; left out where it is about 0
    PREDICTION            the type of a row's prediction; left out where that varies
    read_tasks(folder, settings)           -> [task], each a dictionary with a unique "id"
    episode(task, settings)                -> generator: yields a Request, is sent the reply, returns a row with
                                              "prediction", "outcome" (one of OUTCOMES) and more
    gold_replies(task, settings)           -> the replies of a perfect agent, in order; one that repeats what only the
                                              environment knows is a function of the request
    random_reply(task, request, random)    -> a reply of an agent that knows nothing
    score(tasks, rows, settings)           -> {"value", "low", "high", "n", "samples", "parts", "outcomes"}, a pure
                                              function; `samples` as `agentflan.statistics.Estimate` has them; parts
                                              may hold "faults": how many replies were out of the "format", named no
                                              "tool" that there is, or gave wrong "arguments"; beside them may stand
                                              "part_samples", for the intervals of parts that a table prints

Settings are always complete: `complete_settings` is called once, by the command.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import ModuleType
from typing import Any, NamedTuple

from agentflan.benchmarks._settings import expected
from agentflan.errors import ConfigError
from agentflan.randomness import unit

OUTCOMES = ("completed", "context_limit", "invalid_action", "task_limit", "task_error", "api_error")

Task = dict[str, Any]
Row = dict[str, Any]
Settings = dict[str, Any]

COMMON_DEFAULTS: Settings = {
    "limit": None,  # tasks that are played; all if null. What is limited, see `draw`
    "seed": 0,  # draws the tasks, the random agent's replies and the bootstrap
    "batch": 64,  # episodes played side by side; a killed run goes on at the next batch
    "workers": 1,  # episodes whose environments act at the same time
    "restarts": 1,  # times that an episode whose environment broke is played anew before it counts as an error
    "rows": 32,  # requests that a local model runs together at most
    "cache_gib": 4.0,  # memory for their keys and values: long prompts make fewer rows; a study with `hardware` sets it
    "kept_gib": 1.0,  # memory for those of conversations until their next turns, whose beginnings are not read anew
    "threads": 1,  # CPU threads of a local model
    "api": {},  # how to ask an API model, see agentflan.backends.openai_api; the study's block of the model
}


class Sampling(NamedTuple):
    """How tokens are drawn.

    Attributes:
        temperature: over 0.
        top_p: of the likeliest tokens that have this share of the probability together, one is drawn.
        seed: names the draws; the same ones in another run.
    """

    temperature: float
    top_p: float
    seed: str


@dataclass(frozen=True)
class Request:
    """One call of the model.

    Attributes:
        messages: chat turns (role, content); () when `prompt` is a raw completion.
        prompt: raw text to be continued, or "" when `messages` is used.
        prefix: text that the reply must start with; it is part of what the model is given, not of what it returns.
        stop: strings at which the reply is cut (not included).
        max_new_tokens: limit of the reply.
        choices: if given, the reply is the one of these texts that the model finds likeliest behind the prefix; of a
            prompt that does not fit the model the beginning is left out. A backend that can only generate gives a free
            reply instead, without the prefix where it cannot give one; the benchmark reads it and says so.
        max_prompt_tokens: how many of the prompt's last tokens are read at most, fewer where the reply would find no
            room; None: all of them, and a prompt that does not fit is an error (with choices: what fits is read).
        sampling: how tokens are drawn; None: the likeliest.
    """

    messages: tuple[tuple[str, str], ...] = ()
    prompt: str = ""
    prefix: str = ""
    stop: tuple[str, ...] = ()
    max_new_tokens: int = 128
    choices: tuple[str, ...] = ()
    max_prompt_tokens: int | None = None
    sampling: Sampling | None = None


Episode = Generator[Request, str, Row]


def complete_settings(benchmark: ModuleType, settings: Settings) -> Settings:
    """The given settings over the benchmark's defaults.

    Raises:
        ConfigError: a setting that neither the benchmark nor the runner knows, or a value that it cannot have.
    """
    known = COMMON_DEFAULTS | benchmark.DEFAULTS
    problems = [problem for key, value in settings.items() if (problem := _problem(benchmark.NAME, key, value, known))]
    if problems:
        raise ConfigError(problems)
    return known | settings


def draw(tasks: Iterable[Task], limit: int | None, *names: object) -> list[Task]:
    """At most `limit` tasks, drawn by a hash of their ids and the names, in the order of the source.

    The draw of one task does not depend on the others, so a longer file gives a superset up to the limit.
    """
    tasks = list(tasks)
    if limit is None or limit >= len(tasks):
        return tasks
    chosen = sorted(tasks, key=lambda task: unit("draw", *names, task["id"]))[:limit]
    ids = {task["id"] for task in chosen}
    return [task for task in tasks if task["id"] in ids]


def count_outcomes(rows: Iterable[Row]) -> dict[str, int]:
    """How many episodes ended in which way, all of OUTCOMES listed."""
    counts = Counter(row["outcome"] for row in rows)
    return {outcome: counts[outcome] for outcome in OUTCOMES}


def errors_of(rows: Iterable[Row]) -> dict[str, str]:
    """Id → message of the episodes that broke or asked what could not be answered."""
    return {row["id"]: row["error"] for row in rows if "error" in row}


def random_words(request: Request, rng: random.Random, count: int) -> str:
    """Words drawn from what the model was shown."""
    shown = request.prompt + " ".join(content for _, content in request.messages)
    words = sorted(set(re.findall(r"\w+", shown))) or ["nothing"]
    return " ".join(rng.choice(words) for _ in range(count))


def _problem(name: str, key: str, value: Any, known: Settings) -> str:
    where = f"settings of {name}: key {key}"
    if key in known:
        wanted = expected(key, value, known[key])
        return f"{where}: found {value!r}; expected {wanted}" if wanted else ""
    near = get_close_matches(key, list(known), n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{where}: no such setting{hint}; there are: {', '.join(sorted(known))}"
