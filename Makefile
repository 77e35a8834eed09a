# `make repro`: the whole pipeline, set-up included.   `make test`: the checks.   Needs Python >= 3.10 and git.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# two jobs of two threads each would fight over the cores while they wait for each other
export OMP_WAIT_POLICY := PASSIVE

.PHONY: repro test test-all lab clean

repro: $(READY)
	dvc repro
	@repro where

test: $(READY)
	pytest --nbval

test-all: $(READY)
	pytest --nbval -m ""

lab: $(READY)
	jupyter lab notebooks

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[pipeline,test]'
	touch $@

clean:
	rm -rf $(VENV) data models work
