# Each target makes what it needs: an environment in .venv, with the package and what the target calls for.
PYTHON ?= python3
# An interpreter that is named has an environment of its own.
VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
WORKERS ?= 2

.PHONY: help demo test check bench docs wheel format clean

help:
	@echo "make demo    run 13 tasks through two orchestrators, record them, and print the report"
	@echo "make test    run the test suite; with PYTHON=python3.13 in an environment of that interpreter"
	@echo "make check   lint, types, import walls"
	@echo "make bench   measure recording, reading and statistics; prints ratios"
	@echo "make docs    build the documentation into site/, and run every snippet and command that it shows"
	@echo "make wheel   build the wheel, and try it with each extra in an environment of its own"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "could not make $(VENV): is the venv module there? (Debian: apt-get install python3-venv)"; exit 1; }

$(VENV)/installed: pyproject.toml $(BIN)/python
	@echo "installing the package into $(VENV)"
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "installing what the tests need"
	@$(PIP) install --group test
	@touch $@

$(VENV)/installed-check: $(VENV)/installed-test
	@echo "installing what the checks need"
	@$(PIP) install --group check
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed-test
	@echo "installing what the documentation needs"
	@$(PIP) install --group docs
	@touch $@

$(VENV)/installed-package: $(VENV)/installed
	@echo "installing what builds the package"
	@$(PIP) install --group package
	@touch $@

demo: $(VENV)/installed
	@$(BIN)/python examples/demo.py

test: $(VENV)/installed-test
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

check: $(VENV)/installed-check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/installed-test
	@$(BIN)/python tests/perf/run.py $(ARGS)

docs: $(VENV)/installed-docs
	@$(BIN)/python tests/site.py
	@$(BIN)/python -m pytest -n $(WORKERS) tests/test_docs.py $(ARGS)

wheel: $(VENV)/installed-package
	@$(BIN)/python tests/wheel.py

format: $(VENV)/installed-check
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-* site .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
