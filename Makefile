# The two commands a newcomer needs are `make run` and `make test`. `make help` lists the others.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# All Python of the repository.
CODE := parley.py sfu control doctor web deploy tests

# The tests that bear a busy machine, and those with whole systems, browsers and networks. Of the former one more
# runs at a time than there are cores, since many wait most of their time.
SIDE_BY_SIDE := tests/unit tests/scenario tests/simulation tests/fuzz tests/integration
ALONE := tests/chaos tests/deploy tests/support tests/e2e

.DEFAULT_GOAL := help
.PHONY: help run test prepare check format bench bench-control bench-workers load scale scenarios networks contract dashboards lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 14

run: $(VENV)/.run ## Run control and one node here; the address to open is printed
	@exec $(BIN)/parley run

test: prepare $(VENV)/.dev check ## Prepare this machine, then run every check and test
	node --test tests/unit/web/
	$(BIN)/python -m pytest -q -n $$(($$(nproc) + 1)) $(SIDE_BY_SIDE)
	$(BIN)/python -m pytest -q $(ALONE)

prepare: ## Install the Debian packages the tests need (root), or say what is missing
	@tests/support/prepare

check: $(VENV)/.dev ## Lint, types, direction of imports
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Put all Python in the one format
	$(BIN)/ruff check --fix-only --quiet $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(VENV)/.dev ## Measure the cost of a forwarded packet beside the kernel's floor and Janus (root)
	$(BIN)/python -m tests.bench

bench-control: $(VENV)/.dev ## Measure joins and chat messages a second: SQLite, PostgreSQL + Redis, two replicas
	$(BIN)/python -m tests.bench.control

bench-workers: $(VENV)/.dev ## Measure what a second worker of a host is worth (root, a quiet machine)
	$(BIN)/python -m tests.bench.workers

ROOMS ?= 2
BOTS ?= 4
SECONDS ?= 10
NODES ?= 1
LOAD = $(if $(SCENARIO),--scenario $(SCENARIO),--rooms $(ROOMS) --bots $(BOTS) --seconds $(SECONDS))
load: $(VENV)/.dev ## Send headless bots into meetings, into build/load.html: ROOMS= BOTS= SECONDS= or SCENARIO=; NODES=
	$(BIN)/python -m tests.load.local --nodes $(NODES) $(LOAD) --json build/load.json --html build/load.html

scale: $(VENV)/.dev ## Upgrade and kill nodes and control under bots, and measure what those notice
	$(BIN)/python -m tests.scale

scenarios: $(VENV)/.dev ## Play calls over simulated bad networks and draw them into build/scenarios.html
	$(BIN)/python -m tests.simulation

networks: $(VENV)/.dev ## Test real browsers over emulated bad networks (root, a quiet machine)
	$(BIN)/python -m pytest -q -m matrix tests/e2e

contract: $(VENV)/.dev ## Write the JSON Schema of the signalling protocol
	$(BIN)/python -m sfu.contract.schema > sfu/contract/signals.schema.json

dashboards: $(VENV)/.dev ## Write Grafana's dashboards
	$(BIN)/python -m deploy.grafana.dashboards

lock: $(VENV)/.dev ## Resolve the dependencies anew into the lock files
	$(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade -o requirements-dev.lock

clean: ## Remove what the targets above made, the data folder excepted
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Parley needs Python 3.11 or newer; run make with PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is missing: apt install python3-venv"; exit 1; }

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) …"
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps \
		--config-settings editable_mode=compat -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements-dev.lock
	@touch $@
