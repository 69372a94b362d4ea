"""Build negative samples: requests answered in plain words, with or without tools (paper §4.3, App. C: 761 samples).

Replies come from --replies-cache where they are known. Others are asked of --model on an OpenAI-compatible server
(OPENAI_API_KEY, and --base-url or OPENAI_BASE_URL) and added to that file, so that a rerun costs nothing. Without
prices only gpt-3.5-turbo is asked, because --max-cost could not be kept else; a server of your own has prices of 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from agentflan import negative
from agentflan.arguments import InputPath, OutputPath, UpdatedPath
from agentflan.errors import ConfigError
from agentflan.files import write_jsonl
from agentflan.records import Trajectory, read_trajectories, to_json
from agentflan.replies import ReplySettings, fetch_replies

_LIST_PRICES = {"gpt-3.5-turbo": {"prompt_price": 0.5, "reply_price": 1.5}}  # OpenAI's, US dollars a million tokens
_ASKING = (  # fields of `ReplySettings`
    *("model", "base_url", "concurrency", "attempts", "timeout", "max_tokens"),
    *("prompt_price", "reply_price", "max_cost", "max_total_tokens"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queries", type=InputPath, required=True, help="filtered ToolBench, which gives the queries")
    parser.add_argument("--general", type=InputPath, help="filtered conversations; read for --reading section and both")
    parser.add_argument("--tools", type=InputPath, nargs="*", help="trajectories with tools (default: --queries)")
    parser.add_argument("--out", type=OutputPath, required=True, help="the samples, JSON lines")
    parser.add_argument("--count", type=int, default=761, help="samples wanted (default 761, as in the paper)")
    parser.add_argument("--with-tools", type=float, default=0.5, help="share with tools (default 0.5)")
    parser.add_argument(
        "--reading",
        choices=negative.READINGS,
        default="appendix",
        help="samples with tools: appendix = irrelevant tools, section = ordinary conversation, both = half and half",
    )
    parser.add_argument("--seed", type=int, default=0, help="draws queries and tools (default 0)")
    _add_reply_arguments(parser)


def _add_reply_arguments(parser: argparse.ArgumentParser) -> None:
    defaults = ReplySettings(model="gpt-3.5-turbo")
    parser.add_argument("--replies-cache", type=UpdatedPath, required=True, help="JSON lines of known replies; grows")
    parser.add_argument("--model", default=defaults.model, help=f"model that replies (default {defaults.model})")
    parser.add_argument("--base-url", help="address of the server (default: OPENAI_BASE_URL or OpenAI)")
    for name in ("prompt", "reply"):
        meaning = f"US dollars for a million {name} tokens (default: gpt-3.5-turbo's list price for that model alone)"
        parser.add_argument(f"--{name}-price", type=float, help=meaning)
    parser.add_argument("--max-total-tokens", type=int, help="tokens that the run may cost at most (default: no cap)")
    for name, meaning in (
        ("concurrency", "requests in flight"),
        ("attempts", "tries a request"),
        ("timeout", "seconds a try"),
        ("max-tokens", "longest reply"),
        ("max-cost", "US dollars that the run may cost at most"),
    ):
        default = getattr(defaults, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{meaning} (default {default})")


def run(arguments: argparse.Namespace) -> str:
    plan = negative.plan_kinds(arguments.count, arguments.with_tools, arguments.reading)
    if plan.conversation and not arguments.general:
        raise ConfigError([f"--reading {arguments.reading}: ordinary conversations are missing, expected --general"])
    answer = partial(fetch_replies, cache=arguments.replies_cache, settings=_reply_settings(arguments))
    talks = negative.read_talks(_read([arguments.general])) if arguments.general else ()
    samples = negative.build_negatives(
        negative.read_queries(_read([arguments.queries])),
        talks if plan.conversation else (),
        negative.read_tools(_read(arguments.tools or [arguments.queries])),
        plan,
        answer,
        arguments.seed,
    )
    write_jsonl(arguments.out, map(to_json, samples))
    with_tools = sum(1 for sample in samples if sample.tools)
    return f"{len(samples)} of {arguments.count} samples wanted, {with_tools} with tools"


def _reply_settings(arguments: argparse.Namespace) -> ReplySettings:
    given = {name: value for name in _ASKING if (value := getattr(arguments, name)) is not None}
    return ReplySettings(**_LIST_PRICES.get(arguments.model, {}) | given)


def _read(paths: list[Path]) -> Iterator[Trajectory]:
    return chain.from_iterable(map(read_trajectories, paths))
