# make test                         lint and tests
# make demo DATA=... MODEL=...      train on a slice of English, score every language, write the result to runs/
# make lint | make clean
#
# Each needs nothing but make and Python 3.11 or newer: the first one that runs makes a virtual environment in .venv and
# installs xrobust there with the versions in constraints.txt; it is brought up to date when those change.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

TASK ?= wikiann
METHOD ?= rs_aug
# More arguments of `xrobust run`: a slice that ends in minutes. ARGS= runs the whole recipe.
ARGS ?= --limit 2000 --set training.epochs=2

.PHONY: test lint demo demo-inputs clean

# Two at a time, one thread each: most of the time goes into runs in processes of their own.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/mypy

# The learning rate suits a small encoder, as MODEL has to be where the hub is out of reach; a later --set wins.
demo: demo-inputs $(INSTALLED)
	$(BIN)/xrobust run --task $(TASK) --method $(METHOD) --model '$(MODEL)' --data-dir '$(DATA)' --output runs \
		--set training.learning_rate=5e-4 $(ARGS)

demo-inputs:
	$(if $(and $(DATA),$(MODEL)),@:,$(error make demo DATA=folder MODEL=encoder: pass a data folder in the XTREME layout \
		and the folder or hub id of a multilingual encoder))

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "xrobust needs Python 3.11 or newer, and $(PYTHON) is not: name one with PYTHON=, as in make test PYTHON=python3.12" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
