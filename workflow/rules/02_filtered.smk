"""Filtered: trajectories without demonstrations; what breaks the paper's rules is set aside with its reason (App. B)."""


rule filter_trajectories:
    """Keep the records that follow the format; write the others beside them, each with the reason."""
    input:
        receipt="<study>/raw/{dataset}/receipt.json",
    output:
        kept="<study>/filtered/{dataset}.jsonl",
        rejected="<study>/filtered/{dataset}.rejected.jsonl",
        counts="<study>/filtered/{dataset}.counts.json",
    log:
        "<study>/logs/filter_trajectories/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        options=filter_options,
        code=stage_code("filter_trajectories", "datasets", "dataset"),
    shell:
        "agentflan filter_trajectories"
        " --dataset {wildcards.dataset}"
        " --raw $(dirname {input.receipt:q})"
        " --out {output.kept:q}"
        " --rejected {output.rejected:q}"
        " --counts {output.counts:q}"
        " {params.options}"
        " > {log:q} 2>&1"
