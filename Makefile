# Every command sets up what it needs by itself; see "make help".
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first Python 3.11 found; another with: make setup PYTHON=/path/to/it
PYTHON ?= $(shell for candidate in python3.11 python3 python; do \
	if $$candidate -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	>/dev/null 2>&1; then echo $$candidate; break; fi; done)
BIN := .venv/bin
WORKERS ?= 2
# Two workers on two cores: more threads each only wait for one another.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)
ARGS ?=

.PHONY: help setup demo test test-full coverage bench soak lint format \
	docs doctor clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | \
		sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: ## make .venv with everything in it (first time 3 to 6 minutes)
	@python=$(PYTHON); if [ -z "$$python" ]; then \
		echo 'setup: no Python 3.11 found (tried python3.11, python3,' \
			'python).' >&2; \
		echo 'Install it (Debian, Ubuntu: python3.11 python3.11-venv' \
			'python3.11-dev; or pyenv, conda),' >&2; \
		echo 'or name it: make setup PYTHON=/path/to/python3.11' >&2; \
		exit 1; fi; \
	$$python tools/setup_env.py

demo: setup ## pretrain on synthetic shapes, offline, 5 to 10 minutes
	@$(BIN)/python tools/demo.py $(ARGS)

test: setup ## tests that take seconds each; ARGS='-k name' chooses
	@$(TEST) -m 'not slow' $(ARGS)

test-full: setup ## all tests, the slow ones too
	@$(TEST) $(ARGS)

coverage: setup ## lines that `make test` runs, by module, and the rest
	@$(TEST) -m 'not slow' -q --cov=mmdet3d_act \
		--cov-report=term-missing:skip-covered $(ARGS)

bench: setup ## speed, memory, start: 15 minutes; ARGS='--sections steps'
	@peers=work_dirs/bench/peers; [ -d $$peers ] || \
		$(BIN)/python -m pip install -q --no-deps --target $$peers \
		-r requirements/bench.txt || echo 'bench: goes on without them'
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py $(ARGS)

soak: setup ## kills, full disks, NaN, bad files and settings: an hour
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/soak.py $(ARGS)

lint: setup ## ruff check, ruff format --check, imports, spelling, static types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/codespell
	@$(BIN)/mypy

format: setup ## let ruff mend and format what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup ## the site of docs/, into site/; broken links are errors
	@$(BIN)/zensical build --clean --strict

doctor: setup ## what is installed, which data and teachers are there
	@$(BIN)/python tools/doctor.py

clean: ## remove builds and caches; keeps .venv, data and runs
	@rm -rf build dist site *.egg-info .pytest_cache .ruff_cache \
		.import_linter_cache .mypy_cache
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune \
		-exec rm -rf {} +
