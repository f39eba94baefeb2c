# Two commands: `make quick` runs the main job, `make test` the tests. Each first sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Every command that a test starts would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: quick test coverage faults docs install clean

quick: $(READY)
	$(BIN)/dynamark run quick

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# The tests with the lines that they reach; commands and forked processes are measured too, which makes them a third slower.
coverage: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered --cov-fail-under=90

# Every fault test at full size: about an hour. docs/reliability.md says what each one tries.
faults: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/kills.py all 200
	OMP_NUM_THREADS=1 DYNAMARK_FLIPS=10000 $(BIN)/python -m pytest -n 2 tests/results tests/tasks/test_cache.py tests/runners/execute

# The documentation site, in site/; it can be read from disk (site/index.html). Broken links and other warnings are errors.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/mkdocs build --strict --quiet

install: $(READY)

# Once per change of the pins or of the package's own metadata.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $(VENV)/.docs

clean:
	rm -rf $(VENV) site
