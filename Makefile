# Everything this tree can do for a developer. `make` alone lists it.
#
# Every cargo call names the whole workspace: another set of packages means another set of features, and with it ten
# minutes of compiling RocksDB anew. Two profiles only, dev for tests and release for demo and bench, for the same reason.

SHELL := /bin/bash -euo pipefail
MAKEFLAGS += --no-print-directory

SEEDS ?= 10000
SEED ?=
TEST ?=
BENCH_SECONDS ?= 20
BENCH_IN_FLIGHT ?= 1 64 256
BENCH ?= bench submit --nodes 3
DEMO ?= demo
MINUTES ?= 60
TASKS ?= 100000

target := $(or $(CARGO_TARGET_DIR),target)
quorla := $(target)/release/quorla
in_env := source .tools/env.sh;

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build release test fmt fmt-check clippy docs deny doctest tests sim demo bench tidy soak prove-array

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## install what the build lacks, saying what and why (the others call it)
	@scripts/setup.sh

build: setup ## the whole workspace, tests and benches included, dev profile
	@$(in_env) cargo build --workspace --all-targets

release: setup ## the binary at target/release/quorla
	@$(in_env) cargo build --workspace --release --bins

test: fmt-check clippy docs deny doctest tests ## everything that must be green (what .ci/run runs)

fmt: setup ## format the tree
	@$(in_env) cargo fmt --all

fmt-check: setup
	@echo '--- formatting'
	@$(in_env) cargo fmt --all -- --check

clippy: setup ## lints, warnings are errors
	@echo '--- lints'
	@$(in_env) cargo clippy --workspace --all-targets -- -D warnings

docs: setup ## documentation of our crates, warnings are errors
	@echo '--- documentation'
	@$(in_env) RUSTDOCFLAGS='-D warnings -A rustdoc::private-intra-doc-links' cargo doc --workspace --no-deps --document-private-items

# The advisory database lies on a network that a build machine need not reach: `cargo deny check advisories` by hand.
deny: setup ## licences, banned crates and sources, where cargo-deny is installed
	@echo '--- dependencies'
	@$(in_env) if command -v cargo-deny >/dev/null; then cargo deny --offline check licenses bans sources; \
	  else echo 'cargo-deny is not installed (cargo install --locked cargo-deny): the tidy test checks the same rules of deny.toml'; fi

doctest: setup
	@echo '--- examples in the documentation'
	@$(in_env) cargo test --workspace --doc

# The real-process tests run the dev binary `quorla`, so all targets are built first, with the very same flags.
tests: build ## unit, property, simulation and real-process tests; TEST=name for some of them
	@echo '--- tests'
	@$(in_env) export QUORLA_TESTS_LEFT_OUT="$$(realpath $(target))/tests-left-out"; : > "$$QUORLA_TESTS_LEFT_OUT"; \
	  trap 'sort -u "$$QUORLA_TESTS_LEFT_OUT"' EXIT; \
	  if command -v cargo-nextest >/dev/null; then cargo nextest run --workspace $(TEST); \
	  else cargo test --workspace --lib --bins --tests $(TEST) -- --test-threads=2; fi

tidy: build ## layering, sizes and banned words only
	@$(in_env) cargo test --workspace --test all tidy::

sim: build ## the simulation: SEEDS=N many seeds, or SEED=N to replay one
	@$(in_env) export QUORLA_SIM_SEEDS=$(SEEDS) $(if $(SEED),QUORLA_SIM_SEED=$(SEED)); \
	  if command -v cargo-nextest >/dev/null; then cargo nextest run --workspace --profile sim; \
	  else cargo test --workspace --test all sim:: -- --nocapture; fi

demo: release ## three nodes, real jobs, the leader killed in the middle, a verdict
	@$(quorla) $(DEMO)

bench: release ## accepted submits per second on three local nodes, one JSON object per line; BENCH="bench process" and others
	@case '$(BENCH)' in *submit*) for n in $(BENCH_IN_FLIGHT); do \
	    $(quorla) $(BENCH) --in-flight $$n --seconds $(BENCH_SECONDS) -o json; done;; \
	  *) $(quorla) $(BENCH) -o json;; esac

soak: release ## mixed load under tight retention for MINUTES, and whether anything grows
	@$(quorla) drill soak --minutes $(MINUTES)

prove-array: release ## TASKS short tasks while two leaders are killed, against what the machine starts alone
	@$(quorla) bench array --tasks $(TASKS) --kills 2
