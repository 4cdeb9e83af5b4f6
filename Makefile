# The only door, for people and for CI. Everything a target needs beyond Rust, gcc, make and python3 it installs itself
# (Debian packages) or keeps in the user's cache directory (the real Mesos, cargo-deny, both checked by checksum; a
# virtual machine made of Debian packages).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := x86_64-unknown-linux-gnu
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mesos-agent-toolkit
PROGRAMS := mesos-sandbox-executor mesos-disk-watcher mesos-stats-collector
DIST := $(CURDIR)/target/dist
FUZZ_SECONDS ?= 8

.PHONY: help
help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: demo
demo: ## Run the main job against a real Mesos and a real Graphite, and show it (KEEP=1 leaves it running)
	@$(MAKE) --no-print-directory --jobs=3 setup dist demo-program
	@KEEP='$(KEEP)' $(CARGO_TARGET_DIR)/debug/demo

.PHONY: demo-program
demo-program:
	@echo '== building the demo'
	@cargo build --quiet --locked --package demo
	@echo '== built the demo'

.PHONY: test
test: lint setup foreign machine dist fuzz ## Lint, then run every test: unit, fuzzed, real Mesos, real kernels, real Graphite
	@echo '== testing'
	cargo test --locked --workspace -- --test-threads=2

.PHONY: bench
bench: setup foreign dist ## Measure executor, sandboxes, disk usage and collector beside peers; prints tables in Markdown
	@tests/setup/debian-packages crun e2fsprogs
	@tests/setup/disk-peers >/dev/null
	@echo '== measuring: some minutes, on a quiet machine'
	@cargo run --quiet --locked --release --package bench

.PHONY: dashboards
dashboards: ## Write packaging/dashboards anew from what tests/dashboards says of them
	@cargo run --quiet --locked --package dashboards

.PHONY: pictures
pictures: setup dist ## Take the pictures in packaging/doc/pictures anew: panels beside a real agent, some minutes
	@cargo run --quiet --locked --package dashboards pictures

.PHONY: fuzz
fuzz: setup ## Fuzz whatever comes from outside, FUZZ_SECONDS for each target, guided by coverage
	@tests/fuzz/run $(FUZZ_SECONDS)

.PHONY: lint
lint: cargo-deny ## Formatting, clippy, documentation, licences and bans, the house's own rules
	@echo '== linting'
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features fuzz/libfuzzer -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --quiet --locked --workspace --no-deps --document-private-items
	$(CACHE)/$(CARGO_DENY)/bin/cargo-deny --log-level error check licenses bans sources
	tests/setup/house-rules

.PHONY: dist
dist: ## Build the three static programs into target/dist/
	@echo '== building the static programs (some minutes the first time)'
	@CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS='-C target-feature=+crt-static' \
	  cargo build --quiet --locked --profile ship --target $(TARGET) \
	    --package mesos-sandbox-executor --package disk-watcher --package stats-collector
	@mkdir -p $(DIST)
	@for program in $(PROGRAMS); do install -m 755 $(CARGO_TARGET_DIR)/$(TARGET)/ship/$$program $(DIST)/; done
	@cd $(DIST) && sha256sum $(PROGRAMS) > SHA256SUMS
	@echo '== built target/dist/: $(PROGRAMS)'

.PHONY: setup
setup: ## Install the Debian packages and set up the real Mesos that the tests and the demo run against
	@echo '== setting up what the tests and the demo run against'
	@tests/setup/debian-packages
	@tests/setup/mesos >/dev/null
	@echo '== set up'

.PHONY: foreign
foreign: setup
	@tests/setup/pymesos >/dev/null
	@tests/setup/graphite-pypi >/dev/null
	@tests/setup/mesos-framework >/dev/null

.PHONY: machine
machine: setup
	@tests/vm/setup >/dev/null

CARGO_DENY := cargo-deny-0.20.2
.PHONY: cargo-deny
cargo-deny: $(CACHE)/$(CARGO_DENY)/bin/cargo-deny
$(CACHE)/$(CARGO_DENY)/bin/cargo-deny:
	@echo '== installing cargo-deny into the cache (some minutes, once)'
	CARGO_TARGET_DIR=$(CACHE)/$(CARGO_DENY)/build \
	  cargo install --quiet cargo-deny --version 0.20.2 --locked --root $(CACHE)/$(CARGO_DENY)
	rm -rf $(CACHE)/$(CARGO_DENY)/build

.PHONY: clean
clean: ## Remove what was built; the cache directory stays
	cargo clean
