"""Decomposed: one file a capability (§4.2), the instruction-following pairs (§4.1) and the negative samples (§4.3)."""

STREAMS = ["retrieval", "understanding", "react", "cot", "general"]


rule decompose_capabilities:
    """Split the corpus by the capability that each assistant turn trains."""
    input:
        chat=collect("<study>/chat/{dataset}.jsonl", dataset=plan.agent_datasets()),
        react=collect(
            "<study>/chat/{dataset}.react.jsonl", dataset=plan.agent_datasets()
        ),
        general="<study>/filtered/sharegpt.jsonl",
    output:
        collect("<study>/decomposed/{stream}.jsonl", stream=STREAMS),
        reasoning="<study>/decomposed/reasoning.jsonl",
    log:
        "<study>/logs/decompose_capabilities.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("commands.decompose_capabilities"),
    shell:
        "agentflan decompose_capabilities"
        " --chat {input.chat:q}"
        " --react {input.react:q}"
        " --general {input.general:q}"
        " --out-dir $(dirname {output.reasoning:q})"
        " > {log:q} 2>&1"


rule build_instructions:
    """Pairs that ask for one call in a stated format, ReAct or JSON with varied key names."""
    input:
        chat=collect("<study>/chat/{dataset}.jsonl", dataset=plan.study.agent_datasets),
    output:
        pairs="<study>/decomposed/instruction.jsonl",
    log:
        "<study>/logs/build_instructions.log",
    conda:
        "../../environment.yml"
    params:
        pairs=plan.study.instruction_pairs,
        seed=0,
        code=code_digest("commands.build_instructions"),
    shell:
        "agentflan build_instructions"
        " --in {input.chat:q}"
        " --count {params.pairs}"
        " --seed {params.seed}"
        " --out {output.pairs:q}"
        " > {log:q} 2>&1"


rule build_negatives:
    """Queries answered without a tool: none given, or none that fits (App. C)."""
    input:
        world_manifest,
        queries="<study>/filtered/toolbench.jsonl",
        general="<study>/filtered/sharegpt.jsonl",
    output:
        negatives="<study>/decomposed/negative.jsonl",
    log:
        "<study>/logs/build_negatives.log",
    conda:
        "../../environment.yml"
    params:
        settings=negative_settings(),
        code=code_digest("commands.build_negatives"),
    shell:
        "agentflan build_negatives"
        " --queries {input.queries:q}"
        " --general {input.general:q}"
        " {params.settings}"
        " --seed 0"
        " --out {output.negatives:q}"
        " > {log:q} 2>&1"
