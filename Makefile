# One command each; `make` alone lists them. Everything is installed into .venv* and .z4j/, nothing else is touched.
PYTHON ?= python3
BRAIN := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help python brain setup system demo run cluster check test truth bench bench-long soak messages docs docs-site lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "z4j needs Python 3.11 or newer: make PYTHON=...")'

brain: python
	@$(PYTHON) tools/environments.py --brain

setup: python ## make the environments (every target below does it by itself; a second time costs nothing)
	@$(PYTHON) tools/environments.py

system: python ## make the environments and install the system parts that tests need
	@$(PYTHON) tools/environments.py --system

demo: setup ## a brain, a worker and lively traffic on Z4J_PORT (7700), until Ctrl-C or for DEMO_SECONDS
	@exec $(BRAIN) demo/run.py

run: brain ## the brain alone, on the data in .z4j/run
	@Z4J_DATA_DIR="$${Z4J_DATA_DIR:-$(CURDIR)/.z4j/run}" exec .venv/bin/z4j serve

cluster: setup ## a brain of several processes on PostgreSQL and Valkey, on Z4J_PORT (7700), until Ctrl-C
	@exec $(BRAIN) demo/cluster.py

check: setup ## lint, types, layers, licences, migrations, documents and unit tests in under 90 seconds
	@exec $(BRAIN) tools/check.py

test: system ## every test once, on SQLite and on PostgreSQL, with every engine, in a browser
	@exec $(BRAIN) tools/everything.py

truth: system ## is the brain's word on every task the engine's own, with a worker of each killed at work?
	@exec $(BRAIN) tools/truth.py

soak: system ## the long runs: hundreds of forks, hours of traffic, an hour of double faults
	@Z4J_SOAK=1 exec $(BRAIN) tools/everything.py --soak

bench: setup ## what it costs, beside its limits: .z4j/bench.json and docs/reference/performance.md
	@exec $(BRAIN) tools/bench.py

bench-long: setup ## ingest and lists with up to ten million tasks (30 GB of free disk)
	@BENCH_TASKS=10000000 exec $(BRAIN) tools/bench.py ingest list

messages: brain ## gather what the panel says for its translations (needs GNU gettext)
	@$(BRAIN) tools/messages.py

docs: brain ## write docs/reference/ from the code
	@$(BRAIN) tools/reference.py

docs-site: python ## the documents as a site with a search, every link checked: .z4j/site
	@$(PYTHON) tools/environments.py --site
	@exec $(BRAIN) tools/docsite.py

lock: ## pin the newest releases with their hashes in every requirements file
	@$(PYTHON) tools/environments.py --lock

clean: ## remove what make made
	rm -rf .venv .venv-* .z4j .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
