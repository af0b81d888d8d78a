# Commands of splade-operator. `make help` lists them.
#
# What is downloaded or built lies outside the clone, in $(SPLADE_CACHE), and is made again when absent.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TORCH ?= cpu
export TORCH
SPLADE_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/splade-operator
export SPLADE_CACHE
export LIBTORCH := $(SPLADE_CACHE)/libtorch-2.11.0-$(TORCH)
export LIBTORCH_LIB := $(LIBTORCH)
export LIBTORCH_INCLUDE := $(LIBTORCH)
export LD_LIBRARY_PATH := $(LIBTORCH)/lib$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))
export CARGO_TARGET_DIR ?= $(SPLADE_CACHE)/target-$(TORCH)
export SPLADE_PYTHON ?= $(shell scripts/setup-references.sh --print)
export SPLADE_TOOLS ?= $(shell scripts/setup-collector.sh --print)

JOB := $(CARGO_TARGET_DIR)/release/splade-job
FILE ?= configs/quickstart.yaml
# Cargo features that go with the flavour of libtorch.
FEATURES := $(if $(filter cuda,$(TORCH)),--features splade-job/cuda)

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set-up ---

.PHONY: setup setup-runtime setup-e2e check-test-machine claim-target env
setup: check-test-machine setup-runtime ## Fetch all that building and testing needs: libtorch (TORCH=cpu or cuda), the Python references, a collector
	@scripts/setup-references.sh
	@scripts/setup-collector.sh

check-test-machine:
	@scripts/check-machine.sh --tests

setup-runtime: ## Fetch what building and running needs: libtorch alone
	@scripts/check-machine.sh
	@scripts/claim-target.sh
	@scripts/setup-libtorch.sh

claim-target:
	@scripts/claim-target.sh

setup-e2e: ## Install and build what the test cluster needs (root, Debian or Ubuntu; 15 minutes the first time)
	@scripts/setup-e2e.sh

env: ## Print the environment of these commands, with splade-job on the PATH, for `eval "$(make env)"`
	@printf 'export PATH=%q:$$PATH\n' "$(patsubst %/,%,$(dir $(JOB)))"
	@for name in LIBTORCH LIBTORCH_LIB LIBTORCH_INCLUDE LD_LIBRARY_PATH CARGO_TARGET_DIR SPLADE_PYTHON SPLADE_TOOLS; do \
		printf 'export %s=%q\n' "$$name" "$${!name}"; done

.PHONY: build build-operator
build: setup-runtime ## Build splade-job
	@cargo build --release --locked -p splade-job $(FEATURES)

build-operator: claim-target ## Build splade-operator, which needs no libtorch
	@cargo build --release --locked -p splade-operator

# --- the job ---

.PHONY: quickstart train train-resume benchmark export-hf tensorboard info
quickstart: build ## Train, export and benchmark a small Korean model on this machine, and print the scores
	@scripts/quickstart.sh $(JOB)

train: build ## Train, export and benchmark what FILE says (default configs/quickstart.yaml)
	@$(JOB) run -f $(FILE)

train-resume: train ## The same: a run always continues from its newest checkpoint

benchmark: build ## Run only the benchmarks of FILE
	@$(JOB) benchmark -f $(FILE)

export-hf: build ## Export the finished trainings of FILE to Hugging Face format
	@$(JOB) export -f $(FILE)

tensorboard: ## Show the curves of every run under runs/
	@scripts/setup-tensorboard.sh
	@"$$(scripts/setup-tensorboard.sh --print)" --logdir runs

info: build ## Say what this machine has, in a form to paste into a bug report
	@$(JOB) info

# --- the test cluster: tests/infra/kubernetes/README.md ---

.PHONY: cluster-up cluster-down demo test-e2e lint-e2e
demo: setup-e2e build build-operator ## Start a cluster, install the chart, and train, export and benchmark the quickstart on it
	@scripts/demo.sh $(JOB)

test-e2e: setup-e2e build build-operator ## Test the operator, its chart and its images end to end on a cluster of their own (root)
	@scripts/test-e2e.sh $(JOB)

cluster-up: ## Start a Kubernetes cluster on this machine, with two nodes, S3 and an OpenTelemetry collector
	@tests/infra/kubernetes/up.sh cluster s3 collector

cluster-down: ## End that cluster and remove all of it
	@tests/infra/kubernetes/down.sh

lint-e2e: ## Check the shell scripts and the Dockerfiles
	@scripts/lint-e2e.sh

# --- quality ---
# Tests run side by side: one libtorch thread each keeps them from waiting for one another.

