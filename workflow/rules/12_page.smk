"""One page of all tables and figures, in which each number opens its lineage down to the raw files."""


rule make_page:
    """Judge what is shown against its records, and write the page."""
    input:
        tables=collect("results/{table}.csv", table=TABLES),
        cells=collect("results/{table}.cells.json", table=TABLES),
        figures=collect(
            "results/{figure}.{format}", figure=FIGURES, format=["svg", "png"]
        ),
        captions=collect("workflow/report/{name}.rst", name=[*TABLES, *FIGURES]),
        parts=page_parts(),
    output:
        page="results/index.html",
    log:
        "<study>/logs/make_page.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("commands.make_page"),
    shell:
        "agentflan make_page"
        " {input.tables:q} {input.cells:q} {input.figures:q}"
        " --captions workflow/report"
        " --out {output.page:q}"
        " > {log:q} 2>&1"
