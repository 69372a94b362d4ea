"""Checkpoint: tokenizer, base models and every fine-tune (Table 5), each with its losses by group (Figs. 2 and 3)."""


rule train_tokenizer:
    """Train the tokenizer of the models that start from scratch."""
    input:
        manifest="<study>/world/MANIFEST.json",
    output:
        tokenizer=directory("<study>/tokenizer"),
    log:
        "<study>/logs/train_tokenizer.log",
    conda:
        "../../environment.yml"
    params:
        text=plan.vocabulary_files(),
        vocabulary=plan.study.vocabulary,
        template=plan.base_template(),
        code=code_digest("commands.train_tokenizer"),
    shell:
        "agentflan train_tokenizer"
        " --in {params.text:q}"
        " --vocab {params.vocabulary}"
        " --template {params.template}"
        " --out {output.tokenizer:q}"
        " > {log:q} 2>&1"


rule pretrain_model:
    """Train a base model from scratch on the world's text and conversations; it stands for Llama-2-chat."""
    input:
        manifest="<study>/world/MANIFEST.json",
        tokenizer="<study>/tokenizer",
    output:
        checkpoint=directory("<study>/checkpoints/{model}-base"),
        losses="<study>/losses/{model}-base.parquet",
        throughput="<study>/throughput/{model}-base.json",
    log:
        "<study>/logs/pretrain_model/{model}.log",
    wildcard_constraints:
        model=plan.models_pattern(from_scratch=True),
    conda:
        "../../environment.yml"
    params:
        data=plan.pretraining_files(),
        shape=model_shape,
        settings=pretraining_settings,
        snapshots=f"results/{plan.name}/snapshots/{{model}}-base",
        events=f"results/{plan.name}/logs/events/{{model}}-base",
        code=code_digest("commands.train_checkpoint"),
    shell:
        "agentflan train_checkpoint"
        " --from-scratch {params.shape:q}"
        " --tokenizer {input.tokenizer:q}"
        " --data {params.data:q}"
        " --settings {params.settings:q}"
        " --out {output.checkpoint:q}"
        " --losses {output.losses:q}"
        " --throughput {output.throughput:q}"
        " --events {params.events:q}"
        " --snapshots {params.snapshots:q}"
        " --snapshot-every 100"
        " > {log:q} 2>&1"


rule fetch_model:
    """Fetch the public weights of a base model by pinned revision: safetensors, tokenizer, configuration."""
    output:
        checkpoint=directory("<study>/checkpoints/{model}-base"),
    log:
        "<study>/logs/fetch_model/{model}.log",
    wildcard_constraints:
        model=plan.models_pattern(from_scratch=False),
    conda:
        "../../environment.yml"
    params:
        hub=model_field("hub"),
        revision=model_field("revision"),
        code=code_digest("commands.fetch_model"),
    shell:
        "agentflan fetch_model"
        " --hub {params.hub}"
        " --revision {params.revision}"
        " --out {output.checkpoint:q}"
        " > {log:q} 2>&1"


rule train_checkpoint:
    """Fine-tune a base model on the mixture of a condition."""
    input:
        data="<study>/mixed/{condition}.jsonl",
        record="<study>/mixed/{condition}.counts.json",
        base="<study>/checkpoints/{model}-base",
    output:
        checkpoint=finished("<study>/checkpoints/{model}-{condition}-s{seed}"),
        losses="<study>/losses/{model}-{condition}-s{seed}.parquet",
        throughput="<study>/throughput/{model}-{condition}-s{seed}.json",
    log:
        "<study>/logs/train_checkpoint/{model}-{condition}-s{seed}.log",
    conda:
        "../../environment.yml"
    threads: training_threads
    resources:
        **asked(training_need),
    params:
        settings=training_settings,
        flags=training_flags,
        snapshots=f"results/{plan.name}/snapshots/{{model}}-{{condition}}-s{{seed}}",
        events=f"results/{plan.name}/logs/events/{{model}}-{{condition}}-s{{seed}}",
        code=code_digest("commands.train_checkpoint"),
    shell:
        "agentflan train_checkpoint"
        " --model {input.base:q}"
        " --data {input.data:q}"
        " --record {input.record:q}"
        " --settings {params.settings:q}"
        " --out {output.checkpoint:q}"
        " --losses {output.losses:q}"
        " --throughput {output.throughput:q}"
        " --events {params.events:q}"
        " --snapshots {params.snapshots:q}"
        " {params.flags}"
        " > {log:q} 2>&1"
