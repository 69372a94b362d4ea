"""Chat: each ReAct trajectory as a natural conversation (§4.1, Fig. 5), and the ReAct form with its spans beside it."""


rule align_chat:
    """Turn thought, action and arguments into turns of a dialogue that asks for them one at a time."""
    input:
        filtered="<study>/filtered/{dataset}.jsonl",
    output:
        chat="<study>/chat/{dataset}.jsonl",
        react="<study>/chat/{dataset}.react.jsonl",
    log:
        "<study>/logs/align_chat/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        seed=0,
        code=stage_code("align_chat", "datasets", "dataset"),
    shell:
        "agentflan align_chat"
        " --dataset {wildcards.dataset}"
        " --in {input.filtered:q}"
        " --out {output.chat:q}"
        " --react {output.react:q}"
        " --seed {params.seed}"
        " > {log:q} 2>&1"
