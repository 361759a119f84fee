# The laboratory's commands; `make help` lists them, and the variables that they take.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3.11
SCALE ?= cpu
SEEDS ?= 1
DATA ?=
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
STUDY ?=
WORKERS ?= 1
GPUS ?=
CONTROL ?=
TRIALS ?= 20
OBJECTIVE ?= pareto
STORAGE ?=
TRACK ?=
ON_FAIL ?= warn
MEMORY_BUDGET ?=
ONLY ?=
QUICK ?=
export STORAGE TRACK
OPTIONS := --scale $(SCALE) --seeds $(SEEDS) --workers $(WORKERS) $(if $(GPUS),--gpus $(GPUS)) $(if $(DATA),--data "$(DATA)") \
	$(if $(STUDY),--study $(STUDY)) --on-fail $(ON_FAIL) $(if $(MEMORY_BUDGET),--memory-budget $(MEMORY_BUDGET))
DESIGN := $(OPTIONS) $(if $(CONTROL),--control)
SEARCH := --design optuna --objective $(OBJECTIVE) --trials $(TRIALS) $(OPTIONS)
FACTORS := focal anchors pseudo_labels augmentation fusion pooling
FURTHER := banded tall_anchors fault_ema fault_softmax fault_untrained fault_pooling faults
ABLATIONS := $(FACTORS:%=ablation-%) $(FURTHER:%=ablation-%)

.PHONY: help setup data noise notebooks test lint format lock clean $(ABLATIONS) ablation-all ablation-factorial ablation-fractional \
	ablation-fractional-16 study-thresholds study report dashboard sync bench

help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-22s %s\n", $$1, $$2}'
	@echo "  make ablation-<factor>      Train baseline and one improvement, print the table, draw the chart;"
	@echo "                              factors: $(FACTORS)"
	@echo "                              further: $(FURTHER)"
	@echo "Variables: SCALE=tiny|cpu|gpu|paper ($(SCALE)), SEEDS=replicates ($(SEEDS)), WORKERS=processes|auto ($(WORKERS)), GPUS=0,1 (cards),"
	@echo "  CONTROL=1 (add the supervised control), TRIALS=sampled settings ($(TRIALS)), OBJECTIVE=pareto|ratio ($(OBJECTIVE)),"
	@echo "  STORAGE=postgresql://..., DATA=folder, STUDY=name, PYTHON=interpreter ($(PYTHON)),"
	@echo "  ON_FAIL=warn|stop|prune (what a failed gate of the checklist does; $(ON_FAIL)), MEMORY_BUDGET=32GB (default the card's),"
	@echo "  TRACK=none|jsonl|wandb|tensorboard (where figures go, joined by commas; wandb,jsonl; W&B is offline unless WANDB_MODE=online)"

setup: $(READY) ## Install everything into .venv (the other commands do it when needed)

$(READY): requirements.lock pyproject.toml
	@set -e; \
	command -v $(PYTHON) >/dev/null || { echo "Error: $(PYTHON) is not installed; name another with PYTHON=python3.12 (3.11 or 3.12 is needed)." >&2; exit 2; }; \
	test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { echo "Error: $(PYTHON) cannot make a virtual environment (on Debian: apt-get install python3-venv)." >&2; exit 2; }; \
	uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then test -x $(VENV)/bin/uv || $(RUN) -m pip install --quiet uv; uv=$(VENV)/bin/uv; fi; \
	"$$uv" pip install --python $(RUN) --require-hashes --compile-bytecode -r requirements.lock; \
	"$$uv" pip install --python $(RUN) --quiet --no-deps --editable .
	@touch $@

$(ABLATIONS): ablation-%: $(READY)
	@$(RUN) -m ablations run --design alone --factors $* $(DESIGN)

ablation-all: $(READY) ## Each improvement alone, and each left out of all: 14 arms
	@$(RUN) -m ablations run --design alone,leave-one-out $(DESIGN)

ablation-factorial: $(READY) ## Every combination: 64 arms
	@$(RUN) -m ablations run --design factorial $(DESIGN)

ablation-fractional: $(READY) ## The half of them that tells main effects and two-way interactions: 32 arms
	@$(RUN) -m ablations run --design fractional $(DESIGN)

ablation-fractional-16: $(READY) ## The quarter that tells main effects: 16 arms
	@$(RUN) -m ablations run --design fractional-16 $(DESIGN)

study-thresholds: $(READY) ## Sample the three pseudo-label thresholds and gamma with Optuna
	@$(RUN) -m ablations run --space thresholds $(SEARCH)

study: $(READY) ## Sample all settings with Optuna
	@$(RUN) -m ablations run --space all $(SEARCH)

noise: $(READY) ## Repeat the baseline SEEDS times (at least 3): the run-to-run deviation that plans need
	@$(RUN) -m ablations run --design noise $(DESIGN) $(if $(filter 1 2,$(SEEDS)),--seeds 3)

report: $(READY) ## Write the report of STUDY: one HTML file, with tables and charts beside it
	@$(RUN) -m analysis report --study "$(STUDY)"

dashboard: $(READY) ## Show STUDY's report and Optuna's dashboard in the browser; WANDB_MODE=online: update it in W&B instead
	@$(RUN) -m analysis dashboard --study "$(STUDY)"

sync: $(READY) ## Upload the W&B runs that were kept offline, all or those of STUDY
	@$(RUN) -m analysis sync $(if $(STUDY),--study "$(STUDY)")

data: $(READY) ## Render the synthetic data set of SCALE into data/SCALE
	@$(RUN) -m experiments data make --preset $(SCALE)

notebooks: $(READY) ## Open the notebooks in Jupyter Lab, on this machine alone
	@$(if $(DATA),DATA="$(abspath $(DATA))") $(VENV)/bin/jupyter lab --ip 127.0.0.1 --notebook-dir notebooks

bench: $(READY) ## Measure time and memory, each ratio beside its goal; QUICK=1 at toy size, ONLY=fusion,step
	@$(RUN) -m experiments.benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

test: $(READY) ## Run the test suite
	@$(RUN) -m pytest -n auto --dist loadfile

lint: $(READY) ## Check style and types
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

format: $(READY) ## Format the code
	@$(VENV)/bin/ruff check --fix . && $(VENV)/bin/ruff format .

lock: ## Compile requirements.lock anew from pyproject.toml
	@uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet -o requirements.lock

clean: ## Remove the environment and caches; data/ and runs/ stay
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
