"""Agent-FLAN, reproduced: raw → filtered → chat → decomposed → mixed → checkpoint → scores → tables and figures.

`snakemake --cores all` builds every table and figure of the chosen study; `--config study=paper` chooses another.
Each stage is one file below, in the order of the flow; each rule runs one `agentflan` command.
"""

from snakemake.utils import min_version

min_version("9.27.1")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/01_raw.smk"
include: "workflow/rules/02_filtered.smk"
include: "workflow/rules/03_chat.smk"
include: "workflow/rules/04_decomposed.smk"
include: "workflow/rules/05_mixed.smk"
include: "workflow/rules/06_checkpoint.smk"
include: "workflow/rules/07_scores.smk"
include: "workflow/rules/08_tables.smk"
include: "workflow/rules/09_figures.smk"
include: "workflow/rules/10_benchmarks.smk"
include: "workflow/rules/11_audit.smk"
include: "workflow/rules/12_page.smk"
include: "workflow/rules/13_paper.smk"
include: "workflow/rules/cluster.smk"


rule all:
    """Every table and figure, the claims, the crate of the whole run, its page and the paper."""
    default_target: True
    input:
        collect("results/{table}.csv", table=TABLES),
        collect(
            "results/{figure}.{format}", figure=FIGURES, format=["pdf", "svg", "png"]
        ),
        "results/ro-crate",
        "results/index.html",
        "results/paper.pdf",
        "results/latex",
