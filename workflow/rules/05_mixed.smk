"""Mixed: the training set of each condition (§4.2, App. A), its tree, and its tokens counted both ways (Table 2)."""


rule mix_training_set:
    """Draw the shares that a condition asks for; print the mixture as a tree."""
    input:
        collect("<study>/decomposed/{stream}.jsonl", stream=STREAMS),
        "<study>/decomposed/instruction.jsonl",
        "<study>/decomposed/negative.jsonl",
        reasoning="<study>/decomposed/reasoning.jsonl",
    output:
        mixed="<study>/mixed/{condition}.jsonl",
        tree="<study>/mixed/{condition}.tree.txt",
        counts="<study>/mixed/{condition}.counts.json",
    log:
        "<study>/logs/mix_training_set/{condition}.log",
    conda:
        "../../environment.yml"
    params:
        condition=condition_settings,
        code=code_digest("commands.mix_training_set"),
    shell:
        "agentflan mix_training_set"
        " --condition {params.condition:q}"
        " --decomposed $(dirname {input.reasoning:q})"
        " --out {output.mixed:q}"
        " --tree {output.tree:q}"
        " --counts {output.counts:q}"
        " > {log:q} 2>&1"


rule count_tokens:
    """Count all tokens and the tokens that bear loss, with the tokenizer of the small model."""
    input:
        mixed="<study>/mixed/{condition}.jsonl",
        tokenizer=f"<study>/{plan.tokenizer_folder()}",
    output:
        tokens="<study>/mixed/{condition}.tokens.json",
    log:
        "<study>/logs/count_tokens/{condition}.log",
    conda:
        "../../environment.yml"
    params:
        template=condition_template,
        code=code_digest("commands.count_tokens"),
    shell:
        "agentflan count_tokens"
        " --in {input.mixed:q}"
        " --tokenizer {input.tokenizer:q}"
        " --template {params.template}"
        " --out {output.tokens:q}"
        " > {log:q} 2>&1"
