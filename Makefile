# Every target makes the environment it needs; the second time that costs nothing.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEV    := $(VENV)/.ready-dev
NPM    := $(VENV)/.ready-npm

# From a pipe nobody can be asked, so the demo's refund is approved beforehand.
APPROVE = $(shell test -t 0 || echo --approve refund_order)

.PHONY: chat test test-netns check golden bench install clean

chat: $(READY)
	@$(BIN)/python -m agentrun.demo -- $(BIN)/agentrun chat agents/support.yaml --model offline $(APPROVE)

# The agents' own cases take a second or two; ARGS are pytest's.
test: $(DEV) $(NPM)
	$(if $(ARGS),,$(BIN)/agentrun test)
	$(BIN)/python -m pytest $(if $(FAST),-m "not slow") -n 2 $(ARGS)

test-netns: $(DEV)
	@$(BIN)/python tests/netns/enter.py $(ARGS)

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python tests/golden.py --check

golden: $(DEV)
	$(BIN)/python tests/golden.py

bench: $(DEV)
	$(BIN)/python -m benchmarks.run $(ARGS)

install: $(DEV) $(NPM)

# pip's output is shown only when it fails.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing agentrun into $(VENV)" >&2
	@$(PIP) --editable . >$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log >&2; exit 1; }
	@touch $@

$(DEV): $(READY)
	@echo "installing the development tools into $(VENV)" >&2
	@$(PIP) --editable '.[dev]' >$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log >&2; exit 1; }
	@touch $@

# MCP servers that others wrote, for tests. Where there is no npm, or nothing to be had by it, these are skipped.
MCP_SERVERS = @modelcontextprotocol/server-everything@2026.8.31 @modelcontextprotocol/server-filesystem@2026.8.31

$(NPM): | $(DEV)
	@if command -v npm >/dev/null; then \
	  echo "installing MCP servers for tests into $(VENV)/npm" >&2; \
	  npm install --prefix $(VENV)/npm --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
	    --fetch-retries 1 $(MCP_SERVERS) >$(VENV)/npm.log 2>&1 && touch $@ || \
	    echo "they are not to be had ($(VENV)/npm.log says why): their tests are skipped" >&2; \
	fi

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
