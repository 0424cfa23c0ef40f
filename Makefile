# Every target makes what it needs first; `make help` lists them.
# PYTHON=/path/to/python3 chooses the Python, VENV=folder the virtual environment, ARGS="-k scroll" adds arguments,
# WORKERS=2 tests in two processes, in half the time.
.NOTPARALLEL:
.ONESHELL:
.SHELLFLAGS := -eu -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
ARGS ?=
WORKERS ?= 0
BIN := $(VENV)/bin
RUN := $(VENV)/.stamp-run
DEV := $(VENV)/.stamp-dev
FLOORS := images operators loaders pipeline
SOURCES := $(FLOORS) tests benchmarks tools examples

# Containers often set this. The tests start many processes that import the library, and each would compile it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-long test-corpus check bench bench-compare bench-smoke format clean
.PHONY: check-format check-lint check-docstrings check-docs unpacked-wheel check-wheel check-floors check-types

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' $(MAKEFILE_LIST)

demo: $(RUN)  ## stream a CT study from a server on loopback, scroll through it, cancel, and say what happened
	@$(BIN)/cornerstream demo $(ARGS)

test: $(DEV)  ## run the tests; those that take minutes, and those of real files, have commands of their own
	@echo "test: pytest"
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --ignore=tests/corpus $(ARGS)

test-long: $(DEV)  ## run the tests that take minutes: the whole corpus by every route, damaged frames, fuzzing
	@echo "test-long: pytest"
	$(BIN)/python -m pytest -q -m long $(ARGS)

test-corpus: $(DEV)  ## run the tests of real files in ../shared/data, and print a line for each
	@echo "test-corpus: pytest"
	$(BIN)/python -m pytest -q tests/corpus --corpus-report $(ARGS)

check: check-format check-lint check-docstrings check-docs check-wheel check-floors check-types  ## run every check
	@echo "check: ok"

bench: $(DEV)  ## run the benchmarks; every figure with its target, JSON and a plot in benchmarks/results
	@$(BIN)/python -m benchmarks $(ARGS)
	echo "bench: ok"

bench-compare: $(DEV)  ## run them, and end with an error if a ratio is worse than in benchmarks/results/baseline.json
	@$(BIN)/python -m benchmarks --compare benchmarks/results/baseline.json $(ARGS)
	echo "bench-compare: ok"

bench-smoke: $(DEV)  ## run the benchmarks once on small data
	@$(BIN)/python -m benchmarks --quick $(ARGS)
	echo "bench-smoke: ok"

format: $(DEV)  ## format the code, sort its imports, and write the README's tables
	@$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --select I --fix $(SOURCES)
	$(BIN)/python tools/tables.py --write
	$(BIN)/python tools/evidence.py --write
	echo "format: ok"

clean:  ## remove what was made, the virtual environment included
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-out
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
	echo "clean: ok"

check-format: $(DEV)
	@echo "check: format"
	$(BIN)/ruff format --quiet --check $(SOURCES)

check-lint: $(DEV)
	@echo "check: lint"
	$(BIN)/ruff check --quiet $(SOURCES)

check-docstrings: $(DEV)
	@echo "check: docstrings"
	$(BIN)/interrogate --quiet $(FLOORS) || { $(BIN)/interrogate -vv $(FLOORS) | grep -E 'MISSED|RESULT'; exit 1; }

check-docs: $(DEV)
	@echo "check: documents (tables, links, examples)"
	$(BIN)/python tools/tables.py
	$(BIN)/python -m pytest -q tests/test_readme.py tests/test_docs.py tests/test_project.py

# Static tools do not see through an editable install: they look at the wheel's contents in build/check.
unpacked-wheel: $(DEV)
	@echo "check: wheel builds"
	tools/unpack_wheel.sh $(BIN)/python build

check-wheel: unpacked-wheel
	@echo "check: wheel, installed into a virtual environment of its own"
	tools/check_wheel.sh $(BIN)/python build/wheel/*.whl

check-floors: unpacked-wheel
	@echo "check: floors and import cycles"
	PYTHONPATH=build/check $(BIN)/lint-imports --no-cache --no-logo
	PYTHONPATH=build/check $(BIN)/python tools/check_cycles.py cornerstream

check-types: unpacked-wheel
	@echo "check: types"
	tools/mypy.sh $(BIN)/mypy build/check

$(RUN): pyproject.toml tools/venv.sh
	@tools/venv.sh $(VENV) -e .
	touch $@

$(DEV): pyproject.toml tools/venv.sh
	@tools/venv.sh $(VENV) -e '.[dev,bench]'
	touch $(RUN) $@
