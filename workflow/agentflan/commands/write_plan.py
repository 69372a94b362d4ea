"""Write down what a study builds: the agent in each row of each table and at each point of each figure."""

from __future__ import annotations

import argparse

from agentflan.arguments import InputFolder, OutputPath
from agentflan.files import write_json
from agentflan.outline import outline
from agentflan.plan import Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--study", required=True, help="name of a file in config/studies, without .yaml")
    parser.add_argument("--config", type=InputFolder, default="config", help="the configuration's folder")
    parser.add_argument("--out", type=OutputPath, required=True, help="the plan, as JSON")


def run(arguments: argparse.Namespace) -> str:
    """Check the configuration and write the plan."""
    plan = Plan.load(arguments.config, arguments.study)
    write_json(arguments.out, outline(plan))
    agents = sum(len(plan.tuned(model, name)) for model in plan.models for name in plan.conditions_of(model))
    return f"{arguments.out}: study {plan.name} with {len(plan.models)} models and {agents} fine-tunes"