.PHONY: test test-quick test-api-server test-chart test-data chart check-cuda bench bench-head bench-train bench-gang bench-shards bench-operator lint format clean
test: setup lint ## Set up, lint and run every test
	@OMP_NUM_THREADS=1 cargo test --release --locked --workspace $(FEATURES)

test-quick: setup-runtime ## Tests that need no Python reference, for the inner loop
	@cargo test --release --locked -p splade-crds -p splade-native --lib --tests
	@cargo test --release --locked -p splade-data -p splade-retrieval -p splade-storage --lib
	@cargo test --release --locked -p splade-telemetry --lib --test status
	@cargo test --release --locked -p splade-launch -p splade-operator
	@cargo test --release --locked -p splade-job --lib --test losses

test-api-server: claim-target ## Test the operator against a real etcd, kube-apiserver and collector on loopback (needs Go, which builds them, once)
	@tests/infra/kubernetes/build.sh etcd kube-apiserver
	@scripts/setup-collector.sh
	@SPLADE_KUBERNETES_BIN="$$(tests/infra/kubernetes/build.sh --print)/bin" \
		cargo test --release --locked -p splade-operator --features api-server --test api_server

test-chart: ## Test the Helm chart: lint, every setting, schemas of Kubernetes, rights, dashboard (needs Go; starts no cluster)
	@scripts/setup-references.sh
	@tests/chart/run.sh

chart: claim-target ## Write what is made from the API types and the chart's values: crds/yaml, docs/manifest.md, files of the chart
	@cargo run --quiet --locked -p splade-crds --example write_crds
	@cargo run --quiet --locked -p splade-crds --example write_reference
	@$(SPLADE_PYTHON) scripts/chart-files.py

test-data: setup ## Tests on real Korean data that cannot be shipped: SHARED=<folder>
	@test -n "$(SHARED)" || { echo "make test-data needs SHARED=<folder of the data>" >&2; exit 64; }
	@SPLADE_SHARED=$(abspath $(SHARED)) cargo test --release --locked -p splade-retrieval --features shared-data --test shared_data
	@SPLADE_SHARED=$(abspath $(SHARED)) cargo test --release --locked -p splade-job --features shared-data --test shared_data

check-cuda: ## Compile and link splade-job and the GPU tests for CUDA, and start it, on a machine that needs no GPU
	@scripts/setup-references.sh
	@$(MAKE) --no-print-directory TORCH=cuda CARGO_TARGET_DIR=$(SPLADE_CACHE)/target-cuda check-cuda-build

.PHONY: check-cuda-build
check-cuda-build: setup-runtime
	@cargo build --profile check-cuda --locked -p splade-job -p splade-native $(FEATURES) --bin splade-job --test cuda
	@scripts/check-cuda.sh $(CARGO_TARGET_DIR)/check-cuda/splade-job
	@scripts/check-image-libraries.py dockerfiles/job.Dockerfile $(CARGO_TARGET_DIR)/check-cuda/splade-job $(LIBTORCH)/lib

bench: bench-head bench-train bench-gang bench-shards bench-operator ## Measure everything on this machine: an hour and a half on 2 cores

bench-train: setup build ## Measure training against sentence-transformers: a small model, then the headline architecture
	@$(SPLADE_PYTHON) tests/benchmarks/training.py --job $(JOB)
	@$(SPLADE_PYTHON) tests/benchmarks/training.py --job $(JOB) --full --steps 5 --skip 2 --batch 8 --rounds 1

bench-gang: build ## Measure two ranks against one, what checkpoints cost, and the start
	@python3 tests/benchmarks/gang.py --job $(JOB)

bench-shards: build ## Measure the making of token shards from 4.84 million triplets
	@python3 tests/benchmarks/shards.py --job $(JOB)

bench-operator: build-operator ## Measure the operator with 1,000 trainings, and Kubeflow Trainer beside it (needs make setup-e2e and Go)
	@python3 tests/benchmarks/operator --operator $(CARGO_TARGET_DIR)/release/splade-operator

bench-head: setup-runtime ## Measure the SPLADE pool at the size of the headline model
	@cargo run --quiet --release --locked -p splade-native --example head

lint: setup-runtime ## rustfmt, clippy with warnings as errors, cargo deny
	@cargo fmt --all --check
	@cargo clippy --release --locked --workspace --all-targets -- --deny warnings
	@cargo clippy --release --locked -p splade-native --features cuda --tests -- --deny warnings
	@cargo clippy --release --locked -p splade-operator --features api-server,e2e --tests -- --deny warnings
	@scripts/deny.sh

format: ## Format the code
	@cargo fmt --all

clean: ## Remove runs, and the build output that all clones share
	@rm -rf $(CARGO_TARGET_DIR) runs
