# Thin: sets up and runs. Every target works by itself on a fresh clone.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup check test lint docs clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt 'pygraphviz>=2.0' \
		|| echo 'no pygraphviz here: pictures are drawn where a system dot is, otherwise left as DOT text'
	touch $@

check: setup
	$(BIN)/circuitlang check specs/bracket_depth.cir

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# Links out of docs/ lead to what stands beside it, here as in the site.
docs: setup
	$(BIN)/mkdocs build --quiet --strict
	cp -r README.md CHANGELOG.md LICENSE tasks specs build/site/

clean:
	rm -rf .venv build dist runs *.egg-info
