# The front door: `make serve` to use Rapport, `make test` to prove it. `make help` lists the rest.
# Everything is built under build/; JOBS=N compiles N files at once; LLAMA_DIR=DIR uses your own llama.cpp; DEMO=no serves
# without the demo of recommendations, and does not fetch its data.

MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: serve build test test-fast test-slow bench table2 format lint asan ubsan tsan fuzz clean distclean help

serve: build ## Build what is missing, then start the server with its embedded model (ARGS="--listen …", DEMO=no)
ifeq ($(filter --no-demo,$(ARGS))$(filter no,$(DEMO)),)
	@scripts/setup --demo || echo "make serve: going on without the demo of recommendations" >&2
	@build/release/rapport serve $(ARGS)
else
	@build/release/rapport serve --no-demo $(filter-out --no-demo,$(ARGS))
endif

build: ## Build the program (build/release/rapport) and its two models
	@scripts/setup
	@scripts/build rapport
	@scripts/models

test: ## Build everything and run every test
	@scripts/setup --test --slow
	@scripts/build --tests
	@scripts/models
	@scripts/test

test-fast: ## Build everything and run the fast tests (a minute)
	@scripts/setup --test
	@scripts/build --tests
	@scripts/models
	@scripts/test --label fast

test-slow: ## Build everything and run the slow tests
	@scripts/setup --test --slow
	@scripts/build --tests
	@scripts/models
	@scripts/test --label slow

bench: ## Build and run the benchmarks, and print one table
	@scripts/setup --test
	@scripts/build --tests
	@scripts/models
	@scripts/bench $(ARGS)

table2: ## Make docs/table2.md and its picture of the result files in bench/results
	@bench/table2.py

format: ## Format every C++ file as .clang-format says
	@scripts/setup --test
	@scripts/format

lint: ## Check format, clang-tidy, shellcheck and Python syntax (FILES="…" for only some)
	@scripts/setup --test
	@scripts/lint $(FILES)

asan ubsan tsan: ## Build with a sanitizer and run the fast tests
	@scripts/setup --test
	@scripts/build rapport
	@scripts/models
	@scripts/build --preset $@ --tests
	@scripts/test --preset $@ --label fast

fuzz: ## Fuzz each target for a short while (SECONDS_EACH=30)
	@scripts/setup --test
	@scripts/build --preset fuzz $(basename $(notdir $(wildcard fuzz/*_fuzz.cpp)))
	@scripts/fuzz

clean: ## Remove what was built; what was downloaded stays
	@find build -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} + 2>/dev/null || true

distclean: ## Remove the whole build folder, downloads too
	@rm -rf build

help: ## Show this list
	@sed -n 's/^\([a-z][a-z0-9 -]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) \
	  | while IFS='|' read -r target what; do printf '  make %-15s %s\n' "$$target" "$$what"; done
