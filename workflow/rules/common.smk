"""What all stages share: the study's plan, the names of its wildcards, and small functions for inputs and parameters."""

import os
import sys
from pathlib import Path

from agentflan.code_digest import code_digest
from agentflan.plan import Plan

# The commands come from the environment that runs Snakemake, whether or not it is activated.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

plan = Plan.load("config", config["study"])


pathvars:
    study=f"results/{plan.name}",


wildcard_constraints:
    dataset="|".join(plan.raw_datasets()),
    model="|".join(plan.model_names()),
    condition="|".join(plan.condition_names()),
    benchmark="|".join(plan.benchmark_names()),
    seed=r"\d+",
    agent=r"[A-Za-z0-9_.-]+",


def raw_source(wildcards):
    """The embedded world where the study has one, else nothing: upstream is asked."""
    return "<study>/world/MANIFEST.json" if plan.study.world else []


def checkpoint_of(wildcards):
    """The weights that an agent needs; oracle, random and API agents need none."""
    return f"<study>/checkpoints/{wildcards.agent}" if plan.is_checkpoint(wildcards.agent) else []
