# Needs make and Python 3.11 or later; everything else goes into .venv.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
# Programs that measure, torment, try or record a running bridge, or build the docs:
# tests/NAME/__main__.py.
LONG := bench chaos conformance docs failover fuzz gallery hosts image machines mcpb plugin proxies recordings screenshots soak stdio tokens upgrade wheel

.PHONY: install run test quick coverage lint $(LONG) bench-check e2e-n8n first-call reference schema lock clean

install: .venv/.runtime

.venv/.runtime: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: make install PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --requirement requirements.lock
	$(PIP) install --quiet --no-deps --editable .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	$(PIP) install --quiet --requirement requirements-dev.lock
	@touch $@

run: .venv/.runtime
	@$(BIN)/n8n-bridge up

test: .venv/.dev
	$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder $(ARGS)

# The rules, the verbs, the stores and the docs: a minute instead of ten.
quick: .venv/.dev
	$(BIN)/pytest -n 2 -q tests/unit tests/verbs tests/store tests/test_docs.py tests/test_house.py $(ARGS)

# Which branches the tests run, in processes that they start too: all but those that are killed -9.
# What counts or times work would count the measuring, and is left out.
coverage: .venv/.dev
	rm -rf .coverage
	$(BIN)/coverage run -m pytest -n 2 --dist loadscope --no-loadscope-reorder \
		--ignore tests/bench --ignore tests/scale $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v luacheck >/dev/null; then luacheck --quiet --no-color bridge/store/lua; \
	else echo "lint: the Lua was left out, for luacheck (Debian's lua-check) is not here"; fi

$(LONG): .venv/.dev
	$(BIN)/python -m tests.$@ $(ARGS)

# `make soak SECONDS=600` is shorter than the hour.
soak: override ARGS += $(SECONDS:%=--seconds=%)

# Counts what a request, a reply, a call and a start cost; fails where a number has grown.
bench-check: .venv/.dev
	$(BIN)/python -m tests.bench.check $(ARGS)

# Runs every template and every way to give a result in the n8n that BRIDGE_TEST_N8N_URL names, with
# the API key BRIDGE_TEST_N8N_API_KEY; with a command in BRIDGE_TEST_N8N_RESTART also restarts it.
e2e-n8n: .venv/.dev
	@if test -n "$$BRIDGE_TEST_N8N_URL"; then $(BIN)/pytest -m real_n8n $(ARGS); \
	else echo "e2e-n8n: skipped, for BRIDGE_TEST_N8N_URL names no n8n"; fi

# The pages of docs/reference, from the models and the commands, and the pictures.
reference: .venv/.dev
	$(BIN)/python -m tests.docs.reference

# Times every kind of `new` to its first call; with ARGS=--write for the docs.
first-call: .venv/.dev
	$(BIN)/python -m tests.first_call $(ARGS)

schema: .venv/.runtime
	$(BIN)/python -m bridge.configuration.schema > bridge/server_file.schema.json
	$(BIN)/python -m bridge.configuration.schema alerts > bridge/alert_file.schema.json

# Chooses the newest versions that pyproject.toml allows, in an environment with nothing else in it.
lock:
	rm -rf .venv/lock
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet --editable .
	.venv/lock/bin/pip freeze --exclude-editable > requirements.lock
	.venv/lock/bin/pip install --quiet --editable '.[dev,examples]' --constraint requirements.lock
	{ echo '--requirement requirements.lock'; \
	  .venv/lock/bin/pip freeze --exclude-editable | grep --invert-match --line-regexp --fixed-strings --file requirements.lock; \
	} > requirements-dev.lock
	rm -rf .venv/lock

clean:
	rm -rf .venv .node build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
