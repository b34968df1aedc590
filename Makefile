# dealcast: `make` lists the targets. Everything runs in .venv, built from the hash-pinned lock.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test fast schema lint results features-doc lock bento clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "dealcast needs Python 3.11 or newer, got %d.%d: run `make PYTHON=/path/to/python3.11 install`" % v[:2])'
	@echo "Making $(VENV) from the lock (about 2 minutes) ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

install: $(STAMP)  ## make .venv with everything pinned in requirements.lock

demo: $(STAMP)  ## a demo CRM: import, train, rank, forecast, then serve on http://127.0.0.1:3000
	$(BIN)/dealcast demo

test: $(STAMP)  ## the whole suite: linters, types, layers, tests, coverage
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --cov --cov-report=term -q

fast: $(STAMP)  ## the tests that fit no model and start no server
	$(BIN)/python -m pytest -q -m "not slow"

schema: $(STAMP)  ## thousands of generated requests against the OpenAPI document
	SCHEMA_CASES=500 $(BIN)/python -m pytest -q tests/serving/test_openapi.py

lint: $(STAMP)  ## format, lint, types, layers
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy
	$(BIN)/lint-imports

results: $(STAMP)  ## run the public data sets end to end and write docs/results.md
	$(BIN)/python -m experiments.results

features-doc: $(STAMP)  ## write docs/features.md from the catalogue
	$(BIN)/dealcast features --markdown > docs/features.md

bento: $(STAMP)  ## the service, its models and data (of ./workspace) in one archive: docs/deploy.md
	@# BentoML installs uv to lock packages anew, which ours are already: a false one keeps it away.
	@shim=$$(mktemp -d) && printf '#!/bin/sh\nexit 1\n' > "$$shim/uv" && chmod +x "$$shim/uv" \
		&& PATH="$$shim:$$PATH" BENTOML_DO_NOT_TRACK=True $(BIN)/bentoml build; code=$$?; rm -r "$$shim"; exit $$code

lock: $(STAMP)  ## resolve requirements.lock anew (needs `uv`); hashes only, no addresses
	uv pip compile --python-version 3.11 --extra dev --extra postgres --generate-hashes --no-emit-index-url --no-strip-extras --no-header --no-annotate --upgrade pyproject.toml -o requirements.lock

clean:  ## remove .venv, caches and the demo workspace
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis workspace htmlcov .coverage*
