# setup, tour, test, bench, bench-scale, docs: each works on a fresh machine and sets up what it needs.
VENV ?= .venv
BIN := $(VENV)/bin
LABS ?= lab

.PHONY: setup tour test labs lint bench bench-scale docs docs-serve

setup: $(VENV)/ready

# The stamp is newer than what it depends on, so a second `make setup` does nothing.
$(VENV)/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

tour: setup
	$(BIN)/leyden run -m 'experiment=glob(tour_*)'
	@echo "Images: outputs/sweeps/*/*/images    Curves: $(BIN)/tensorboard --logdir outputs/tensorboard"

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

labs: setup
	$(BIN)/python -m pytest -m "$(LABS)"

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python tests/benchmarks/steps.py
	$(BIN)/python tests/benchmarks/loader.py
	$(BIN)/python tests/benchmarks/precision.py
	$(BIN)/python tests/benchmarks/detectors.py
	$(BIN)/python tests/benchmarks/backbones.py
	$(BIN)/python tests/benchmarks/cache.py

bench-scale: setup
	$(BIN)/python tests/benchmarks/scale.py

docs: $(VENV)/docs
	$(BIN)/mkdocs build

docs-serve: $(VENV)/docs
	$(BIN)/mkdocs serve

$(VENV)/docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@
