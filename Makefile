# InferScope's commands. `make help` lists them; CONTRIBUTING.md says which one to use for which change.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENVS := .venvs
# The environment with the linters, ONNX Runtime and the browser driver.
DEV := $(VENVS)/py312-ipy9/bin
GO ?= go
CC ?= cc
# NVML is reached through cgo and bound when its library is opened; its Go binding still offers what NVIDIA has deprecated.
export CGO_ENABLED := 1
export CGO_CFLAGS ?= -O2 -g -Wno-deprecated-declarations
export CGO_LDFLAGS ?= -O2 -g -Wl,-z,lazy
NOTEBOOK ?= notebooks/inference_on_cpu.ipynb

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the sidecar and the C shim into the package
	@python=$$(ls -d $(VENVS)/*/bin/python 2>/dev/null | head -1) || true; $${python:-python3} ipython_ext/native.py

.PHONY: demo
demo: ## execute the example notebook in a real kernel and write demo-report.html
	@.ci/setup demo
	@$(MAKE) --no-print-directory build
	@$(VENVS)/demo/bin/python notebooks/execute.py $(NOTEBOOK) --html demo-report.html

.PHONY: setup
setup: ## make the Python environments and install the system tools that the tests use
	@.ci/setup

.PHONY: test
test: setup build ## run every test: Go, C, Python on each IPython, browser, notebooks
	@.ci/test

.PHONY: lint
lint: setup ## ruff, mypy, gofmt, vet, staticcheck, C warnings as errors
	@.ci/lint

.PHONY: generate
generate: ## rebuild the committed generated files: the Python mirror of the messages, the BPF objects, pages
	python3 bench/known_answers/publish.py
	$(GO) generate ./...

.PHONY: check-generated
check-generated: setup ## fail when a committed generated file differs from what its source generates
	@.ci/check-generated

.PHONY: bench
bench: setup build ## measure the budgets; results in bench/results and bench/README.md
	@$(DEV)/python bench/all.py $(BENCH)

.PHONY: clean
clean: ## remove everything built here, the Python environments included
	rm -rf $(VENVS) ipython_ext/inferscope/_bin dist build demo-report.html .mypy_cache .ruff_cache
