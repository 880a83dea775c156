# Settings, e.g. `make app APP_ARGS="--port 8000"` or `make test PYTEST_ARGS="tests/masks -x"`
PYTHON ?= python3
VENV ?= .venv
APP_ARGS ?=
PYTEST_ARGS ?=
# A folder `wheels` (made by `make bundle`) means: install from it, ask no network.
PIP_ARGS ?= $(if $(wildcard wheels/*.whl),--no-index --find-links wheels)
# For another system: BUNDLE_ARGS="--platform win_amd64 --python-version 3.12 --only-binary=:all:"
BUNDLE_ARGS ?=

# Where it is set, every process compiles all of the house's code again: a third of the time of `make test`.
export PYTHONDONTWRITEBYTECODE :=

PY := $(VENV)/bin/python
BUNDLE := dist/siamese-studio
# Stamps carry the checksum of the files they stand for: a change reinstalls, a second call does not.
checksum = $(shell cat $(1) | cksum | cut -d ' ' -f 1)
APP_STAMP := $(VENV)/.installed-app-$(call checksum,requirements.txt)
TEST_STAMP := $(VENV)/.installed-test-$(call checksum,requirements.txt requirements-test.txt)
SOAK_STAMP := $(VENV)/.installed-soak-$(call checksum,requirements-soak.txt)

.PHONY: help app test soak check bench bundle
.DEFAULT_GOAL := help

help:  ## this text
	@echo "Siamese Studio: draw a polyp mask, see it synthesized as tissue."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

app: $(APP_STAMP)  ## install what is missing, start the app and print its address
	$(PY) app.py $(APP_ARGS)

test: $(TEST_STAMP)  ## the tests, a headless browser included (at most 10 minutes on 2 cores)
	@.ci/browser $(PY)
	@.ci/postgres
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

soak: $(TEST_STAMP) $(SOAK_STAMP)  ## the long counts (at most 60 minutes)
	@.ci/browser $(PY)
	@.ci/postgres
	$(PY) -m pytest -m soak -n 2 --dist loadfile --no-loadscope-reorder -o faulthandler_timeout=1200 $(PYTEST_ARGS)

check: $(TEST_STAMP)  ## style and likely bugs (ruff)
	$(PY) -m ruff check .

bench: $(TEST_STAMP)  ## seconds a picture, a step, a decode; peak memory; training beside the literal way; pictures an hour
	$(PY) -m tests.bench --page --training --bulk

bundle: | $(PY)  ## dist/siamese-studio: a folder that installs without Internet
	rm -rf $(BUNDLE)
	mkdir -p $(BUNDLE)/wheels
	git ls-files -z | tar --null -T - -cf - | tar -xf - -C $(BUNDLE)
	cp assets/bundle/* $(BUNDLE)/
	$(PY) -m pip download --prefer-binary $(PIP_ARGS) $(BUNDLE_ARGS) -r requirements.txt -d $(BUNDLE)/wheels
	@echo "Made for: $$($(PY) -c 'import platform as p; print(p.system(), p.machine(), "Python", p.python_version())') $(BUNDLE_ARGS)" >> $(BUNDLE)/START-HERE.txt
	@du -sh $(BUNDLE)
	@echo "Copy $(BUNDLE) to the other computer and run install.sh (Windows: install.bat) there."

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is older or missing. Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(APP_STAMP): | $(VENV)/bin/python
	$(PY) -m pip install $(PIP_ARGS) -r requirements.txt
	@rm -f $(VENV)/.installed-app-*
	@touch $@

$(TEST_STAMP): | $(APP_STAMP)
	$(PY) -m pip install $(PIP_ARGS) -r requirements.txt -r requirements-test.txt
	@rm -f $(VENV)/.installed-test-*
	@touch $@

$(SOAK_STAMP): | $(TEST_STAMP)
	$(PY) -m pip install $(PIP_ARGS) -r requirements-soak.txt
	@rm -f $(VENV)/.installed-soak-*
	@touch $@
