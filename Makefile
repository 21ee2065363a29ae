# The commands of Voltway. `make demo` shows it, `make test` checks it; both make .venv first, and quickly the second time.
# Needs Python 3.11 or newer, make and git; nothing else is installed on the machine but, by `make test` as root, a browser.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
UV_VERSION := 0.13.9
UV := VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv

# A machine that forbids Python to keep what it compiled makes each of our processes compile its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage browser promtool fuzz bench lock

help:
	@echo "make demo   a charging network of 200 stations on this machine"
	@echo "make test   format, lint, types, import rules, tests"
	@echo "make coverage  the tests again, with the lines they reach"
	@echo "make setup  .venv with the locked dependencies and .venv/bin/voltway"
	@echo "make fuzz   the property tests with more examples, the kill tests with more kills; 10,000 tariffs and sessions against a second price engine"
	@echo "make bench  every benchmark; the tables go to stdout"
	@echo "make promtool  Prometheus' checker for the tests of deploy/, into .tools"
	@echo "make lock   requirements.lock from pyproject.toml"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Voltway needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(UV) pip sync --quiet --require-hashes requirements.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: setup
	@exec $(BIN)/voltway up --demo

# What measures promises in seconds, and what drives a browser, runs alone; everything else on all cores.
ALONE := tests/system tests/web tests/bench
TOGETHER := -n logical --dist worksteal $(ALONE:%=--ignore=%)

test: setup browser promtool
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(TOGETHER)
	$(BIN)/pytest $(ALONE)

# Tracing costs half of the tests' time again, so it is asked for.
coverage: setup browser promtool
	$(BIN)/pytest $(TOGETHER) --cov --cov-report=
	$(BIN)/pytest $(ALONE) --cov --cov-append --cov-report=term

# The page is tested in a real Chromium; as root we install it where there is none, else say how.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing chromium for the test of the page"; \
	    apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	  else \
	    echo "the test of the page needs Chromium: install it with your system's packages" >&2; exit 1; \
	  fi; }

# The alert rules and the dashboard are checked by Prometheus' own promtool; it is taken out of Debian's package into
# .tools, so that no service is installed or started.
promtool:
	@command -v promtool >/dev/null || test -x .tools/promtool || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "fetching promtool for the tests of deploy/"; \
	    folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	    apt-get update -qq >/dev/null && (cd "$$folder" && apt-get download -qq -o APT::Sandbox::User=root prometheus >/dev/null && dpkg -x prometheus_*.deb .) && \
	    mkdir -p .tools && cp "$$folder/usr/bin/promtool" .tools/promtool; \
	  else \
	    echo "the tests of deploy/ need promtool: install Prometheus with your system's packages, or put promtool into .tools/" >&2; exit 1; \
	  fi; }

fuzz: setup
	$(BIN)/pytest -q --hypothesis-profile=fuzz -m hypothesis -o faulthandler_timeout=3600 tests
	KILLS=50 $(BIN)/pytest -q -o faulthandler_timeout=3600 tests/monitoring/notify/test_courier_kill.py tests/monitoring/remedies/test_runner_kill.py

bench: setup
	@for bench in bench/*.py; do $(BIN)/python "$$bench" || exit $$?; done

lock: setup
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --all-extras --python-version 3.11 pyproject.toml -o requirements.lock
