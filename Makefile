# make demo   set up, play the default study on the bundled models, name the report
# make test   set up, run every test
# make lint   style and types
# make help   the rest

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help setup demo test lint format strips bench postcards-train postcards-eval clean

help:
	@echo "make demo             play the default study on the bundled models, name the report"
	@echo "make test             run every test (ARGS=... for pytest)"
	@echo "make lint             check style and types"
	@echo "make format           mend style"
	@echo "make strips           draw the README's picture from the run of make demo"
	@echo "make bench            measure the engine against a plain loop"
	@echo "make postcards-train  train the bundled models from nothing (hours; can be stopped; ARGS=--help)"
	@echo "make postcards-eval   measure the bundled models and rewrite docs/postcards.md"
	@echo "make clean            remove the environment; runs/ stays"

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,training]'
	touch $@

setup: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/driftloop run quickstart --out runs/quickstart
	@$(BIN)/python -m webbrowser -t "file://$(CURDIR)/runs/quickstart/report.html" >/dev/null 2>&1 || true
	@echo "Open runs/quickstart/report.html in a browser."

# A process per core, four at most: each loads torch and holds about a gigabyte. A process starts
# with its share of the tests in their order, so that what the tests of a module share is made once,
# and takes over some of another's when it has none left.
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

strips: $(INSTALLED)
	$(BIN)/python docs/strips.py runs/quickstart

bench: $(INSTALLED)
	$(BIN)/python benchmarks/loop.py

postcards-train: $(INSTALLED)
	$(BIN)/python -m training.all $(ARGS)

postcards-eval: $(INSTALLED)
	$(BIN)/python -m training.evaluate
	$(BIN)/python -m training.contact_sheet

clean:
	rm -rf $(VENV) build dist src/*.egg-info
