# make setup   an environment in .venv with everything
# make demo    the whole study on the phantom, on a CPU
# make test    the tests           make check   format, lint and types
# make bench   the benchmarks      make clean   removes .venv, runs and caches

PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check bench clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,dev]'
	touch $@

demo: setup
	$(BIN)/laudo demo

# Each file goes to one worker, as what its tests share is expensive to make.
test: setup
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python benchmarks/phantom.py
	$(BIN)/python benchmarks/prepare.py
	$(BIN)/python benchmarks/images.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/long_texts.py

clean:
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
