# Two commands: `make demo` cuts out the man in the yellow shirt, `make test` runs the tests on all cores.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check-tools

demo: $(VENV)/.installed
	$(BIN)/refvid segment examples/park.mp4 "man in yellow shirt" -o out.mp4 --overwrite
	@echo "look at out.mp4"

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile

# g++ builds pydensecrf; without it the demo is installed without refinement, and the tests cannot run.
$(VENV)/.installed: pyproject.toml | check-tools
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if command -v g++ >/dev/null; then $(BIN)/pip install -q -e ".[crf]"; \
	else echo "g++ is missing: installing without [crf], so --refine will not work"; $(BIN)/pip install -q -e .; fi
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | check-tools
	@command -v g++ >/dev/null || { echo "g++ is missing: pydensecrf, a part of [dev], is built from source; install a C++ compiler"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e ".[dev]"
	@touch $@ $(VENV)/.installed

check-tools:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer, or name one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: name a newer one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "the venv module of $(PYTHON) is missing: install it (Debian: python3-venv)"; exit 1; }
