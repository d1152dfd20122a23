PYTHON ?= python3
DEMO ?= demo
ARGS ?=
TAG ?=

VENV := .venv
CODE := hooks tests tools benchmarks
HEAD := benchmarks/measuring.py

# uv does not read pip's variable; a folder of wheels stands in for the project's own package sources.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export UV_NO_SOURCES ?= 1
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test style newest verify bench clean

help:  ## list these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 12

setup: $(VENV)/.stamp  ## make .venv with the template's own tools

$(VENV)/.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet uv
	$(VENV)/bin/uv pip install --quiet --python $(VENV) --group dev
	@touch $@

demo: setup  ## bake the default answers into ./demo, train, register, promote, serve and ask for a prediction
	$(VENV)/bin/python tools/demo.py $(DEMO)

test: style  ## check the style, then run every test (ARGS="-m 'not slow'" leaves out what installs the bake)
	$(VENV)/bin/python -m pytest $(ARGS)

style: setup  ## ruff and mypy over the template's own Python
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/mypy $(CODE)

newest: setup  ## bake, install the newest versions of everything, run the bake's tests (ARGS="dashboard=nicegui --beyond")
	$(VENV)/bin/python tools/check_bake.py $(ARGS)

verify: setup  ## what the release pipeline checks of a tag: make verify TAG=v1.2.3
	$(VENV)/bin/python tools/check_release.py "$(TAG)"
	$(VENV)/bin/python tools/check_bake.py --checkout "$(TAG)" --targets style types test-fast

bench: setup  ## run every script of benchmarks/, as one Markdown table
	@for script in $(HEAD) $(filter-out $(HEAD),$(wildcard benchmarks/*.py)); do $(VENV)/bin/python $$script || exit; done

clean:  ## remove what these targets made, the demo excepted
	rm -rf $(VENV) .bake-venv .triton .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +
