# The front doors. Each target does its own set-up; scripts/ has the steps.

BUILD  := build
PREFIX ?= /usr/local
ARGS   ?=

.PHONY: help run build web test lint format fuzz sim overload record-instructions bench bench-quick profile clean install setup setup-test

help:
	@echo "make run [ARGS=\"--port 8000\"]  set up, build, and show a live lesson"
	@echo "make test                      set up, build, and run every test"
	@echo "make build                     build/release/tongke and the web app"
	@echo "make lint                      format, layers and style of C; types and lint of the web app"
	@echo "make format                    put the sources into the project's format"
	@echo "make fuzz [SECONDS=600]        run every fuzz target for that long"
	@echo "make record-instructions       record the core's instructions per packet anew"
	@echo "make sim [SEEDS=10000 FIRST=1] simulate that many rooms in virtual time, from seeds"
	@echo "make overload                  three times as many as a worker can take want in: the lesson keeps its delay"
	@echo "make bench [ARGS=\"--only lecture_gcm\"]  measure beside the floor and Janus (root, an hour)"
	@echo "make bench-quick               the same in 4 minutes, roughly"
	@echo "make profile                   where the server's time goes, per stage"
	@echo "make install [PREFIX=/usr/local]"
	@echo "make clean                     remove what was built (not ./data)"

run:
	@# Its own job: Ctrl-C then ends the script, which tidies up and leaves 0, and not make as well.
	@bash -c '[ ! -t 0 ] || set -m; scripts/run.sh "$$@"; exit $$?' run $(ARGS)

build: setup
	@scripts/build.sh

web:
	@scripts/build-web.sh

test: setup-test
	@scripts/test.sh

lint: setup-test
	@scripts/lint.sh

format:
	@scripts/format.sh

SECONDS ?= 600
fuzz: setup-test
	@scripts/fuzz.sh $(SECONDS)

record-instructions: setup-test
	@cmake --preset release && cmake --build --preset release --target perf_core
	@python3 tests/perf/instructions.py --record build/release/tests/perf/perf_core

SEEDS ?= 10000
FIRST ?= 1
sim: setup-test
	@scripts/sim.sh $(SEEDS) $(FIRST)

overload: setup-test
	@cmake --preset dev && cmake --build --preset dev --target test_integration_crowd
	@ctest --test-dir build/dev -L timed --verbose

bench:
	@scripts/bench.sh $(ARGS)

bench-quick:
	@scripts/bench.sh --quick $(ARGS)

profile:
	@scripts/bench.sh --profile $(ARGS)

setup:
	@scripts/setup.sh build

setup-test:
	@scripts/setup.sh build test

install: build
	@scripts/install.sh "$(DESTDIR)$(PREFIX)"

clean:
	rm -rf $(BUILD) web/dist web/node_modules tests/e2e/node_modules
