# The set-up and the commands of the project. Each target does everything that it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := basenji2,benchmark,borzoi,docs,enformer,finemapping,interpretation,liftover,plot,polygenic,scan,test,training
# Snakemake and Kipoi ask for different versions of the same packages, so each has an environment.
WORKFLOW_VENV := .venv-workflow
CHECK_PYTHON = $(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}; name one with make PYTHON=...")'

.PHONY: demo install test veff workflow docs lint lock system clean

# Score, rank and draw the variants of the packaged locus, or with VCF=... FASTA=... your own; OUT=... names the folder.
demo: $(VENV)/demo-installed
	@$(BIN)/mifm demo $(VCF) $(FASTA) $(if $(OUT),-o $(OUT))

# Everything that any command or page of the documentation uses.
install: $(VENV)/installed

# All tests.
test: $(VENV)/installed system veff workflow
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations 25

# kipoi_veff beside Kipoi. Its metadata asks for packages that no longer build, so it comes without them.
veff: $(VENV)/veff-installed

# Snakemake for workflow/, beside the project's environment.
workflow: $(WORKFLOW_VENV)/installed

# The documentation as a site in build/site, with every warning an error; it opens from the files alone.
docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What scoring, ranking and figures need, and nothing else.
$(VENV)/demo-installed: setup.cfg pyproject.toml constraints.txt
	@$(CHECK_PYTHON)
	@echo "Downloading what the demo needs into $(VENV): 350 MB, more than 2 GB where PyTorch is the build for NVIDIA GPUs"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[plot]'
	@touch $@

# The rest: what tests, training, fine-mapping, other models and the documentation need.
$(VENV)/installed: $(VENV)/demo-installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@# The extra 'tracks', where it needs no compiler; elsewhere its tests are skipped.
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --only-binary :all: pyBigWig 2>/dev/null || \
		echo "No wheel of pyBigWig for this Python: 'mifm score --scores FILE.bw' needs pip install pyBigWig"
	@touch $@

$(VENV)/veff-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[veff]'
	$(BIN)/python -m pip install --quiet --no-deps kipoi_veff==0.3.1
	@touch $@

$(WORKFLOW_VENV)/installed: workflow/requirements.txt workflow/constraints.txt
	@$(CHECK_PYTHON)
	$(PYTHON) -m venv $(WORKFLOW_VENV)
	$(WORKFLOW_VENV)/bin/python -m pip install --quiet --constraint workflow/constraints.txt --requirement workflow/requirements.txt
	@touch $@

# Programs that no Python package brings, for the tests: bedtools reads BED files; bcftools, tabix and PLINK are oracles.
# Not every distribution has PLINK: without it, its tests are skipped.
system:
	@missing=; for program in bedtools bcftools tabix plink1.9 plink2; do \
		command -v $$program >/dev/null || missing="$$missing $$program"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq || exit 1; \
		for program in $$missing; do \
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$program >/dev/null && continue; \
			case $$program in plink*) echo "apt-get has no $$program: its tests are skipped";; *) exit 1;; esac; \
		done; \
	else \
		echo "Not installed:$$missing. Needed by some tests (bedtools also for regions in BED files). Install with"; \
		echo "  sudo apt-get install$$missing    or    conda install -c bioconda bedtools bcftools htslib"; \
	fi

# Write the exact versions of everything installed; run after a change of setup.cfg or workflow/requirements.txt.
lock: $(VENV)/veff-installed $(WORKFLOW_VENV)/installed
	$(BIN)/python -m pip freeze --all --exclude-editable | grep -viE '^(pip|kipoi.veff)==' | sed 's/+cpu$$//' > constraints.txt
	$(WORKFLOW_VENV)/bin/python -m pip freeze | sort -f > workflow/constraints.txt

clean:
	rm -rf $(VENV) $(WORKFLOW_VENV) .snakemake demo build dist *.egg-info
