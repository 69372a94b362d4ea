"""Scores: every episode is a line of a transcript, and a score is a function of transcripts and task files alone."""


rule run_episodes:
    """Let an agent play the episodes of a benchmark."""
    input:
        checkpoint_of,
        receipt=benchmark_receipt,
    output:
        transcripts="<study>/transcripts/{agent}/{benchmark}.jsonl",
    log:
        "<study>/logs/run_episodes/{agent}/{benchmark}.log",
    conda:
        "../../environment.yml"
    resources:
        **asked(episodes_need),
        shared_world=shared_world,
    params:
        backend=agent_backend,
        model=agent_model,
        settings=benchmark_settings,
        code=episode_code,
    shell:
        "agentflan run_episodes"
        " --benchmark {wildcards.benchmark}"
        " --data $(dirname {input.receipt:q})"
        " --backend {params.backend}"
        " --model {params.model:q}"
        " --settings {params.settings:q}"
        " --out {output.transcripts:q}"
        " > {log:q} 2>&1"


rule compare_backends:
    """Tell whether another backend than transformers replies as it does, where a study chooses one."""
    input:
        checkpoint_of,
        receipt=benchmark_receipt,
    output:
        parity="<study>/parity/{agent}/{benchmark}.json",
    log:
        "<study>/logs/compare_backends/{agent}/{benchmark}.log",
    conda:
        "../../environment.yml"
    resources:
        **asked(episodes_need),
    params:
        backend=agent_backend,
        model=agent_model,
        settings=benchmark_settings,
        code=episode_code,
    shell:
        "agentflan compare_backends"
        " --benchmark {wildcards.benchmark}"
        " --data $(dirname {input.receipt:q})"
        " --backend {params.backend}"
        " --model {params.model:q}"
        " --settings {params.settings:q}"
        " --out {output.parity:q}"
        " > {log:q} 2>&1"


rule score_transcripts:
    """Score stored transcripts; it can be run again on old ones."""
    input:
        transcripts="<study>/transcripts/{agent}/{benchmark}.jsonl",
        receipt=benchmark_receipt,
        parity=backend_parity,
    output:
        scores="<study>/scores/{agent}/{benchmark}.json",
    log:
        "<study>/logs/score_transcripts/{agent}/{benchmark}.log",
    conda:
        "../../environment.yml"
    params:
        settings=benchmark_settings,
        parity=parity_flag,
        code=stage_code("score_transcripts", "benchmarks", "benchmark"),
    shell:
        "agentflan score_transcripts"
        " --benchmark {wildcards.benchmark}"
        " --data $(dirname {input.receipt:q})"
        " --transcripts {input.transcripts:q}"
        " --settings {params.settings:q}"
        " {params.parity}"
        " --out {output.scores:q}"
        " > {log:q} 2>&1"
