# `make repro`: the whole pipeline, set-up included.   `make test`: the checks.   Needs Python >= 3.11.
# `make repro PROFILE=paper`: of params/paper.yaml, which becomes the profile in use.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
# names of files and classes are UTF-8 whatever the locale
export PYTHONUTF8 := 1
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# chains of stages that run side by side; on a machine with GPUs, as many as there are GPUs
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: repro use test test-all lab clean

# First the data; then the splits side by side, each through its stages in order (train, evaluate, fuse); then whatever is left:
# tables and notebooks, or nothing. Plain `dvc repro` does the same one stage at a time.
SPLITS = dvc stage list --name-only | sed -n 's/^train_[^@]*@//p' | sort -u
SPLIT_STAGES = dvc stage list --name-only | grep -E "^(train|evaluate|idt_codebook|idt_scores|fuse)[^@]*@{}$$"
repro: $(READY) use
	dvc repro code $$(dvc stage list --name-only | grep -E '^(extract|idt_features)')
	$(SPLITS) | xargs -P $(JOBS) -I{} sh -c 'dvc --wait-for-lock repro -s $$($(SPLIT_STAGES))' || true
	dvc repro
	@repro where

# the pipeline from the params: of PROFILE, or of the profile in use
use: $(READY)
	@git rev-parse --git-dir >/dev/null 2>&1 || dvc config --local core.no_scm true  # a downloaded ZIP: DVC would insist on git
	@repro $(if $(PROFILE),use $(PROFILE),pipeline)

test: $(READY)
	pytest --nbval

test-all: $(READY)
	pytest --nbval -m ""

lab: $(READY)
	jupyter lab notebooks

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("needs Python 3.11 or newer, $(PYTHON) is %d.%d; name another: make PYTHON=..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cluster,pipeline,test]'
	touch $@

clean:
	rm -rf $(VENV) data models work
