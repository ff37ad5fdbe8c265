# make run            start Tosa on http://127.0.0.1:5000; installs what serving needs
# make train-env      install what training needs too, TensorFlow among it
# make test           lint and the whole test suite
# make lint           ruff and mypy
# make bench          all measurements, written to bench/RESULTS.md
# make torture        the long tests: load, kills, mutated files; about an hour
# make audit CASES=cases.csv OTHERS=folder   shortcuts, subgroups and robustness of the model, and MODEL_CARD.md
# make wheel          build dist/tosa-*.whl
# make lock           pin and hash the requirements of pyproject.toml
# make lock-check     see whether every lock installs from wheels on every platform
# make audit-requirements   look for known vulnerabilities in what is pinned
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
LOCKS := requirements-serve.txt requirements.txt requirements-test.txt
UV := $(BIN)/uv pip compile --quiet --no-header
LOCK := $(UV) --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml
PLATFORMS := x86_64-manylinux_2_28 aarch64-manylinux_2_35 aarch64-apple-darwin x86_64-pc-windows-msvc
PYTHONS := 3.11 3.12 3.13 3.14

.PHONY: run train-env test lint bench torture audit wheel lock lock-check audit-requirements clean
run: $(VENV)/serve.stamp
	$(BIN)/python app.py

train-env: $(VENV)/train.stamp
	@echo "TensorFlow is installed: '$(BIN)/python retrain.py --help' lists what training can do."

test: $(VENV)/test.stamp lint
	PATIENCE=$${PATIENCE:-2} $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not serial"
	$(BIN)/python -m pytest -m serial

lint: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/test.stamp
	$(BIN)/python bench/run_all.py $(if $(DATA),--data $(DATA)) $(if $(LONG),--long)

torture: $(VENV)/test.stamp
	TORTURE=1 $(BIN)/python -m pytest -s tests/torture tests/test_hostile.py tests/training/test_faults.py \
	  tests/scale/test_batch.py

audit: $(VENV)/train.stamp
	$(BIN)/python -m tosa.audit.audit $(CASES) $(if $(OTHERS),--others $(OTHERS))
	$(BIN)/python -m tosa.audit.card $${TOSA_GRAPH:-retrained_graph.pb} docs/audit.json \
	  $(if $(TOSA_GRAPH),,--words docs/embedded_words.json)
	$(BIN)/python -m tosa.training.report.model_card

wheel: $(VENV)/test.stamp
	$(BIN)/uv build --quiet --wheel --out-dir dist

lock: $(VENV)/test.stamp
	$(LOCK) --extra train --output-file requirements.txt
	$(LOCK) --constraints requirements.txt --output-file requirements-serve.txt
	$(LOCK) --constraints requirements.txt --extra test --extra ray --extra parquet --extra serve --output-file requirements-test.txt \
	  $(addprefix --no-emit-package ,playwright greenlet pyee)

# Wheels only. On arm64 Linux OpenVINO's wheel needs glibc 2.35; macOS is 14 on Apple silicon.
lock-check: $(VENV)/test.stamp
	@for lock in $(LOCKS); do for platform in $(PLATFORMS); do for python in $(PYTHONS); do \
	  echo $$lock $$platform $$python; \
	done; done; done | MACOSX_DEPLOYMENT_TARGET=14.0 xargs -P 4 -n 3 sh -c '$(UV) --only-binary :all: \
	  --python-platform $$1 --python-version $$2 $$0 >/dev/null && echo "resolved $$0 for $$1, Python $$2"'

audit-requirements:
	uvx pip-audit --strict --disable-pip --require-hashes -r requirements.txt

clean:
	rm -rf $(VENV) dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tosa needs Python 3.11 or newer. Name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Installing Debian's python3-venv." && \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; } || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/serve.stamp: requirements-serve.txt | $(BIN)/python
	@echo "Installing what serving needs, about 0.6 GB. Training needs more: make train-env."
	$(PIP) -r requirements-serve.txt
	@touch $@

$(VENV)/train.stamp: requirements.txt | $(BIN)/python
	@echo "Installing what training needs, about 2.4 GB with TensorFlow. This takes some minutes."
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/test.stamp: requirements-test.txt $(VENV)/train.stamp
	$(PIP) --no-deps -r requirements-test.txt
	@touch $@
