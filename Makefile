# Every target sets up what it needs, and does nothing when nothing changed. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
UV := $(shell command -v uv 2>/dev/null)
WORKERS ?= 2

# What a training run is made of: override on the command line.
CANDLES ?= data/candles.csv
DAILY ?= $(or $(MACRO),$(firstword $(wildcard data/daily.csv data/macro.csv)))  # MACRO: its name before
CONFIG ?= config/training.toml
LEVEL ?= all
DAYS ?=
TRIALS ?=
VERSION ?=
RUN ?= runs/current
STORE ?= artifacts/btc-jpy
TRAIN_FLAGS ?=
CONVERT_FLAGS ?=

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18
	@echo
	@echo 'Variables: CANDLES= DAILY= CONFIG= LEVEL= DAYS= TRIALS= (train)  VERSION= (convert)  RUN= STORE= PYTHON='

# ---------------------------------------------------------------- set-up

# Every folder here with a pyproject.toml is a package, and is installed in place.
PACKAGES := $(patsubst %/pyproject.toml,%,$(wildcard */pyproject.toml))
PARTS := requirements/install.py $(PACKAGES:%=%/pyproject.toml)
# Only what the demonstration, training and conversion need, where the tools of development are not there already.
BASE := $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.ready-demo)
IS_SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))

define install
@$(PYTHON) -c '$(IS_SUPPORTED)' || { \
  echo 'Python 3.11, 3.12, 3.13 or 3.14 is needed; name one: make PYTHON=python3.12 ...' >&2; exit 2; }
@$(PYTHON) requirements/install.py $(1) --venv '$(VENV)' --uv '$(UV)'
@touch $@
endef

$(STAMP): requirements/dev.txt $(PARTS)
	$(call install,dev)
$(VENV)/.ready-demo: requirements/demo.txt $(PARTS)
	$(call install,demo)

# Of all packages; XGBoost, as xgboost-cpu, is named where it is wanted. A test holds the list to the metadata.
EXTRAS := catboost dask notify sql

.PHONY: setup lock
setup: $(STAMP) ## Create .venv with everything in it
LOCK = $(BIN)/uv pip compile -q --universal --python-version 3.11 --only-binary :all: --generate-hashes --no-annotate \
  --no-emit-index-url --no-emit-package gradus-runtime --no-emit-package gradus-live --custom-compile-command 'make lock'
lock: $(STAMP) ## Resolve the dependencies again into requirements/*.txt; UPGRADE=NAME for one of them alone
	@$(LOCK) $(if $(UPGRADE),--upgrade-package $(UPGRADE),--upgrade) $(EXTRAS:%=--extra %) \
	  $(PACKAGES:%=%/pyproject.toml) requirements/demo.in --group pyproject.toml:dev -o requirements/dev.txt
	@$(LOCK) -c requirements/dev.txt $(PACKAGES:%=%/pyproject.toml) requirements/demo.in -o requirements/demo.txt
	@$(LOCK) -c requirements/dev.txt requirements/bench.in -o requirements/bench.txt
	@for python in 3.11 3.12 3.13 3.14; do for machine in x86_64 aarch64; do for lock in demo dev; do \
	  $(BIN)/uv pip install -q --dry-run --target .venvs/none --python-version $$python --no-deps --only-binary :all: \
	    --python-platform $$machine-manylinux_2_28 --require-hashes -r requirements/$$lock.txt; done; done; done

# ---------------------------------------------------------------- training and conversion

METADATA := $(RUN)/training_metadata.json
SETTINGS := $(RUN).settings

# Rewritten only when a variable has another value than at the last run.
.PHONY: force
$(SETTINGS): force
	@mkdir -p $(@D)
	@printf '%s\n' '$(CANDLES) $(DAILY) $(CONFIG) $(LEVEL) $(DAYS) $(TRIALS) $(TRAIN_FLAGS)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(CANDLES):
	@echo 'There are no candles at $@.' >&2
	@echo 'Name yours:  make train CANDLES=my_candles.csv DAILY=my_daily_series.csv' >&2
	@echo 'or try the embedded market:  make demo' >&2
	@exit 2

# Touched when the gates have passed too; the run folder stays for a look when they have not.
$(RUN).trained: $(BASE) $(SETTINGS) $(CANDLES) $(DAILY) $(CONFIG) config/feature_order.json config/gates.toml
	$(BIN)/gradus train --candles '$(CANDLES)' $(if $(DAILY),--daily '$(DAILY)') --config '$(CONFIG)' \
	  --level $(LEVEL) $(if $(DAYS),--days $(DAYS)) $(if $(TRIALS),--optimize --n-trials $(TRIALS)) \
	  --out $(RUN) --store $(STORE) --resume $(TRAIN_FLAGS)
	@touch $@

