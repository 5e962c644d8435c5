# make run     set up, then export the examples to every format
# make test    set up, then run every test
# make lint    set up, then check style and workflow
# make bench   set up, then measure how fast each format is written and read
# make fuzz    set up, then read damaged files of every format for ten minutes
# make kill    set up, then stop exports at random moments
# make table   set up, then write the table of readers in docs/formats.md anew
# make lock    set up, then pin the newest versions of all that runs need in requirements.lock
# make clean   remove the environment and everything that runs made
# PYTHON=...   the Python (3.11 or newer) to use; by default the newest on PATH

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
CORES := all
# Snakemake and others keep caches here, so that no home folder is needed.
export XDG_CACHE_HOME ?= $(CURDIR)/.cache
export PYTHONDONTWRITEBYTECODE ?= 1

.PHONY: help run test lint bench fuzz kill table lock clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \(make\|PYTHON\)/\1/p' Makefile

run: $(VENV)/.ready
	"$(BIN)/snakemake" --cores $(CORES)
	@echo "The exports are in $(CURDIR)/results"

test: $(VENV)/.ready-test
	"$(BIN)/python" -m pytest -n auto

lint: $(VENV)/.ready-test
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy" spikelab
	"$(BIN)/snakefmt" --check Snakefile workflow
	"$(BIN)/snakemake" --lint

bench: $(VENV)/.ready
	"$(BIN)/python" benchmarks/throughput.py

table: $(VENV)/.ready-test
	"$(BIN)/python" -m tests.interop.table

fuzz: $(VENV)/.ready
	"$(BIN)/python" benchmarks/fuzz.py

kill: $(VENV)/.ready
	"$(BIN)/python" benchmarks/kill.py

lock: $(VENV)/.ready
	"$(BIN)/python" -m pip install --quiet "uv>=0.9"
	"$(BIN)/python" .ci/lock.py > requirements.lock.new
	mv requirements.lock.new requirements.lock

# The stamps come last: what was interrupted on the way is done again.
$(VENV)/.ready: pyproject.toml .ci/make-venv
	sh .ci/make-venv "$(VENV)" "$(PYTHON)"
	"$(BIN)/python" -m pip install --quiet --editable .
	@touch "$@"

$(VENV)/.ready-test: pyproject.toml $(VENV)/.ready
	"$(BIN)/python" -m pip install --quiet --editable ".[test]"
	@touch "$@"

clean:
	rm -rf $(VENV) .cache .snakemake results dandiset work logs
