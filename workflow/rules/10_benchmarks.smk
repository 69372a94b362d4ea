"""Benchmarks: how fast our own steps are, as ratios to a named baseline in the same run."""


rule measure_data_speed:
    """Time raw → mixed on 25,000 generated records, and `datasets.map` on the same functions."""
    output:
        speed="results/benchmarks/data_speed.csv",
    log:
        "<study>/logs/measure_data_speed.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("commands.measure_data_speed", "commands.mix_training_set"),
    shell:
        "agentflan measure_data_speed --out {output.speed:q} > {log:q} 2>&1"


rule measure_provenance:
    """Time hashing beside sha256sum, an audit of 1,000 jobs, and a job with and without its record."""
    output:
        costs="results/benchmarks/provenance.csv",
    log:
        "<study>/logs/measure_provenance.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("commands.measure_provenance"),
    shell:
        "agentflan measure_provenance --out {output.costs:q} > {log:q} 2>&1"


rule measure_training_speed:
    """Time a fine-tune by our trainer, packed and padded, by `transformers.Trainer` and by a bare PyTorch loop."""
    output:
        speed="results/benchmarks/training_speed.csv",
    log:
        "<study>/logs/measure_training_speed.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("commands.measure_training_speed"),
    shell:
        "agentflan measure_training_speed --out {output.speed:q} > {log:q} 2>&1"


rule measure_episode_speed:
    """Time the study's small model on the same episodes side by side and one after another."""
    input:
        model=f"<study>/checkpoints/{plan.tuned(plan.study.small, 'agent_flan')[0]}",
        receipt="<study>/raw/hotpotqa/receipt.json",
    output:
        speed="results/benchmarks/episode_speed.csv",
    log:
        "<study>/logs/measure_episode_speed.log",
    conda:
        "../../environment.yml"
    params:
        settings=json.dumps(plan.study.benchmarks.get("hotpotqa", {})),
        code=code_digest(
            "commands.measure_episode_speed",
            "benchmarks.hotpotqa",
            "backends.transformers_local",
        ),
    shell:
        "agentflan measure_episode_speed"
        " --benchmark hotpotqa"
        " --data $(dirname {input.receipt:q})"
        " --model {input.model:q}"
        " --settings {params.settings:q}"
        " --out {output.speed:q}"
        " > {log:q} 2>&1"


rule measure_scoring_speed:
    """Time the scoring of 100,000 stored turns, and the reading of the same lines."""
    output:
        speed="results/benchmarks/scoring_speed.csv",
    log:
        "<study>/logs/measure_scoring_speed.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("commands.measure_scoring_speed"),
    shell:
        "agentflan measure_scoring_speed --out {output.speed:q} > {log:q} 2>&1"


rule measure_simulators:
    """Time SciWorld's simulators beside a model of a given speed: how busy do they keep it?"""
    input:
        receipt="<study>/raw/sciworld/receipt.json",
    output:
        speed="results/benchmarks/simulators.csv",
    log:
        "<study>/logs/measure_simulators.log",
    conda:
        "../../environment.yml"
    params:
        episodes=plan.study.benchmarks.get("sciworld", {}).get(
            "episodes", "agenttuning"
        ),
        code=code_digest("commands.measure_simulators"),
    shell:
        "agentflan measure_simulators"
        " --data $(dirname {input.receipt:q})"
        " --episodes {params.episodes}"
        " --out {output.speed:q}"
        " > {log:q} 2>&1"


rule benchmarks:
    """All measurements."""
    input:
        "results/benchmarks/data_speed.csv",
        "results/benchmarks/provenance.csv",
        "results/benchmarks/training_speed.csv",
        "results/benchmarks/episode_speed.csv",
        "results/benchmarks/scoring_speed.csv",
        "results/benchmarks/simulators.csv",