$(RUN).converted: $(BASE) $(wildcard $(METADATA)) config/artifact.toml
	$(BIN)/gradus convert --run $(RUN) --store $(STORE) $(if $(VERSION),--version $(VERSION)) \
	  $(CONVERT_FLAGS) --pin
	@touch $@

.PHONY: train convert validate demo
train: $(RUN).trained ## Train the levels: CANDLES= DAILY= CONFIG= LEVEL= DAYS= TRIALS=
convert: $(RUN).converted ## Compile the last run, prove it, publish it, pin it: VERSION=
validate: $(BASE) ## Check the configuration and the store as CI does
	$(BIN)/gradus validate config/feature_order.json $(if $(wildcard $(STORE)/versions),$(STORE))

demo: $(BASE) ## The full pipeline on an embedded market, in about a minute
	@$(BIN)/python examples/demo.py

# ---------------------------------------------------------------- checks

.PHONY: check lint types walls test
check: lint types walls test ## What CI runs: lint, types, import walls, tests

lint: $(STAMP) ## ruff, and the linters of workflows and hooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml \
	  examples/bot/.github/workflows/*.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-actions action.yml
	$(BIN)/zizmor -q --offline --no-progress .github/workflows examples/bot/.github/workflows action.yml

types: $(STAMP) ## mypy --strict
	$(BIN)/mypy

walls: $(STAMP) ## Who may import whom
	$(BIN)/lint-imports --no-cache

test: $(STAMP) ## The test suite, with its coverage
	@rm -f .coverage .coverage.*
	$(BIN)/pytest -n $(WORKERS) -m 'not long' --cov --cov-report=
	@rm -f .coverage.*  # of processes that a test killed, so cut off; pytest has combined the others
	@printf 'coverage of the runtime, percent: '
	@$(BIN)/coverage report --format=total --precision=1 --include='*/gradus_runtime/*' --fail-under=95
	@printf 'coverage of everything, percent: '
	@$(BIN)/coverage report --format=total --precision=1 --fail-under=90

.PHONY: anywhere
anywhere: $(STAMP) ## The test suite on other days, zones, locales, users, paths, and without network; an hour
	$(BIN)/python -m tests.anywhere.run

.PHONY: docs
docs: $(STAMP) ## Run the blocks of README.md and docs/*.md, as written, in what `make demo` left
	@test -d data/demo || $(MAKE) demo
	$(BIN)/pytest -n $(WORKERS) -m long tests/docs

.PHONY: torture
torture: $(STAMP) ## The long form of the store's crash, concurrency and damage tests; some minutes
	$(BIN)/pytest -n $(WORKERS) -m long -rP tests/crash tests/hostile

.PHONY: gates-long
gates-long: $(STAMP) ## How often the gates accept without an edge, and find one; a quarter of an hour
	$(BIN)/pytest -p no:xdist -m long -rP tests/gates

KERNELS := .venvs/kernels

.PHONY: kernels kernels-all kernels-fuzz
kernels: $(STAMP) ## Build the native kernel, install it here, hold it to the body's bits; ten minutes
	@test -x $(KERNELS)/bin/python || $(BIN)/uv venv -q --python $(BIN)/python $(KERNELS)
	@$(BIN)/uv pip install -q --python $(KERNELS)/bin/python ziglang==0.17.1
	$(KERNELS)/bin/python kernels/build.py
	@$(BIN)/uv pip install -q --python $(BIN)/python --reinstall --no-deps --no-index --find-links kernels/dist gradus-kernels
	$(BIN)/pytest -n $(WORKERS) -m 'not long' tests/kernels tests/boundary tests/vectors tests/runtime

kernels-all: $(STAMP) ## The wheels of the kernel for every platform, into kernels/dist; ten minutes the first time
	@test -x $(KERNELS)/bin/python || $(BIN)/uv venv -q --python $(BIN)/python $(KERNELS)
	@$(BIN)/uv pip install -q --python $(KERNELS)/bin/python ziglang==0.17.1
	$(KERNELS)/bin/python kernels/build.py --all

kernels-fuzz: $(STAMP) ## A million damaged calls of the kernel, a thousand loads and reloads under threads; an hour
	$(BIN)/pytest -m long -rP tests/kernels

.PHONY: matrix
matrix: $(STAMP) ## Small artifacts on onnxruntime 1.20 to the newest, in throwaway environments
	$(BIN)/python -m tests.matrix.run

ROWS ?= 1000000
BITS_RUN ?= $(firstword $(wildcard benchmarks/cache/large-*))

.PHONY: bits vectors
bits: $(STAMP) ## 1,000,000 rows, asked in every way, must have the expected 32 bits; ROWS=; up to an hour
	$(BIN)/python -m tests.vectors.many_rows --rows $(ROWS) $(if $(BITS_RUN),--run $(BITS_RUN))

vectors: $(STAMP) ## The same bits in Node, WebAssembly, Chromium and on Arm64 under qemu; some minutes
	$(BIN)/python -m tests.vectors.run

LOWEST := .venvs/lowest

.PHONY: lowest
lowest: $(STAMP) ## The test suite with the lowest versions that the packages admit; TESTS=; a quarter of an hour
	@rm -rf $(LOWEST) && $(BIN)/uv venv -q --seed --python $(BIN)/python $(LOWEST)
	@$(BIN)/uv pip compile -q --resolution lowest-direct --only-binary :all: \
	  $(EXTRAS:%=--extra %) --extra xgboost-cpu --no-annotate --no-emit-package gradus-runtime --no-emit-package gradus-live \
	  $(PACKAGES:%=%/pyproject.toml) -o $(LOWEST)/requirements.txt
	@$(BIN)/uv pip install -q --python $(LOWEST)/bin/python -r $(LOWEST)/requirements.txt \
	  --group pyproject.toml:lowest --only-binary :all:
	@$(BIN)/uv pip install -q --python $(LOWEST)/bin/python --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	$(LOWEST)/bin/python -m pytest -n $(WORKERS) -m 'not long' $(TESTS)

ALONE := .venvs/runtime-alone

.PHONY: test-runtime-alone soak-runtime
test-runtime-alone: $(STAMP) ## The runtime's own suite, where nothing but its two dependencies is installed
	@rm -rf $(ALONE) && $(BIN)/uv venv -q --python $(BIN)/python $(ALONE)
	@cd runtime && ../$(BIN)/python -m hatchling build -t wheel -d ../$(ALONE)/dist >/dev/null 2>&1
	@$(BIN)/uv pip install -q --python $(ALONE)/bin/python --constraint requirements/dev.txt \
	  $(ALONE)/dist/gradus_runtime-*.whl pytest hypothesis
	@$(BIN)/uv pip list -q --python $(ALONE)/bin/python
	$(ALONE)/bin/python -m pytest -c tests/runtime/alone.ini --rootdir . -m 'not long' tests/runtime

soak-runtime: $(STAMP) ## 1,000,000 hostile rows; 1,000 reloads under 1,000,000 predictions; some minutes
	$(BIN)/pytest -m long -rP tests/runtime

.PHONY: live-soak
live-soak: $(STAMP) ## A bot's quarter with its journal: outages, reloads, full disks, kill -9; some minutes
	$(BIN)/pytest -m long -rP tests/soak

# ---------------------------------------------------------------- benchmarks

.PHONY: bench bench-quick soak
bench: $(STAMP) ## Side by side with native libraries, stock ONNX and compilers; a quarter of an hour
	$(BIN)/python -m benchmarks.run full
	$(BIN)/python -m benchmarks.quote docs/benchmarks.md $(shell grep -l benchmarks:begin README*.md)
	$(BIN)/python -m benchmarks.plain_load
	@if [ -d artifacts/demo ]; then \
	  demo="--store artifacts/demo --candles data/demo/candles.csv --daily data/demo/macro.csv"; \
	  $(BIN)/python -m benchmarks.candles_in $$demo && $(BIN)/python -m benchmarks.first_decision $$demo; \
	else $(BIN)/python -m benchmarks.first_decision && \
	  echo "candles in, decision out is measured on artifacts/demo: run make demo first"; fi

bench-quick: $(STAMP) ## The same on small models, for the answers and not for the times
	$(BIN)/pytest -p no:xdist -m long -rP tests/benchmarks/test_quick.py
	$(BIN)/python -m benchmarks.first_decision --pairs 1

soak: $(STAMP) ## A bot's month in some minutes: outages, versions, rollbacks, restarts
	$(BIN)/python -m benchmarks.soak

.PHONY: legacy
legacy: $(STAMP) ## Import pickles of older scikit-learn versions, in throwaway environments
	$(BIN)/pytest -m long tests/convert/test_old_scikit_learn.py

.PHONY: tuning-workers
tuning-workers: $(STAMP) ## Two processes tune on one PostgreSQL (of Debian's package)
	$(BIN)/pytest -m long -p no:xdist tests/train/test_tuning_on_postgresql.py

.PHONY: walk-apart
walk-apart: $(STAMP) ## A walk on two processes, and on two workers in network namespaces, one killed; some minutes
	$(BIN)/pytest -p no:xdist -m long -rP tests/walk

.PHONY: clean
clean: ## Remove what the targets made, but no artifact and no run
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* dist
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	rm -rf $(VENV)
