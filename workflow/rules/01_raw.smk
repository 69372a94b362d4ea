"""Raw: the upstream files, byte for byte, with a receipt that says where they came from (data: Appendix B).

From the pinned sources of `agentflan/datasets/`, or from the embedded world, which writes the same formats.
"""


rule make_world:
    """Write the embedded world in the upstream formats: corpora, benchmark tasks, pre-training text."""
    output:
        manifest="<study>/world/MANIFEST.json",
    log:
        "<study>/logs/make_world.log",
    conda:
        "../../environment.yml"
    params:
        seed=plan.study.world.seed if plan.study.world else 0,
        size=json.dumps(plan.study.world.size) if plan.study.world else "{}",
        code=code_digest("commands.make_world"),
    shell:
        "agentflan make_world"
        " --seed {params.seed}"
        " --size {params.size:q}"
        " --out $(dirname {output.manifest:q})"
        " > {log:q} 2>&1"


rule fetch_raw:
    """Fetch the files of one dataset by pinned revision and check their hashes."""
    input:
        world_manifest,
    output:
        receipt="<study>/raw/{dataset}/receipt.json",
    log:
        "<study>/logs/fetch_raw/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        source=world_source,
        code=stage_code("fetch_raw", "datasets", "dataset"),
    shell:
        "agentflan fetch_raw"
        " --dataset {wildcards.dataset}"
        " --out $(dirname {output.receipt:q})"
        " {params.source}"
        " > {log:q} 2>&1"
