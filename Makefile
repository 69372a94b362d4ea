# Two commands for newcomers: `make` builds the default study, `make test` checks everything that needs no GPU.
# All else is plain snakemake, pytest and agentflan inside .venv.

PYTHON ?= python3.11
LOCK ?= requirements/cpu.lock
CORES ?= $(shell nproc)
READY := .venv/.ready

.PHONY: study test lint lock clean
study: $(READY)
	.venv/bin/snakemake --cores $(CORES)

test: $(READY) lint
	.venv/bin/pytest

lint: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check --compact-diff Snakefile workflow/rules
	.venv/bin/snakemake --lint

# The environment is the lock and nothing else; every file is checked against its SHA-256.
$(READY): $(LOCK) requirements/base.lock pyproject.toml
	$(PYTHON) -m venv .venv
	PIP_RETRIES=1 .venv/bin/pip install --quiet --require-hashes --requirement $(LOCK)
	.venv/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

lock:
	uv lock --python 3.11
	requirements/export.sh

clean:
	rm -rf results/mini results/*.csv results/figure* results/.plan
