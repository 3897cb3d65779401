# hndoctor: `make demo` shows the whole story, `make test` is what CI runs.
PYTHON ?= python3
VENV   ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test lint types imports pytest audit licences packages coverage mutants fuzz bench-scan bench-scaling bench-train bench-previews bench-report bench-accuracy lab lab-full docs stress clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/.train: pyproject.toml constraints.txt
	@echo "Installing hndoctor and its trainer into $(VENV) ..."
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e ".[train]"
	@touch $@

$(VENV)/.test: $(VENV)/.train
	$(PIP) install -c constraints.txt -e ".[train,test]"
	@touch $@

demo: $(VENV)/.train ## train a healthy and a dying hypernetwork, scan both, write the report
	$(BIN)/hndoctor demo

test: lint types imports audit licences pytest ## everything that CI runs

lint: $(VENV)/.test
	$(BIN)/ruff check .

types: $(VENV)/.test
	$(BIN)/mypy

imports: $(VENV)/.test
	$(BIN)/lint-imports

pytest: export OMP_NUM_THREADS = 1
pytest: $(VENV)/.test
	-@$(PYTHON) .ci/browser.py
	$(BIN)/python -m pytest -n 2 --dist loadfile

audit: $(VENV)/.test ## known weaknesses in what is installed; says so where the index cannot be asked
	$(BIN)/python .ci/audit.py

licences: $(VENV)/.test ## the licence of everything that is installed, against the list of those allowed
	$(BIN)/python .ci/licences.py

packages: $(VENV)/.test ## build sdist and wheel; install and run the wheel in each Python from 3.11 to 3.13 that is here
	$(BIN)/python .ci/packages.py

coverage: export OMP_NUM_THREADS = 1
coverage: $(VENV)/.test ## run all tests under coverage; fails below 95 % of the branches of hndoctor and 90 % of trainer's
	$(BIN)/python .ci/covered.py

COUNT ?= 200
SEED  ?= 0
mutants: $(VENV)/.test ## how many of COUNT small mistakes, drawn with SEED, the tests notice; goes on where it stopped
	@$(PIP) install -c constraints.txt -e ".[mutants]"
	$(BIN)/python .ci/mutants.py --count $(COUNT) --seed $(SEED)

fuzz: export OMP_NUM_THREADS = 1
fuzz: $(VENV)/.test ## a million hostile inputs to every reader (about ten minutes on two cores), and 100,000 spoilt files
	$(PIP) install -c constraints.txt -e ".[fuzz]"
	$(BIN)/python -m tests.fuzz --runs 1000000 --keep fuzzed
	HNDOCTOR_FUZZ=100000 $(BIN)/python -m pytest tests/formats/test_mutations.py tests/formats/test_properties.py --timeout 0

bench-scaling: export OMP_NUM_THREADS = 1
bench-scaling: $(VENV)/.test ## time and memory of a scan against the number and size of checkpoints and the number of runs
	$(BIN)/python -m benchmarks.scaling

bench-scan: $(VENV)/.test ## what reading and measuring a checkpoint costs, against numpy and peers
	$(BIN)/python -m benchmarks.scan

bench-train: export KINETO_LOG_LEVEL = 99
bench-train: export TORCH_CPP_LOG_LEVEL = ERROR
bench-train: $(VENV)/.test ## step time against the bare floor and the web UI's pattern
	$(BIN)/python -m benchmarks.train
	$(BIN)/python -m benchmarks.flops

stress: export OMP_NUM_THREADS = 1
stress: $(VENV)/.test ## kill -9 train, scan, watch, export, convert and merge 50 times each, validate 12 times, and judge every kind of giant of 1 GB
	$(BIN)/python -m benchmarks.kills --kills 50
	HNDOCTOR_KILLS=50 $(BIN)/python -m pytest tests/abuse/test_kills.py --timeout 0
	HNDOCTOR_GIANTS=1073741824 $(BIN)/python -m pytest tests/abuse/test_limits.py --timeout 0

bench-previews: $(VENV)/.test ## how well noise is told from pictures, against peers
	-@$(PIP) install -c constraints.txt -e ".[peers]"
	$(BIN)/python -m benchmarks.previews.bench

bench-report: $(VENV)/.test ## what rendering the report costs, in seconds and bytes
	$(BIN)/python -m benchmarks.report

docs: $(VENV)/.test ## the manual as pages in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lab: $(VENV)/.test ## the small lab: a handful of short runs that live and die, and their judging, in minutes
	$(BIN)/python -m benchmarks.lab.run --small --out .lab/runs --judge .lab/judge-small.pt --scenes 6000
	$(BIN)/python -m benchmarks.lab.accuracy --runs .lab/runs

lab-full: $(VENV)/.test ## the whole population, resumable, into benchmarks/lab/runs; then the three runs of 25,000 steps
	$(BIN)/python -m benchmarks.lab.run
	$(BIN)/python -m benchmarks.lab.run --long

bench-accuracy: $(VENV)/.test ## how right the diagnosis is on the lab's stored runs; trains nothing
	$(BIN)/python -m benchmarks.lab.accuracy

clean: ## remove the virtual environment and what tools left
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .mutants .coverage* dist build site
