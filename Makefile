# `make repro`: the whole pipeline, set-up included.   `make test`: the checks.   `make demo`: minutes.   Needs Python >= 3.11.
# `make repro PROFILE=paper`: of params/paper.yaml, which becomes the profile in use. `FROM=~/Downloads`: the folder of its archives.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
# names of files and classes are UTF-8 whatever the locale
export PYTHONUTF8 := 1
# a stage is a process, and PyTorch compiled anew at each start costs it four seconds
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# chains of stages that run side by side: `repro jobs` unless given, which is one a GPU, each chain on a GPU of its own
JOBS ?=
SLOTS := $(shell xargs --process-slot-var=REPRO_SLOT true </dev/null >/dev/null 2>&1 && echo --process-slot-var=REPRO_SLOT)

.PHONY: repro stages environment use test test-all demo site verify lab clean

# First what is missing, before anything long; then the datasets side by side; trajectories, each dataset's on all cores, for one has
# most of them; codebooks side by side, Fisher vectors of all splits; then the splits side by side, each through its stages in order
# (train, evaluate, fuse), where one that fails lets the others go on, all forked from a process that has loaded PyTorch; then tables, and
# the pages side by side; then whatever is left, or nothing. Plain `dvc repro` does the same one stage at a time. All stages are listed
# once, before the first one starts: it takes DVC two seconds, and DVC cannot read its lock while it writes it.
STAGES = work/stages
# the stages of a dataset, in order, on one line
DATA = grep -E '^(draw|prepare|extract)' $(STAGES) | awk -F@ '{line[$$2] = line[$$2] " " $$0} END {for (d in line) print line[d]}'
CODEBOOKS = grep '^idt_codebook' $(STAGES)
# every stage of a split of a dataset, as one pattern
SPLITS = sed -n 's/^train_[^@]*@/*@/p' $(STAGES) | sort -u
# the later ones take longest: they come first
PAGES = grep '^notebook@' $(STAGES) | sort -r
# so many chains side by side; stages read REPRO_JOBS, to share the machine, and libraries of linear algebra OMP_NUM_THREADS
SIDE_BY_SIDE = export REPRO_JOBS=$(or $(JOBS),$$(repro jobs)); \
  export OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$$(( ($$(getconf _NPROCESSORS_ONLN) + REPRO_JOBS - 1) / REPRO_JOBS ))};
# stages or patterns of them, one after another; one that fails ends this chain, where DVC's own status would end all
EACH = sh -c 'dvc --wait-for-lock repro -s --glob "$$@" || exit 1' sh
repro: $(READY) use
	@repro doctor run $(if $(FROM),--from $(FROM))
	$(if $(FROM),repro prepare --from $(FROM))
	@if dvc status -q; then echo "nothing to do: every result is what today's code, params and inputs give"; \
	else $(MAKE) --no-print-directory stages; fi
	@repro where

stages:
	@repro progress --begin
	dvc repro code
	@dvc stage list --name-only > $(STAGES)
	$(SIDE_BY_SIDE) $(DATA) | xargs -r -L 1 -P $$REPRO_JOBS $(SLOTS) $(EACH)
	dvc repro code $$(grep '^idt_features' $(STAGES))
	$(SIDE_BY_SIDE) $(CODEBOOKS) | xargs -r -n 3 -P $$REPRO_JOBS $(SLOTS) $(EACH) || true
	dvc repro code $$(grep '^idt_fisher' $(STAGES))
	$(SIDE_BY_SIDE) $(SPLITS) | python -m repro.forkserver xargs -n 1 -P $$REPRO_JOBS $(SLOTS) $(EACH) || true
	dvc repro report
	$(SIDE_BY_SIDE) $(PAGES) | xargs -r -n 1 -P $$REPRO_JOBS $(SLOTS) $(EACH) || true
	dvc repro
	@repro progress

# the pipeline from the params: of PROFILE, or of the profile in use
use: $(READY)
	@git rev-parse --git-dir >/dev/null 2>&1 || dvc config --local core.no_scm true  # a downloaded ZIP: DVC would insist on git
	@repro $(if $(PROFILE),use $(PROFILE),pipeline)

# as many test processes as cores, each of one thread; the tests of a file stay together, for they share what was trained for them
PYTEST = OMP_NUM_THREADS=1 pytest --nbval -n auto --dist loadfile
test: $(READY)
	$(PYTEST)

# no training: networks that lie in demo/, on videos drawn now
demo: $(READY)
	@repro demo

# HTML pages in site/, readable without a network
site: $(READY)
	@repro site

verify: $(READY)
	@repro verify

test-all: $(READY)
	$(PYTEST) -m ""

lab: $(READY)
	jupyter lab --ServerApp.root_dir="$(CURDIR)" notebooks/00_overview.ipynb

environment: $(READY)

# Without a GPU, PyTorch without CUDA first: it is much smaller, and what is installed after it takes it as it is. uv installs in a third
# of pip's time, so pip installs uv where there is none. PyTorch's index may be out of reach, and so may be uv's sources, where pip was told
# of others: then pip does all, from the sources that it was told of. Python compiles what is imported; --no-compile leaves the rest, most
# of it, as it is.
UV ?= uv
CPU_TORCH := https://download.pytorch.org/whl/cpu
REACHED = $(VENV)/bin/python -c 'import signal, sys, urllib.request as u; signal.alarm(8); u.urlopen(sys.argv[1], timeout=4)'
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("needs Python 3.11 or newer, $(PYTHON) is %d.%d; name another: make PYTHON=..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@pip="$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile"; \
	uv=$$(command -v $(UV)) || { $$pip -c constraints.txt uv && uv=$(VENV)/bin/uv; }; \
	if [ -n "$$uv" ] && echo packaging | UV_HTTP_TIMEOUT=5 $$uv pip compile --quiet --no-deps --python $(VENV)/bin/python - >/dev/null 2>&1; \
	then uv="$$uv pip install --quiet --python $(VENV)/bin/python"; else uv=""; fi; \
	install() { if [ -n "$$uv" ]; then $$uv "$$@" 2>/dev/null || $$pip "$$@"; else $$pip "$$@"; fi; }; \
	if nvidia-smi -L >/dev/null 2>&1; then echo "a GPU is here: PyTorch with CUDA"; \
	elif $(REACHED) $(CPU_TORCH)/torch/ 2>/dev/null \
	  && install --no-deps --index-url $(CPU_TORCH) $$(grep -E '^torch(vision)?==' constraints.txt); \
	then echo "no GPU is here: PyTorch without CUDA"; \
	else echo "no PyTorch from $(CPU_TORCH): it comes from the ordinary index, there perhaps with CUDA"; fi; \
	install -c constraints.txt -e '.[cluster,pipeline,test]'
	touch $@

clean:
	rm -rf $(VENV) data models work
