# Two commands do everything on a fresh machine:
#   make search   sets up and runs the main job, offline, on the embedded faces
#   make test     sets up and passes the tests

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

NETS := mobilenet mobilenet-skip mobilenet-skip-mha separable-attention efficientnetb0 mobilenetv2 hybrid small-cnn mobilenetv2-transfer

.PHONY: search test setup lint unit test-oldest browser bench nets stress audit build clean

search: $(VENV)/.core
	$(BIN)/acofer search --ants 20 --iters 3

test: lint unit test-oldest

# Both environments of the tests; make --jobs 2 setup makes them side by side.
setup: $(VENV)/.dev $(VENV)-oldest/.core

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy acofer

unit: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

# The core on the oldest versions it allows: what needs TensorFlow skips.
test-oldest: $(VENV)-oldest/.core
	$(VENV)-oldest/bin/python -m pytest --numprocesses 2 --dist loadgroup tests/forest tests/colony tests/scoring tests/runs tests/config \
	  -k 'not killed_by and not killed_workers and not killed_processes'

# A Chromium for the tests that open the report's page; without one they skip, and say so.
browser: $(VENV)/.dev
	@command -v chromium > /dev/null \
	  || { test "$$(id -u)" = 0 && apt-get update && apt-get install --yes --no-install-recommends chromium; } \
	  || $(BIN)/python -m playwright install --with-deps chromium \
	  || echo "no Chromium to be had here; the tests in it will skip"

# Every kind of contender on the embedded faces, and the page of it; minutes in all.
bench: $(VENV)/.all
	$(BIN)/acofer bench configs/bench-quick.toml
	$(BIN)/acofer report runs/bench-quick --out runs/bench-quick.html

# Every network, briefly, on the embedded faces; minutes in all.
nets: $(VENV)/.dev
	for net in $(NETS); do \
	  $(BIN)/acofer train $$net --image-size 32 --weights random --epochs 1 --quiet --out runs/demo-$$net || exit; \
	done

# What tests/ tries a few times, tried often: fifty kills of each kind, a minute of rubbish of each; two hours.
stress: $(VENV)/.dev
	$(BIN)/python benchmarks/stress.py
	$(BIN)/python benchmarks/rubbish.py --seconds 60

# Known weaknesses of what is installed, by the Python Packaging Authority's list; needs the network. In an environment of
# its own, since what is audited is to be what acofer brings. With --strict, what could not be looked up is no pass.
audit: $(VENV)/.dev
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip --disable-pip-version-check --quiet install 'pip-audit>=2.7'
	$(PIP) freeze --exclude-editable > $(VENV)-audit/installed.txt
	$(VENV)-audit/bin/pip-audit --strict --progress-spinner off --disable-pip --no-deps --requirement $(VENV)-audit/installed.txt

build: $(VENV)/.dev
	$(BIN)/python -m build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "acofer needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(PIP) install --editable .
	@touch $@

$(VENV)/.all: $(VENV)/bin/python pyproject.toml
	$(PIP) install --editable '.[all]'
	@touch $@ $(VENV)/.core

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(PIP) install --editable '.[dev]'
	@touch $@ $(VENV)/.all $(VENV)/.core

$(VENV)-oldest/.core: tests/oldest.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip --disable-pip-version-check --quiet install --constraint tests/oldest.txt \
	  --editable . pandas packaging pytest pytest-xdist pytest-timeout hypothesis
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-audit build dist .pytest_cache .mypy_cache .ruff_cache
