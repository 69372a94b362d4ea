"""The paper: its data from tables, claims and records, then the PDF, and the tables as LaTeX."""


rule write_manuscript:
    """Collect all that the paper prints; it runs when every table and figure is there."""
    input:
        manuscript_inputs,
        collect("results/{table}.csv", table=TABLES),
        collect("results/{figure}.pdf", figure=FIGURES),
        "paper/choices.yaml",
        "config/models.yaml",
        "config/conditions.yaml",
        f"config/studies/{plan.name}.yaml",
        published=sorted(map(str, Path("paper/published").iterdir())),
    output:
        data="<study>/manuscript.json",
    log:
        "<study>/logs/write_manuscript.log",
    conda:
        "../../environment.yml"
    params:
        study=plan.name,
        code=code_digest("commands.write_manuscript"),
    shell:
        "agentflan write_manuscript --study {params.study} --out {output.data:q} > {log:q} 2>&1"


rule make_paper:
    """Set the paper: published and reproduced values side by side, figures, methods, claims with verdicts."""
    input:
        collect("results/{figure}.pdf", figure=FIGURES),
        words=["paper/paper.typ", "paper/style.typ", "paper/references.bib"],
        data="<study>/manuscript.json",
    output:
        paper="results/paper.pdf",
    log:
        "<study>/logs/make_paper.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("commands.make_paper"),
    shell:
        "agentflan make_paper --data {input.data:q} --figures results --out {output.paper:q} > {log:q} 2>&1"


rule write_latex:
    """Write the tables as LaTeX; the figures are PDF already."""
    input:
        data="<study>/manuscript.json",
    output:
        tables=directory("results/latex"),
    log:
        "<study>/logs/write_latex.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("commands.write_latex"),
    shell:
        "agentflan write_latex --data {input.data:q} --out {output.tables:q} > {log:q} 2>&1"
