"""Audit: whether what is in results/ still is what its records say, and the whole run in a form that others read."""


rule audit:
    """Judge everything that is there; anything but stand-ins and what was not run fails. It builds nothing."""
    log:
        "<study>/logs/audit.log",
    conda:
        "../../environment.yml"
    shell:
        "agentflan audit results --accept SUBSTITUTE NOT-RUN 2>&1 | tee {log:q}"


rule export_crate:
    """The run behind all tables and figures as a Workflow Run RO-Crate (Provenance Run Crate 0.5)."""
    input:
        collect("results/{table}.csv", table=TABLES),
        collect(
            "results/{figure}.{format}", figure=FIGURES, format=["pdf", "svg", "png"]
        ),
    output:
        crate=directory("results/ro-crate"),
    log:
        "<study>/logs/export_crate.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("commands.export_crate"),
    shell:
        "agentflan export_crate {input:q} --out {output.crate:q} > {log:q} 2>&1"
