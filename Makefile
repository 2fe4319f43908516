# `make` lists the targets. Everything here runs without make too: see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVERS := .venv-servers
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help repro test test-fast browser servers test-slow bench try doctor check format miniatures readme reference docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: $(BIN)/.installed  ## install, run what has changed, print the table of systems
	@resumen check
	@dvc repro
	@resumen results

test: $(BIN)/.installed  ## the unit tests, and the pipeline scaled down (12 minutes)
	@pytest -q -n 2 --dist worksteal --durations=10

test-fast: $(BIN)/.installed  ## the unit tests alone (two minutes)
	@pytest -q -n 2 --dist worksteal --durations=10 stages resumen miniatures tests/unit

browser: $(BIN)/.installed  ## what the tests of the pages need: playwright, axe, Gradio, and chromium where apt gives it
	@python -m pip install --quiet --disable-pip-version-check --constraint tests/requirements.txt playwright axe-playwright-python -r requirements-try.txt
	@command -v chromium || command -v chromium-browser || command -v google-chrome || (apt-get update -qq && apt-get install -qq --no-install-recommends chromium)

servers: $(BIN)/.installed  ## what the tests of the remotes need: dvc-s3, dvc-ssh, and an S3 endpoint apart from them
	@python -m pip install --quiet --disable-pip-version-check -c requirements-remotes.txt dvc-s3 dvc-ssh
	@$(PYTHON) -m venv $(SERVERS)
	@$(SERVERS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-servers.txt

test-slow: $(BIN)/.installed  ## what re-runs, 100 kills, 20 experiments, 10,000 damaged files a reader (hours)
	@python -m pip install --quiet --disable-pip-version-check --constraint benchmarks/requirements.txt accelerate
	@python -m pip install --quiet --disable-pip-version-check --constraint tests/requirements.txt ipykernel matplotlib nbclient
	@RESUMEN_FUZZ=10000 pytest -q tests/slow tests/unit/test_fuzz.py tests/unit/test_truncation.py
	@pytest -q -n 2 --dist worksteal tests/unit --without-private

bench: $(BIN)/.installed  ## speed beside what people would otherwise run (an hour, nothing else running)
	@python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@python -m benchmarks.training --write
	@python -m benchmarks.generation --write
	@ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.training --write
	@ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.generation --write
	@python -m benchmarks.model --write
	@python -m benchmarks.profiles --write
	@python -m benchmarks.vocabulary --write
	@python -m benchmarks.rouge --write
	@python -m benchmarks.scoring --share 0.25 --write

try: $(BIN)/.installed  ## a page on this machine: an article, and the systems' summaries side by side
	@python -m pip install --quiet --disable-pip-version-check -r requirements-try.txt
	@resumen playground

doctor: $(BIN)/.installed  ## hold every kept byte against its hash; DOCTOR="--remote --fix" repairs
	@resumen doctor $(DOCTOR)

check: $(BIN)/.installed  ## ruff and mypy: lint, format and types
	@ruff check .
	@ruff format --check .
	@mypy

format: $(BIN)/.installed  ## let ruff format the code
	@ruff check --fix .
	@ruff format .

miniatures: $(BIN)/.installed  ## train the shipped miniatures again
	@python -m miniatures

readme: $(BIN)/.installed  ## bring the results in README.md and README.es.md up to date
	@resumen results --readme

reference: $(BIN)/.installed  ## bring the pages of docs/reference up to date
	@python -m resumen.tools.reference

docs: $(BIN)/.installed  ## the documentation as pages, in site/
	@python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict

clean:  ## remove what the stages wrote; DVC's cache keeps it
	@rm -rf data/raw data/formatted data/tokenized data/predictions data/answers data/scores.parquet models reports

$(BIN)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@
