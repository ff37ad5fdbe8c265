# make run    start Tosa on http://127.0.0.1:5000      make test   the whole test suite
# make bench  all measurements to bench/RESULTS.md     make lock   pin and hash the requirements anew
# make torture  the long tests: load, kills, mutated files, about an hour
# make audit CASES=cases.csv OTHERS=folder  the model's shortcuts, subgroups and stability, and MODEL_CARD.md of them
# make audit-requirements  known holes in what is pinned
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
LOCK := uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header

.PHONY: run test torture bench audit audit-requirements lock clean
run: $(VENV)/run.stamp
	$(BIN)/python app.py

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest

bench: $(VENV)/test.stamp
	$(BIN)/python bench/all.py $(if $(DATA),--data $(DATA))

torture: $(VENV)/test.stamp
	TORTURE=1 $(BIN)/python -m pytest -s tests/torture tests/test_hostile.py tests/training/test_faults.py

audit: $(VENV)/run.stamp
	$(BIN)/python -m tosa.audit.audit $(CASES) $(if $(OTHERS),--others $(OTHERS))
	$(BIN)/python -m tosa.training.report.model_card

audit-requirements:
	uvx pip-audit --strict --disable-pip --require-hashes -r requirements.txt

lock:
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-test.in -o requirements-test.txt $(addprefix --no-emit-package ,playwright greenlet pyee)

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tosa needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Installing Debian's python3-venv." && \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; } || \
	  { echo "Python's venv is missing. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt | $(BIN)/python
	@echo "Installing what Tosa needs; the first time this takes some minutes."
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/test.stamp: requirements-test.txt $(VENV)/run.stamp
	$(PIP) --no-deps -r requirements-test.txt
	@touch $@
