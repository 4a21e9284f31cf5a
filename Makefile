# Jikimi. `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

# Where Python keeps no compiled files, each of a hundred processes compiles all that it loads.
unexport PYTHONDONTWRITEBYTECODE

PIP_INSTALL := $(BIN)/pip install --disable-pip-version-check

# A stamp a lock file: an environment is made once, and again when its lock changes. pip shows
# what it does: a minute in silence looks like a hang.
$(VENV)/.run: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Jikimi needs Python 3.11 or newer; set PYTHON=…")'
	@test -x $(BIN)/python || { echo "Making an environment in $(VENV) (10 s) …"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing what Jikimi needs (once; a minute or two, of which downloads take most) …"
	@$(PIP_INSTALL) --require-hashes -r requirements.txt
	@$(PIP_INSTALL) -q --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@echo "Installing what tests and lint need (once; a minute or two) …"
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

$(VENV)/.train: requirements-train.txt $(VENV)/.dev
	@echo "Installing TensorFlow (once; some minutes) …"
	@$(PIP_INSTALL) --require-hashes -r requirements-train.txt
	@touch $@

$(VENV)/.cluster: requirements-cluster.txt $(VENV)/.dev
	@echo "Installing Ray (once; a minute) …"
	@$(PIP_INSTALL) --require-hashes -r requirements-cluster.txt
	@touch $@

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The cameras go through the environment: a command line, and so `ps`, would show their passwords.
.PHONY: run
run: export JIKIMI_CAMERAS := $(or $(value CAMERAS),$(value JIKIMI_CAMERAS))
run: $(VENV)/.run ## watch CAMERAS="[name=]url …", those of jikimi.yaml, or two rendered demo cameras
	@unset CAMERAS MAKEFLAGS MAKEOVERRIDES; exec $(BIN)/jikimi run

.PHONY: install
install: $(if $(shell command -v pipx),,$(VENV)/.run) ## put `jikimi` on your PATH: by pipx, or a link in ~/.local/bin
	@PYTHON=$(PYTHON) deploy/install_command.sh

.PHONY: uninstall
uninstall: ## take it away again
	@deploy/install_command.sh --uninstall

.PHONY: test
test: test-fast test-slow ## every test this machine can run, but for the longest

.PHONY: test-fast
test-fast: $(VENV)/.dev
	@$(BIN)/python -m pytest -q -n auto -m "not slow"

# Slow tests wait most of the time: four at a time take two cores 9 minutes, three took 11.
.PHONY: test-slow
test-slow: $(VENV)/.dev
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile --durations 20 -m "slow and not long"

.PHONY: test-long
test-long: $(VENV)/.dev ## the longest tests: training, a clean installation, dashboards on a real run
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --durations 20 -m long

.PHONY: test-cluster
test-cluster: $(VENV)/.cluster ## boxes that stand in for each other, on Ray, PostgreSQL and mosquitto (CLUSTER_KILLS=3)
	@$(BIN)/python -m pytest -s -v tests/system/cluster $(CLUSTER)

.PHONY: chaos
chaos: export CHAOS_LONG := 1
chaos: $(VENV)/.dev ## attack the daemon for an hour (CHAOS_KILLS=1000, CHAOS_SOAK=10 minutes, CHAOS_SEED=…)
	@$(BIN)/python -m pytest -s -v tests/chaos $(CHAOS)

.PHONY: lint
lint: $(VENV)/.dev ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# They wait half of their time: four at a time keep two cores busy.
.PHONY: check
check: lint ## lint and the fast tests, in under a minute
	@$(BIN)/python -m pytest -q -n 4 -m "not slow" --hypothesis-profile quick

.PHONY: train-env
train-env: $(VENV)/.train ## add TensorFlow, for training and export

UV_COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --quiet \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: lock
lock: ## pin every requirement again (needs uv)
	@$(UV_COMPILE) --extra tensorflow --extra gpio --extra onvif --extra postgresql --group build --group dev -o requirements-train.txt
	@$(UV_COMPILE) --extra onvif --extra postgresql --group build --group dev -c requirements-train.txt -o requirements-dev.txt
	@$(UV_COMPILE) --extra cluster --extra serve -c requirements-train.txt -o requirements-cluster.txt
	@$(UV_COMPILE) --extra postgresql --group build -c requirements-train.txt -o requirements.txt

.PHONY: wheel
wheel: $(VENV)/.run ## build the wheel, weights inside, into dist/
	@$(BIN)/python -m hatchling build -t wheel

.PHONY: image-check
image-check: $(VENV)/.dev ## build the container image with buildah and drive it (root, apt; minutes)
	@tests/deploy/image_check.sh

.PHONY: service-check
service-check: $(VENV)/.dev ## boot Debian in a container and drive the service there (root, apt; minutes)
	@JIKIMI_SERVICE_CHECK=1 $(BIN)/python -m pytest -v tests/deploy/test_service.py

.PHONY: clean
clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

.PHONY: bench
bench: $(VENV)/.dev ## cost against floors of the same run, minutes (BENCH="--all", "--latency", "--looks", "--soak 600")
	@PYTHONPATH=tests $(BIN)/python tests/bench/run.py $(BENCH)

.PHONY: metrics
metrics: $(VENV)/.dev ## write deploy/METRICS.md from the code
	@$(BIN)/python -m detector.daemon.observability.metrics_page > deploy/METRICS.md
