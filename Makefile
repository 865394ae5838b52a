# `make export`, `make test` and `make zoo` do all the set-up they need on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
MODEL ?= mobilenetv3_small

.PHONY: export test check zoo clean

export: $(VENV)/.installed
	$(VENV)/bin/mobiledeploy export $(MODEL) --int8

test: check
	$(VENV)/bin/python -m pytest -q

check: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Every network at full size: the better part of an hour on 2 cores.
zoo: $(VENV)/.installed
	$(VENV)/bin/python -m mobiledeploy.bench.zoo --table docs/zoo.md

# torch comes first and pinned: a looser request would also fetch several gigabytes of CUDA packages.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) artifacts build *.egg-info
