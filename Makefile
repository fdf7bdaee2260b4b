# The commands of this project; `make help` lists them. Everything installs into .venv, nothing elsewhere.
.DEFAULT_GOAL := help
.PHONY: help run setup test slow fuzz check format bench lock docs clean

BIN := .venv/bin
WORKERS ?= 2
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal -o faulthandler_timeout=240

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

run: ## set up, then the HUD on your cluster or on the simulated homelab; without a terminal the status table
	@./run

setup: ## set up .venv with what tests and checks need
	@scripts/bootstrap --test

test: setup ## all tests but the slow ones
	$(PYTEST) -m "not slow" $(ARGS)

slow: setup ## the slow tests
	$(PYTEST) -m slow $(ARGS)

fuzz: setup ## the state machine of repairs with other seeds, and longer: FUZZ_SEQUENCES=100000 FUZZ_SEED=7
	FUZZ_SEQUENCES=$${FUZZ_SEQUENCES:-50000} FUZZ_SEED=$${FUZZ_SEED:-$$$$} $(PYTEST) -m slow tests/fuzz $(ARGS)

check: setup ## ruff, mypy --strict, import rules, locks without hosts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p benchmarks -p scripts.docgen
	$(BIN)/lint-imports --no-logo
	@! grep -rn '://' requirements/ || { echo 'a lock names a host; run make lock'; exit 1; }

format: setup ## let ruff mend what it can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: setup ## measure the budgets
	$(BIN)/python -m benchmarks $(ARGS)

lock: ## resolve the dependencies anew and write requirements/*.lock
	@scripts/lock

docs: setup ## write the pages that are generated from the code
	@scripts/generate-contract

clean: ## remove .venv and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist snapshot_report.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
