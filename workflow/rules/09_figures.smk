"""Figures 1–11, each as PDF, SVG and PNG of the same drawing."""


rule make_figure:
    """Draw one figure from scores, losses, transcripts and corpora."""
    input:
        figure_inputs,
        plan="<study>/plan.json",
    output:
        multiext("results/{figure}", ".pdf", ".svg"),
        png=report(
            "results/{figure}.png", category="Figures", caption="../report/figures.rst"
        ),
    log:
        "<study>/logs/make_figure/{figure}.log",
    conda:
        "../../environment.yml"
    params:
        code=stage_code("make_figure", "figures", "figure"),
    shell:
        "agentflan make_figure"
        " --name {wildcards.figure}"
        " --plan {input.plan:q}"
        " --results $(dirname {input.plan:q})"
        " --out results/{wildcards.figure}"
        " > {log:q} 2>&1"
