# make test                         lint and tests
# make demo                         train on English, score seven more languages, write the result to runs/
# make bench                        xrobust beside transformers' Trainer and the XTREME protocol, on this machine
# make stress                       kill a run at 20 random moments: it ends with the same weights and scores (SEED=)
# make lint | make clean
#
# Each needs nothing but make and Python 3.11 or newer: the first one that runs makes a virtual environment in .venv and
# installs xrobust there with the versions in constraints.txt; it is brought up to date when those change.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
FOR_TESTS := $(VENV)/.installed-for-tests

TASK ?= wikiann
METHOD ?= rs_aug
# More arguments of `xrobust run`, for instance ARGS='--seeds 1,2,3'.
ARGS ?=

# What the demo's method is compared with.
OTHER = $(if $(filter vanilla,$(METHOD)),rs_aug,vanilla)

# What the benchmark measures on: folders, or names of what is bundled. `make bench BENCH='--tasks pos --rounds 3'`.
BENCH_DATA ?= mini
BENCH_MODEL ?= mini
BENCH ?=

.PHONY: test lint demo bench stress clean

# Two at a time, one thread each: most of the time goes into runs in processes of their own.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(FOR_TESTS)
	$(BIN)/ruff check
	$(BIN)/mypy

# The preset has a model, data and settings for a machine without network or GPU.
demo: $(INSTALLED)
	$(BIN)/xrobust run --preset mini --task $(TASK) --method $(METHOD) --output runs $(ARGS)
	@printf '\nTry next:\n'
	@printf '  %-70s # %s\n' \
		'$(BIN)/xrobust run --preset mini --task $(TASK) --method $(OTHER)' 'to compare with' \
		'$(BIN)/xrobust runs' 'both, side by side' \
		'$(BIN)/xrobust show method $(METHOD)' 'what it does, and its parameters'

bench: $(FOR_TESTS)
	$(BIN)/python -m tests.benchmarks --data $(BENCH_DATA) --model $(BENCH_MODEL) $(BENCH)

stress: $(FOR_TESTS)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.stress --kills 20 $(if $(SEED),--seed $(SEED))

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "xrobust needs Python 3.11 or newer, and $(PYTHON) is not: name one with PYTHON=, as in make test PYTHON=python3.12" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(FOR_TESTS): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev,analysis]'
	touch $(INSTALLED) $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
