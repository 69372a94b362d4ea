# Two commands for newcomers: `make` builds the default study, `make test` checks everything that needs no GPU.
# All else is plain snakemake, pytest and agentflan inside .venv.

PYTHON ?= python3.11
LOCK ?= requirements/cpu.lock
CORES ?= $(shell nproc)
READY := .venv/.ready
# A killed run leaves Snakemake's lock behind. This lock dies with its owner, so whoever holds it may take the other away.
ALONE := flock --close --nonblock --conflict-exit-code 75 .snakemake/make.lock

.PHONY: study test lint lock clean
study: $(READY)
	@mkdir -p .snakemake
	@$(ALONE) sh -c '.venv/bin/snakemake --unlock --quiet all && exec .venv/bin/snakemake --cores $(CORES) --rerun-incomplete' \
	  || { test $$? -eq 75 && echo "another make builds here already: wait for it, or work in another clone" >&2; exit 1; }

test: $(READY) lint study
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
