# The laboratory's commands; `make help` lists them, and the variables that they take.
.DEFAULT_GOAL := help
SHELL := /bin/bash

## Interpreter that .venv is made with, or its version: 3.11 or 3.12
PYTHON ?= python3.11
## Size of the runs: tiny, cpu, gpu or paper
SCALE ?= cpu
## Replicates of every arm
SEEDS ?= 1
## Data set folder, where it is not the scale's own
DATA ?=
## Name of the study, where it is not that of its design
STUDY ?=
## Processes that train at once, or auto
WORKERS ?= 1
## Cards to pin them to in turn, like 0,1; default all see all
GPUS ?=
## 1 adds the supervised control
CONTROL ?=
## 1 has factors act in the burn-in too, but for those of pseudo-labels: one for each combination
FROM_START ?=
## Settings that a sampled study tries
TRIALS ?= 20
## What a sampled study maximises: pareto or ratio
OBJECTIVE ?= pareto
## The study's ledger in a database, like postgresql://user@host/db; default a file
STORAGE ?=
## Where figures go, joined by commas: none, jsonl, wandb, tensorboard; default wandb,jsonl, W&B offline unless WANDB_MODE=online
TRACK ?=
## What a failed gate of the checklist does: warn, stop or prune
ON_FAIL ?= warn
## Memory that a run is to stay within, like 32GB; default the card's, or the machine's
MEMORY_BUDGET ?=
## The benchmarks to run, joined by commas; default all
ONLY ?=
## 1 runs the benchmarks at toy size
QUICK ?=
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
INTERPRETER := $(PYTHON:3.%=python3.%)
# A variable behind the target that nothing reads, like SEED=3 for SEEDS=3, would be passed over in silence. The programs read those
# of ELSEWHERE from their environment, where make puts them. A make that calls this one hands down its own: they may be any.
VARIABLES := $(shell sed -nE 's/^([A-Z_]+) \?=.*/\1/p' $(firstword $(MAKEFILE_LIST)))
ELSEWHERE := VENV RUNS CONFIGS DATA_ROOT VIEW_CACHE HANG_MINUTES FUZZ NETRC HOME TMPDIR PATH SHELL CI %_PROXY %_proxy MAKE% WANDB_% PG% CUDA_% NCCL_% OMP_% MKL_% \
	TORCH% PYTORCH_% PYTEST_% PYTHON% PIP_% UV_% XDG_%
LETTERS := A B C D E F G H I J K L M N O P Q R S T U V W X Y Z a b c d e f g h i j k l m n o p q r s t u v w x y z
GIVEN := $(foreach name,$(filter $(LETTERS:=%),$(.VARIABLES)),$(if $(filter command line,$(origin $(name))),$(name)))
UNKNOWN := $(filter-out $(VARIABLES) $(ELSEWHERE),$(GIVEN))
ifeq ($(MAKELEVEL),0)
$(if $(UNKNOWN),$(error There is no variable $(firstword $(UNKNOWN)): the variables are $(VARIABLES); `make help` says what they mean))
endif
$(foreach name,CONTROL FROM_START QUICK,$(if $(filter-out 0 1,$($(name))),$(error $(name) is $($(name)): give 1 for yes, 0 or nothing for no)))
SUITE := $(RUN) -m pytest -n auto --dist loadfile --no-loadscope-reorder
export STORAGE TRACK
OPTIONS := --scale "$(SCALE)" --seeds "$(SEEDS)" --workers "$(WORKERS)" $(if $(GPUS),--gpus "$(GPUS)") $(if $(DATA),--data "$(DATA)") \
	$(if $(STUDY),--study "$(STUDY)") --on-fail "$(ON_FAIL)" $(if $(MEMORY_BUDGET),--memory-budget "$(MEMORY_BUDGET)")
FIND_UV := uv=$$(command -v uv || true); if [ -z "$$uv" ]; then test -x $(VENV)/bin/uv || $(RUN) -m pip install --quiet uv; uv=$(VENV)/bin/uv; fi
DESIGN := $(OPTIONS) $(if $(filter 1,$(CONTROL)),--control) $(if $(filter 1,$(FROM_START)),--from-start)
SEARCH := --design optuna --objective "$(OBJECTIVE)" --trials "$(TRIALS)" $(DESIGN)
FACTORS := focal anchors pseudo_labels augmentation fusion pooling
FURTHER := banded tall_anchors bfloat16 float32 fault_ema fault_softmax fault_untrained fault_pooling faults
ABLATIONS := $(FACTORS:%=ablation-%) $(FURTHER:%=ablation-%)

.PHONY: help setup data noise notebooks test coverage lint format docs lock audit wheelhouse clean $(ABLATIONS) ablation-all \
	ablation-factorial ablation-fractional ablation-fractional-16 study-thresholds study report dashboard sync bench

help: ## List the commands and the variables that they take
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p; s/^\$$\(ABLATIONS\):.*## (.*)/ablation-<factor>\t\1/p' $(firstword $(MAKEFILE_LIST)) \
		| awk -F'\t' '{printf "  make %-22s %s\n", $$1, $$2}'
	@echo "Factors: $(FACTORS)"
	@echo "Further factors: $(FURTHER)"
	@echo "Variables, as in \`make noise SCALE=tiny SEEDS=3\`:"
	@awk '/^## /{told = substr($$0, 4)} /^[A-Z_]+ \?=/{printf "  %-14s %s%s\n", $$1, told, ($$3 == "" ? "" : " (" $$3 ")")}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## Install everything into .venv (most other commands do it when needed)

