# Everything a fresh machine needs is python3, pip and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
GUIDE  := app/http/openapi/guide
DOCTREES := build/doctrees

.DEFAULT_GOAL := help
.PHONY: help demo test mutants docs page pictures lint format types imports sql-lint check bench chaos alerts attacks fuzz lock clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What builds the package is not needed to run it, so it does not stay; nor is setuptools, which Python 3.11 puts there.
$(VENV)/.run: requirements.lock requirements-build.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is %d.%d: make … PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --target $(VENV)/build -r requirements-build.lock
	PYTHONPATH=$(abspath $(VENV)/build) $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@rm -rf $(VENV)/build
	@$(BIN)/python -m pip uninstall --quiet --yes setuptools 2>/dev/null
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run ## Start everything, upload the sample, show the graph (EXIT=1: then stop).
	@$(BIN)/mentiongraph demo $(if $(EXIT),--exit)

test: $(VENV)/.dev ## Set everything up and pass the tests.
	$(BIN)/python -m pytest --reruns 1 $(ARGS)

mutants: $(VENV)/.dev ## Would the tests notice a guard that is missing? (ONLY=ledger/sweeping, SINCE=main, ARGS=--help)
	$(BIN)/python -m tests.mutants $(if $(ONLY),--only '$(ONLY)') $(if $(SINCE),--since '$(SINCE)') $(ARGS)

docs: $(VENV)/.dev ## Build the guide that the API serves at /guide; a warning is an error.
	rm -rf $(GUIDE)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html --doctree-dir $(DOCTREES) docs $(GUIDE)
	rm -rf $(GUIDE)/.buildinfo $(GUIDE)/objects.inv $(GUIDE)/_sources

page: $(VENV)/.dev ## Build the page at / from its TypeScript.
	$(BIN)/python -m ops.release.page

pictures: $(VENV)/.dev ## Draw the documentation's pictures of the page anew (needs Chromium).
	MENTIONGRAPH_PICTURES=$(abspath docs/images/page) $(BIN)/python -m pytest tests/page/test_pictures.py -n 0 $(ARGS)

format: $(VENV)/.dev ## Format the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.dev ## Ruff: format and rules.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev ## basedpyright, strict.
	$(BIN)/basedpyright

imports: $(VENV)/.dev ## The direction of imports.
	$(BIN)/lint-imports

sql-lint: $(VENV)/.dev ## Squawk on the migrations, sqlfluff on the statements.
	$(BIN)/squawk sql/migrations/*.sql
	$(BIN)/sqlfluff lint --disable-progress-bar sql

check: lint types imports sql-lint ## Every static check.

bench: $(VENV)/.dev ## Rates, costs and memory, beside the limit and the reference; then the audit.
	$(BIN)/python -m ops.bench $(ARGS)

chaos: $(VENV)/.run ## Whatever dies: is every row in the graph exactly once? (ARGS="--minutes 20 --faults 200")
	$(BIN)/python -m ops.chaos $(ARGS)

alerts: $(VENV)/.dev ## Does every fault raise its own alert, and nothing else one? Needs Prometheus. (ARGS="--list")
	$(BIN)/python -m ops.alerts $(ARGS)

attacks: $(VENV)/.run ## Everything that is known to hurt such a service, beside an honest client. (ARGS="--list")
	$(BIN)/python -m ops.attacks $(ARGS)

fuzz: $(VENV)/.dev ## Bend what strangers can send, and see invariants hold (SECONDS=600 TARGET=csv SEED=1).
	$(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(TARGET),--target $(TARGET)) $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS))

lock: ## Pin the dependencies with hashes (needs uv).
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --constraint requirements.lock ops/build-requirements.in -o requirements-build.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --constraint requirements.lock --extra traces pyproject.toml -o requirements-traces.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --constraint requirements.lock --group pyproject.toml:dev -o requirements-dev.lock

clean: ## Remove the environment and what the demo left.
	rm -rf $(VENV) $(GUIDE) .mentiongraph .pytest_cache .ruff_cache .hypothesis build dist

.PHONY: notice release-check
notice: $(VENV)/.dev ## Write NOTICE anew, from what is installed.
	$(BIN)/python -m ops.release.licences

release-check: docs ## Build sdist and wheel, and run the demo from the wheel in an empty environment.
	$(BIN)/python -m ops.release.check
