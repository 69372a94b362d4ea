"""The flags of the commands that work on one benchmark: which, where its tasks lie, and its settings."""

from __future__ import annotations

import argparse
from types import ModuleType

from agentflan import benchmarks
from agentflan.arguments import InputPath, json_object
from agentflan.benchmarks._protocol import Settings, complete_settings


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Declare --benchmark, --data and --settings."""
    parser.add_argument("--benchmark", required=True, help=f"one of: {', '.join(benchmarks.names())}")
    parser.add_argument("--data", type=InputPath, required=True, help="folder of the benchmark's raw task files")
    parser.add_argument("--settings", default="{}", help="JSON object over the benchmark's defaults")


def benchmark_of(arguments: argparse.Namespace) -> tuple[ModuleType, Settings]:
    """The benchmark that the flags name, and its complete settings.

    Raises:
        ConfigError: no such benchmark or setting, or no JSON.
    """
    benchmark = benchmarks.load(arguments.benchmark)
    return benchmark, complete_settings(benchmark, json_object(arguments.settings, "--settings"))