$(READY): requirements.lock pyproject.toml
	@set -e; \
	command -v $(INTERPRETER) >/dev/null || { echo "Error: $(INTERPRETER) is not installed; name another with PYTHON=python3.12 (3.11 or 3.12 is needed)." >&2; exit 2; }; \
	for python in $(INTERPRETER) $(wildcard $(RUN)); do \
		$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || { echo "Error: $$python is $$($$python -V 2>&1), and 3.11 or 3.12 is needed: name another with PYTHON=python3.12, after \`make clean\` if .venv was made with it." >&2; exit 2; }; \
	done; \
	test -x $(RUN) || $(INTERPRETER) -m venv $(VENV) || { echo "Error: $(INTERPRETER) cannot make a virtual environment (on Debian: apt-get install python3-venv)." >&2; exit 2; }; \
	$(FIND_UV); \
	"$$uv" pip install --python $(RUN) --require-hashes --compile-bytecode -r requirements.lock; \
	"$$uv" pip install --python $(RUN) --quiet --no-deps --editable .
	@touch $@

$(ABLATIONS): ablation-%: $(READY) ## Train the baseline and one factor, print the table, draw the charts
	@$(RUN) -m ablations run --design alone --factors $* $(DESIGN)

ablation-%:
	@echo "Error: There is no factor $*; the factors are $(FACTORS), and further ones $(FURTHER)." >&2; exit 2

ablation-all: $(READY) ## Each improvement alone, and each left out of all: 14 arms
	@$(RUN) -m ablations run --design alone,leave-one-out $(DESIGN)

ablation-factorial: $(READY) ## Every combination: 64 arms
	@$(RUN) -m ablations run --design factorial $(DESIGN)

ablation-fractional: $(READY) ## The half of them that tells main effects and two-way interactions: 32 arms
	@$(RUN) -m ablations run --design fractional $(DESIGN)

ablation-fractional-16: $(READY) ## The quarter that tells main effects: 16 arms
	@$(RUN) -m ablations run --design fractional-16 $(DESIGN)

study-thresholds: $(READY) ## Sample the three pseudo-label thresholds and both gammas with Optuna
	@$(RUN) -m ablations run --space thresholds $(SEARCH)

study: $(READY) ## Sample all settings with Optuna
	@$(RUN) -m ablations run --space all $(SEARCH)

noise: $(READY) ## Repeat the baseline SEEDS times (3 unless given): the run-to-run deviation that plans need
	@$(RUN) -m ablations run --design noise $(DESIGN) $(if $(filter file,$(origin SEEDS)),--seeds 3)

report: $(READY) ## Write the report of STUDY: one HTML file, with tables and charts beside it
	@$(RUN) -m analysis report --study "$(STUDY)"

dashboard: $(READY) ## Show STUDY's report and Optuna's dashboard in the browser; WANDB_MODE=online: update it in W&B instead
	@$(RUN) -m analysis dashboard --study "$(STUDY)"

sync: $(READY) ## Upload the W&B runs that were kept offline, all or those of STUDY
	@$(RUN) -m analysis sync $(if $(STUDY),--study "$(STUDY)")

data: $(READY) ## Render the synthetic data set of SCALE into data/SCALE
	@$(RUN) -m experiments data make --preset "$(SCALE)"

notebooks: $(READY) ## Open the notebooks in Jupyter Lab, on this machine alone
	@$(if $(DATA),DATA="$(abspath $(DATA))") $(VENV)/bin/jupyter lab --ip 127.0.0.1 --notebook-dir notebooks

bench: $(READY) ## Measure time and memory, each ratio beside its goal; QUICK=1 at toy size, ONLY=fusion,step
	@$(RUN) -m experiments.benchmarks $(if $(ONLY),--only "$(ONLY)") $(if $(filter 1,$(QUICK)),--quick)

test: $(READY) ## Run the test suite
	@$(SUITE)

coverage: $(READY) ## Run the test suite and list the lines of our packages that no test reaches
	@$(SUITE) --cov --cov-report=term-missing:skip-covered

lint: $(READY) ## Check style and types
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

format: $(READY) ## Format the code
	@$(VENV)/bin/ruff check --fix . && $(VENV)/bin/ruff format .

docs: $(READY) ## Write docs/reference anew from the code, and draw docs' charts from the stored records
	@$(RUN) -m tools.documents

audit: $(READY) ## Look for known advisories and licences of everything in requirements.lock
	@$(RUN) -m tools.audit

wheelhouse: ## Collect in wheelhouse/ what a machine without network needs beside its PyTorch; PYTHON=3.12 is that machine's
	@test -x $(RUN) || { echo "Error: .venv is not there: give \`make setup\` first, with a Python of this machine." >&2; exit 2; }
	@$(RUN) -m tools.wheelhouse --python $(INTERPRETER:python%=%)

lock: ## Compile requirements.lock anew from pyproject.toml
	@set -e; \
	command -v uv >/dev/null || test -x $(RUN) || { echo "Error: neither uv nor .venv is there: give \`make setup\` first." >&2; exit 2; }; \
	$(FIND_UV); \
	"$$uv" pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet -o requirements.lock

clean: ## Remove the environment and caches; data/ and runs/ stay
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

.PHONY: ablations analysis experiments models runs tests tools  # folders, which make would call up to date
.DEFAULT ablations analysis experiments models runs tests tools:
	@echo "Error: There is no target $@; \`make help\` lists them." >&2; exit 2
