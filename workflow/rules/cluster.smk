"""On a cluster: what stays where Snakemake runs, and which partition takes each job, told before one is submitted."""

import atexit
import os

from agentflan.errors import ConfigError
from agentflan.slurm_queue import refuse_left_over

# Downloads need the internet; the others take seconds.
LOCAL = ["fetch_raw", "fetch_model", "write_plan", "make_table", "make_figure"]
LOCAL += ["write_manuscript", "make_paper", "write_latex", "make_page"]
LOCAL += ["export_crate", "audit"]
workflow.localrules(*LOCAL)


def submitted_jobs():
    """What is to be submitted: jobs, and groups of jobs that run as one. Nothing before the jobs are known."""
    dag = getattr(workflow, "dag", None)
    jobs = dag.needrun_jobs(exclude_finished=False) if dag else []
    remote = [job for job in jobs if not (job.rule.norun or job.rule.name in LOCAL)]
    return list(dict.fromkeys(dag.get_job_group(job) or job for job in remote))


def tell_partitions():
    """Print jobs and GPU-hours by partition; a job that fits none ends the run here."""
    jobs = submitted_jobs()
    for line in site.tally(jobs):
        print(line, file=sys.stderr)
    site.check(jobs)


def tell_partitions_of_dry_run():
    """The same at the end of a dry run, where it is read; by then only the exit code can say that something is wrong."""
    if workflow.dryrun:
        try:
            tell_partitions()
        except ConfigError as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)


if site:
    atexit.register(tell_partitions_of_dry_run)

    onstart:
        refuse_left_over(Path.cwd())
        tell_partitions()
