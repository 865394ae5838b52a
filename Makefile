# `make export`, `make test` and `make zoo` do all the set-up they need on a fresh machine with Python 3.11 or newer.
# `make system-packages` adds what Python's packages cannot bring; without it the tests that need it are skipped.

PYTHON ?= python3
VENV ?= .venv
MODEL ?= mobilenetv3_small
SUDO ?= $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: export test check zoo system-packages clean

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
	$(VENV)/bin/python -m mobiledeploy.bench.evaluation zoo --table docs/zoo.md

# torch comes first and pinned: a looser request would also fetch several gigabytes of CUDA packages.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[bench,dev]"
	touch $@

# Debian and Ubuntu: an emulator of Arm processors, and the C libraries of AArch64 Linux.
system-packages:
	$(SUDO) apt-get update --quiet
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends \
		qemu-user libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross

clean:
	rm -rf $(VENV) artifacts build *.egg-info
