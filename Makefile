# Everything starts here; each target makes what it needs, the virtual environment included.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSION ?= 3.14

.PHONY: help image test lint format reproduce clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

image: $(VENV)/installed ## build python:3.14-alpine from sources into dist/ and start it (VERSION=3.13 for the other)
	$(BIN)/bivy build $(VERSION)
	$(BIN)/bivy run python:$(VERSION)-alpine python3 -c 'import sys, platform; print("Python", sys.version, "on", platform.libc_ver()[0] or "musl", platform.machine())'

test: $(VENV)/installed ## run the tests
	$(BIN)/python -m pytest

lint: $(VENV)/installed ## check types, style, and that imports point one way
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed ## put the code into its one format
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

reproduce: $(VENV)/installed ## build everything twice, the second time elsewhere by another user, and compare
	$(BIN)/python -m bench.reproduce

clean: ## remove what was made here; the cache stays (bivy cache prune)
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
