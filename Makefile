# Everything that is run here. `make demo` and `make test` need Python 3.11 or newer and make, nothing else: they create
# .venv and install what they need at the versions of constraints.txt; run again, they start at once.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
NEEDS := pyproject.toml constraints.txt $(VENV)/.made
ARGS ?=

.PHONY: help architecture demo demo-serve test test-slow test-browser test-bounds coverage check format bench transcript screenshots constraints clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 14

demo: $(VENV)/.runtime  ## every model compared on real data, and recommendations for a stranger
	@$(BIN)/penchant demo $(ARGS)

demo-serve: $(VENV)/.serve  ## the live service and its pages on the same films
	@$(BIN)/penchant demo --serve $(ARGS)

test: $(VENV)/.dev  ## the whole suite but the slow part and the browser's; ARGS go to pytest
	$(BIN)/python -m pytest -m 'not slow and not browser' $(ARGS)

test-slow: $(VENV)/.dev  ## the slow part
	$(BIN)/python -m pytest -m slow $(ARGS)

test-browser: $(VENV)/.dev  ## the pages in Chromium (apt-get install chromium); screenshots in build/screenshots
	PENCHANT_SCREENSHOTS=build/screenshots $(BIN)/python -m pytest -m browser tests/serve $(ARGS)

test-bounds: $(VENV)/.dev  ## the kernels once more, every array access checked
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(VENV)/.numba-bounds $(BIN)/python -m pytest tests/kernels $(ARGS)

coverage: $(VENV)/.dev  ## the suite with its coverage, line by line in htmlcov/
	$(BIN)/python -m pytest -m 'not slow and not browser' --cov --cov-report=term --cov-report=html $(ARGS)

check: $(VENV)/.dev  ## lint, format, types, and who imports whom
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## put the format right, and what the linter can put right
	$(BIN)/python -m ruff check --fix-only
	$(BIN)/python -m ruff format

bench: $(VENV)/.dev  ## the benchmarks that have no result yet, then docs/benchmarks.md
	$(BIN)/python -m bench all $(ARGS)

transcript: $(VENV)/.runtime  ## a fresh transcript of the demo in README.md
	$(BIN)/python .ci/transcript.py

screenshots: $(VENV)/.dev  ## the pictures of docs/pages.md, taken of the demo in Chromium
	$(BIN)/python .ci/screenshots.py

architecture: $(VENV)/.dev  ## the picture of the architecture, drawn from the imports
	$(BIN)/python .ci/architecture.py

constraints:  ## pin what .venv holds now: how versions are raised
	$(BIN)/python .ci/pins.py > constraints.new && mv constraints.new constraints.txt

clean:  ## remove whatever these commands made
	rm -rf $(VENV) bench/.envs bench/.work build dist htmlcov .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making $(VENV) with $(PYTHON); the first time takes a minute or two." >&2
	@$(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) cannot make virtual environments;" \
		"on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.runtime: $(NEEDS)
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.serve: $(NEEDS)
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation --editable '.[serve]'
	@touch $@ $(VENV)/.runtime

$(VENV)/.dev: $(NEEDS)
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@ $(VENV)/.runtime $(VENV)/.serve
