"""Tables 1–6 in the paper's rows and columns, every value beside the published one, and the claims with verdicts."""


rule write_plan:
    """Write down what the study builds: which agent stands in which row of which table or figure."""
    output:
        plan="<study>/plan.json",
    log:
        "<study>/logs/write_plan.log",
    conda:
        "../../environment.yml"
    params:
        study=plan.name,
        content=json.dumps(outline(plan)),
    shell:
        "agentflan write_plan --study {params.study} --out {output.plan:q} > {log:q} 2>&1"


rule make_table:
    """Fill one table from score files, token counts and the plan."""
    input:
        table_inputs,
        published=published,
        plan="<study>/plan.json",
    output:
        table=report(
            "results/{table}.csv", category="Tables", caption="../report/tables.rst"
        ),
        cells="results/{table}.cells.json",
    log:
        "<study>/logs/make_table/{table}.log",
    conda:
        "../../environment.yml"
    params:
        code=stage_code("make_table", "tables", "table"),
    shell:
        "agentflan make_table"
        " --name {wildcards.table}"
        " --plan {input.plan:q}"
        " --results $(dirname {input.plan:q})"
        " --out {output.table:q}"
        " --cells {output.cells:q}"
        " > {log:q} 2>&1"
