# Two commands for newcomers: `make` builds the default study; `make test` checks everything that needs no GPU, with a
# whole run of a study cut to minutes.
# All else is plain snakemake, pytest and agentflan inside .venv.

PYTHON ?= python3.11
LOCK ?= requirements/cpu.lock
CORES ?= $(shell nproc)
READY := .venv/.ready
# Snakemake looks at all waiting jobs again after each timespan of its rate limit; with the default of a second, two
# cores spend a tenth of their time on that.
CALM := --max-jobs-per-timespan 1000/10s
# A killed run leaves Snakemake's lock behind. This lock dies with its owner, so whoever holds it may take the other away.
ALONE := flock --close --nonblock --conflict-exit-code 75 .snakemake/make.lock

.PHONY: study test lint lock clean
study: $(READY)
	@mkdir -p .snakemake
	@$(ALONE) sh -c '.venv/bin/snakemake --unlock --quiet all && exec .venv/bin/snakemake --cores $(CORES) --rerun-incomplete $(CALM)' \
	  || { test $$? -eq 75 && echo "another make builds here already: wait for it, or work in another clone" >&2; exit 1; }

# Slow tests are run by hand, those of the study after `make`: .venv/bin/pytest -m slow
test: $(READY) lint
	OMP_NUM_THREADS=1 .venv/bin/pytest -n $(CORES) --dist loadfile --no-loadscope-reorder -m "not slow"

lint: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check --compact-diff Snakefile workflow/rules
	.venv/bin/snakemake --lint

# The environment is the lock and nothing else; every file is checked against its SHA-256.
$(READY): $(LOCK) requirements/base.lock pyproject.toml
	$(PYTHON) -m venv .venv
	PIP_RETRIES=1 .venv/bin/pip install --quiet --no-deps --require-hashes --requirement $(LOCK)
	.venv/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

lock:
	uv lock --python 3.11
	requirements/export.sh
	uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-annotate \
	  --no-header --override requirements/vllm.overrides pyproject.toml requirements/vllm.in -o requirements/vllm.lock

clean:
	rm -rf results/mini results/*.csv results/figure* results/ro-crate results/index.html results/paper.pdf results/latex \
	  results/.plan
