# Two commands do all the set-up: `make run` and `make test`. Python 3.11 or newer and make are all they ask for.
PORT ?= 8000
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input

.PHONY: help run test coverage check bench clean
help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

run: .venv/.installed ## Start the portal with demo data on http://localhost:8000 (PORT=8000)
	@$(BIN)/python -I factureya/bootstrap.py $(PORT)
	@$(BIN)/python manage.py prepare
	@exec $(BIN)/python manage.py up --bind 127.0.0.1:$(PORT)

test: .venv/.installed-dev ## Run the suite on SQLite, and on PostgreSQL with Redis if they are found
	@$(BIN)/python -m factureya.dev.suite

coverage: .venv/.installed-dev ## Run the suite, and list the branches of core, operations and policies that no test took
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m factureya.dev.suite --cov --cov-append --cov-report=
	@$(BIN)/coverage report --include 'factureya/core/*,*/operations/*,*/policy.py'

check: .venv/.installed-dev ## Check style, types, import contracts, templates, migrations and deploy settings
	@$(BIN)/python -m factureya.dev.lint

bench: .venv/.installed-dev ## Measure pages, sweeps, mail and formal requests with up to 100,000 tickets (docs/benchmarks.md)
	@$(BIN)/python manage.py bench

clean: ## Delete everything that the other commands make again; .env and var/ stay
	rm -rf .venv .*_cache test-results .coverage .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv

.venv/.installed: requirements.txt | .venv/bin/python
	@echo "installing requirements.txt"
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	@echo "installing requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $@
