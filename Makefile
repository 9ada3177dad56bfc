# One word per chore; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WHISPERX_VENV := .venv-whisperx
WHISPERX_STAMP := $(WHISPERX_VENV)/.installed
WHISPERX_LISTS := $(addprefix engines/whisperx/,install.sh requirements.txt requirements-test.txt constraints.txt)
CODE := gateway engines bench packaging scripts tests

.PHONY: help
help:  ## list the chores
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The environment is made anew when the list of packages changes. A half-made one is never taken for whole.
$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[faster,dev]'
	touch $(STAMP)

.PHONY: install
install: $(STAMP)  ## make the virtual environment in .venv

.PHONY: demo
demo: $(STAMP)  ## wake the faster engine with a recording, see the transcript, watch it fall asleep; no Docker needed
	$(BIN)/python scripts/demo.py

.PHONY: run
run: $(STAMP)  ## leave the demo's gateway running, for curl
	PATH="$(CURDIR)/$(BIN):$$PATH" whisper-gateway serve --config samples/config.yaml

# Those with containers and browsers mostly wait, the others mostly compute: so both run at once.
OUTSIDE := tests/browser tests/chaos tests/e2e

.PHONY: test
test: $(STAMP)  ## run all tests but test-whisperx; those for Docker and nginx run where these are there
	+$(MAKE) --no-print-directory --jobs 2 test-outside test-inside

.PHONY: test-outside
test-outside: $(STAMP)
	$(BIN)/python -m pytest $(OUTSIDE)

.PHONY: test-inside
test-inside: $(STAMP)
	$(BIN)/python -m pytest $(addprefix --ignore=,$(OUTSIDE))

# The WhisperX engine has an environment of its own: 2 GB with torch, and other versions of libraries than the rest. Where
# torch comes from is told in engines/whisperx/install.sh; TORCH_INDEX, TORCH_VERSION and TORCHAUDIO_VERSION change it.
$(WHISPERX_STAMP): $(WHISPERX_LISTS)
	$(PYTHON) -m venv --clear $(WHISPERX_VENV)
	PIP_QUIET=1 PIP_NO_COMPILE=1 engines/whisperx/install.sh $(WHISPERX_VENV)/bin/python --requirement engines/whisperx/requirements-test.txt
	touch $(WHISPERX_STAMP)

.PHONY: install-whisperx
install-whisperx: $(WHISPERX_STAMP)  ## make the WhisperX engine's environment in .venv-whisperx; 2 GB are fetched

.PHONY: test-whisperx
test-whisperx: $(WHISPERX_STAMP)  ## run the tests of the WhisperX engine, in the environment .venv-whisperx; 2 GB are fetched
	$(WHISPERX_VENV)/bin/python -m pytest tests/whisperx

.PHONY: check
check: $(STAMP)  ## lint, formatting, types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

.PHONY: format
format: $(STAMP)  ## format the code
	$(BIN)/ruff check --fix --quiet $(CODE) || true
	$(BIN)/ruff format $(CODE)

.PHONY: docs
docs: $(STAMP)  ## generate config.schema.json and the generated parts of docs/
	$(BIN)/python scripts/generate_docs.py

.PHONY: bench
bench: $(STAMP) $(WHISPERX_STAMP)  ## measure the gateway against nginx, the engines against their libraries; needs nginx, wrk and Docker
	$(BIN)/python -m bench

# CHAOS_SEED=... repeats a run; CHAOS_WRITE=1 puts its table on top of bench/RESULTS.md; T="-k soak" chooses trials. The dump of
# what a slow test is doing is off: Python 3.11 can crash while it reads the stack of a program that runs on.
.PHONY: chaos
chaos: $(STAMP)  ## break things for hours: the long form of tests/chaos, with a table of what was measured
	CHAOS=long $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/chaos $(T)

.PHONY: image
image:  ## build the faster engine's image
	docker build -f engines/faster/Dockerfile -t whisper-gateway/faster .

.PHONY: image-whisperx
image-whisperx:  ## build the WhisperX engine's image; 1 GB is fetched
	docker build -f engines/whisperx/Dockerfile -t whisper-gateway/whisperx .

.PHONY: clean
clean:  ## remove the virtual environment and what tools left behind
	rm -rf $(VENV) $(WHISPERX_VENV) wheels .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
