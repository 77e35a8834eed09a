# `make repro`: the whole pipeline, set-up included.   `make test`: the checks.   Needs Python >= 3.10 and git.
# `make repro PROFILE=paper`: with params/paper.yaml, which becomes params.yaml.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# chains of stages that run side by side; on a machine with GPUs, as many as there are GPUs
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: repro choose test test-all lab clean

# First the data; then the splits side by side, each through its stages in order (train, evaluate, fuse); then whatever is left:
# tables and notebooks, or nothing. Plain `dvc repro` does the same one stage at a time.
SPLIT_STAGES = dvc stage list --name-only | grep -E "^(train|evaluate|idt_codebook|idt_scores|fuse)[a-z_]*@{}(-|$$)"
repro: $(READY) $(if $(PROFILE),choose)
	dvc repro $$(dvc stage list --name-only | grep -E '^(extract|idt_features)@')
	dvc stage list --name-only | sed -n 's/^fuse@//p' | xargs -P $(JOBS) -I{} sh -c 'dvc --wait-for-lock repro -s $$($(SPLIT_STAGES))' || true
	dvc repro
	@repro where

# copies a profile over params.yaml, unless that holds what no profile does
choose:
	@test -f params/$(PROFILE).yaml || { echo 'no profile "$(PROFILE)"; there: $(basename $(notdir $(wildcard params/*.yaml)))' >&2; exit 2; }
	@for known in params/*.yaml; do cmp -s "$$known" params.yaml && exec cp params/$(PROFILE).yaml params.yaml; done; \
	echo 'params.yaml has been edited by hand: it equals none of params/*.yaml; save it there under a name of its own first' >&2; exit 2

test: $(READY)
	pytest --nbval

test-all: $(READY)
	pytest --nbval -m ""

lab: $(READY)
	jupyter lab notebooks

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cluster,pipeline,test]'
	touch $@

clean:
	rm -rf $(VENV) data models work
