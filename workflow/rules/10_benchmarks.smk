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


rule benchmarks:
    """All measurements."""
    input:
        "results/benchmarks/data_speed.csv",
