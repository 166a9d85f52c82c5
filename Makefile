# What a person types. Each target says what it does and how long that takes; `make` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run demo test check bench-engine bench-publish bench-upload bench-collect bench-edge chaos clean

# Any Python from 3.11 on; `make run PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13 python3.14; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
INSTALLED := $(VENV)/.installed
PEERS_INSTALLED := $(VENV)/.installed-peers

help: ## This list
	@echo "Usage: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## /  \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'
	@echo
	@echo "The first one installs into .venv (about a minute). Afterwards \`.venv/bin/sns --help\` has more."

run: $(INSTALLED) ## The whole stack on this machine, with sample data (ready in 10 s, Ctrl-C ends it)
	@exec $(BIN)/sns up $(ARGS)

demo: $(INSTALLED) ## 30 posts published on the second and seen by their author (under 60 s)
	@exec $(BIN)/sns demo $(ARGS)

# They wait more than they compute, so three processes share two cores; a file stays in one.
test: $(INSTALLED) ## All tests, on real PostgreSQL, Valkey and HTTP (about 5 minutes)
	@echo "Running all tests on real PostgreSQL, Valkey and HTTP; about 5 minutes."
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile $(ARGS)

check: $(INSTALLED) ## ruff, mypy strict, import-linter (about 30 s)
	@echo "Checking style, types and the direction of imports; about 30 s."
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench-engine: $(PEERS_INSTALLED) ## Our engine beside dramatiq, Celery and taskiq (about 5 minutes)
	@echo "Measuring four engines on one Valkey, one after the other; about 5 minutes."
	@exec $(BIN)/python -m tests.benchmarks.bench_engine $(ARGS)

bench-publish: $(INSTALLED) ## How late posts reach the platform, steady and in a burst (about 4 minutes)
	@echo "Measuring lateness at the sandbox, steady and in a burst; about 4 minutes."
	@exec $(BIN)/python -m tests.benchmarks.bench_publish $(ARGS)

bench-upload: $(INSTALLED) ## Memory that a film of 2 GiB costs on its way (about 2 minutes)
	@echo "Uploading 2 GiB to two platforms' doubles; about 2 minutes."
	@exec $(BIN)/python -m tests.benchmarks.bench_upload $(ARGS)

bench-collect: $(INSTALLED) ## 100,000 comments collected, an idle round, and webhooks to the browser (about 4 minutes)
	@echo "Collecting 100,000 comments from the platforms' doubles; about 4 minutes."
	@exec $(BIN)/python -m tests.benchmarks.bench_collect $(ARGS)

bench-edge: $(INSTALLED) ## Our edge beside a plain one and Node's ws, and a reconnect storm (about 5 minutes)
	@echo "Measuring three edges on one Valkey, one after the other; about 5 minutes. Needs Node and npm."
	@exec $(BIN)/python -m tests.benchmarks.bench_edge $(ARGS)

chaos: $(INSTALLED) ## Kill workers while they publish; N=1000 kills, SEED=7 (4 minutes, N=1000 about 18)
	@echo "Killing workers with -9 while they publish, then asking the platform what it shows."
	@exec $(BIN)/python -m tests.chaos.publishing --kills $(or $(N),200) $(if $(SEED),--seed $(SEED)) $(ARGS)

clean: ## Remove .venv, caches and the data in var/ (a second)
	@echo "Removing .venv, caches and var/."
	@rm -rf $(VENV) var build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is needed and was not found; on Debian or Ubuntu: apt install python3.11 python3.11-venv" >&2; exit 1; fi
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)

# One stamp for all targets: installed again only when what is asked for has changed.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV); about a minute, once."
	@$(PIP) --editable '.[local,test]'
	@touch $@

$(PEERS_INSTALLED): $(INSTALLED)
	@echo "Installing the peers to measure against; about 30 s, once."
	@$(PIP) --editable '.[local,test,bench]'
	@touch $@
