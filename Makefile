# One command a target; each sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup bodies lock bench smoke baseline check report benchmark test fuzz kills lint docs clean

# Variables reach the shell by its environment, so that no blank and no quote in them makes words of its own.
PROFILE ?= embedded
EXPERIMENTS ?= headline
RUNS ?= runs
WORKERS ?=
KEPT ?=
INPUTS ?= 400
SEED ?= 0
PYTHON ?= python3
LOCK ?= requirements-lock.txt requirements-lock-dev.txt
UPGRADE ?=
override BASELINE := configs/baselines/smoke.json
override SMOKE = $(RUNS)/smoke
export PROFILE EXPERIMENTS RUNS WORKERS KEPT INPUTS SEED PYTHON SMOKE

override VENV := .venv
override READY := $(VENV)/.ready
override INSTALL := $(VENV)/bin/pip install --quiet --disable-pip-version-check
override ENVIRONMENT := .ci/environment.py
override RUN := $(VENV)/bin/python -m fpt_bench
override NAMED = @test -n "$$(printf %s "$$RUNS" | tr -d '[:space:]')" || { echo "RUNS: expected a folder, got nothing" >&2; exit 2; }

help:  ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 12

setup: $(READY)  ## Create .venv with everything the other targets need, as LOCK says; LOCK= takes newest versions

$(READY): setup.cfg pyproject.toml requirements-bodies.txt $(ENVIRONMENT) $(LOCK)
	@"$$PYTHON" $(ENVIRONMENT) fits $(LOCK)
	"$$PYTHON" -m venv $(VENV)
ifneq ($(strip $(LOCK)),)
	$(INSTALL) --no-deps --require-hashes $(addprefix --requirement ,$(LOCK))
	$(INSTALL) --no-deps --no-build-isolation --editable .
else
	$(INSTALL) --editable '.[dev]'
endif
	$(VENV)/bin/python $(ENVIRONMENT) bodies requirements-bodies.txt
	touch $@

bodies: $(READY)  ## Install the packages of pretrained weights and digits that are missing, one by one
	$(VENV)/bin/python $(ENVIRONMENT) bodies requirements-bodies.txt

lock:  ## Write the lock files for PYTHON and this system, in minutes; UPGRADE=1 takes the newest of everything
	"$$PYTHON" $(ENVIRONMENT) lock requirements-lock.txt requirements-lock-dev.txt $(if $(UPGRADE),--upgrade)

bench: $(READY)  ## Run EXPERIMENTS (headline) at PROFILE (embedded) and print the tables; KEPT names results not to do again
	$(NAMED)
	$(RUN) bench --experiments "$$EXPERIMENTS" --profile "$$PROFILE" --runs "$$RUNS" $(if $(WORKERS),--workers "$$WORKERS") \
		$(if $(strip $(KEPT)),--kept "$$KEPT")

smoke: $(READY)  ## Run the headline experiment at the smoke profile, from nothing, in minutes
	$(NAMED)
	$(VENV)/bin/python -m fpt_bench.results.fresh "$$SMOKE"
	$(RUN) bench --profile smoke --runs "$$SMOKE" --offline

check: smoke  ## Compare the smoke table with the kept one
	$(RUN) check "$$SMOKE/tables/headline-smoke" --baseline $(BASELINE) --markdown "$$SMOKE/check.md" --junit "$$SMOKE/check.xml"

baseline: smoke  ## Renew the kept smoke table; commit it by itself
	$(RUN) check "$$SMOKE/tables/headline-smoke" --baseline $(BASELINE) --renew

report: $(READY)  ## Turn the results in RUNS into report.html and figures/
	$(NAMED)
	$(RUN) report "$$RUNS" -o report.html

benchmark: $(READY)  ## Time a step and the wait for data, and write both tables under benchmarks/
	$(VENV)/bin/python -m benchmarks.step_time
	$(VENV)/bin/python -m benchmarks.loading

test: $(READY)  ## Run all tests
	$(VENV)/bin/python -m pytest

fuzz: $(READY)  ## Give INPUTS (400) damaged files to the commands that read files, by SEED (0)
	$(VENV)/bin/python -m tests.fuzz --inputs "$$INPUTS" --seed "$$SEED"

kills: $(READY)  ## Kill and stop processes of benches at random, and compare with undisturbed ones; takes a quarter of an hour
	$(VENV)/bin/python -m tests.kills

lint: $(READY)  ## Check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(READY)  ## Build the pages as a site, site/index.html, with every link checked; needs a network once, for mkdocs
	$(INSTALL) --no-build-isolation --editable '.[docs]'
	$(VENV)/bin/python .ci/pages.py .site
	$(VENV)/bin/mkdocs build --strict

clean:  ## Remove .venv and caches; results stay
	rm -rf $(VENV) .site site build *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
