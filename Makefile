# All the commands of this project. `make demo` and `make test` need only Python 3.11 or newer and make. The first run
# creates .venv and installs the versions pinned in constraints.txt; later runs start at once.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
NEEDS := pyproject.toml constraints.txt $(VENV)/.made
ARGS ?=
JOBS ?= -n auto --maxprocesses 4 --dist loadfile

.PHONY: help architecture models demo demo-serve test test-slow test-postgres test-browser test-openapi test-durable test-loop test-bounds coverage mutants check format bench transcript screenshots constraints clean

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 14

demo: $(VENV)/.runtime  ## compare all models on real data and recommend for a new user
	@$(BIN)/penchant demo $(ARGS)

demo-serve: $(VENV)/.serve  ## run the live service and its pages on the same films
	@$(BIN)/penchant demo --serve $(ARGS)

test: $(VENV)/.dev  ## run the tests, except slow and browser tests, on all cores; ARGS go to pytest
	$(BIN)/python -m pytest -m 'not slow and not browser' $(JOBS) $(ARGS)

test-slow: $(VENV)/.dev  ## run the slow tests
	$(BIN)/python -m pytest -m slow $(ARGS)

test-postgres: $(VENV)/.dev  ## test the service and queries on PostgreSQL (apt-get install postgresql)
	$(BIN)/python -m pytest -m slow $(wildcard tests/serve/test_serve_postgres*.py) tests/data/reading/test_sql_postgres.py $(ARGS)

test-browser: $(VENV)/.dev  ## test the pages in Chromium (apt-get install chromium); screenshots go to build/screenshots
	PENCHANT_SCREENSHOTS=build/screenshots $(BIN)/python -m pytest -m browser tests/serve $(ARGS)

test-openapi: $(VENV)/.dev  ## send a minute of requests made from the OpenAPI document to the service
	$(BIN)/python -m pytest -m slow tests/serve/test_serve_openapi.py $(ARGS)

test-durable: $(VENV)/.dev  ## kill the service fifty times while it writes
	$(BIN)/python -m pytest -m slow tests/serve/test_serve_durable.py $(ARGS)

test-loop: $(VENV)/.dev  ## run the whole loop of examples/loop: import, serve, train twice, activate, refuse, erase
	$(BIN)/python -m pytest -m slow tests/test_loop.py $(ARGS)

test-bounds: $(VENV)/.dev  ## test the kernels with bounds checks on every array access
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(VENV)/.numba-bounds $(BIN)/python -m pytest tests/kernels $(ARGS)

coverage: $(VENV)/.dev  ## run the tests and report line coverage in htmlcov/
	$(BIN)/python -m pytest -m 'not slow and not browser' --cov --cov-report=term --cov-report=html $(ARGS)

mutants: $(VENV)/.dev  ## change core/ and recommender/ in 220 small ways and see that the tests beside them notice
	nice -n 10 $(BIN)/python .ci/mutants.py $(ARGS)

check: $(VENV)/.dev  ## check lint, format, types and import contracts
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## format the code and apply the linter's automatic fixes
	$(BIN)/python -m ruff check --fix-only
	$(BIN)/python -m ruff format

bench: $(VENV)/.dev  ## run the benchmarks that have no result yet, then write docs/benchmarks.md
	$(BIN)/python -m bench all $(ARGS)

transcript: $(VENV)/.runtime  ## refresh the transcript of the demo in README.md
	$(BIN)/python .ci/transcript.py

screenshots: $(VENV)/.dev  ## take the screenshots in docs/pages.md from the demo in Chromium
	$(BIN)/python .ci/screenshots.py

models: $(VENV)/.dev  ## write README's table of models and the type-checking imports from the registry
	$(BIN)/python .ci/models.py

architecture: $(VENV)/.dev  ## draw the architecture diagram from the imports
	$(BIN)/python .ci/architecture.py

constraints:  ## pin the versions now in .venv, after an upgrade
	$(BIN)/python .ci/pins.py > constraints.new && mv constraints.new constraints.txt

clean:  ## remove everything these commands created
	rm -rf $(VENV) bench/.envs bench/.work build dist htmlcov mutants .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "make: found no Python 3.11 or newer; pass its path: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON); the first time takes a minute or two." >&2
	@$(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) cannot create virtual environments;" \
		"on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.runtime: $(NEEDS)
	@$(INSTALL) hatchling editables numba safetensors
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.serve: $(NEEDS)
	@$(INSTALL) hatchling editables numba safetensors
	@$(INSTALL) --no-build-isolation --editable '.[serve]'
	@touch $@ $(VENV)/.runtime

$(VENV)/.dev: $(NEEDS)
	@$(INSTALL) hatchling editables numba safetensors
	@$(INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@ $(VENV)/.runtime $(VENV)/.serve
