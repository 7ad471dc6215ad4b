#!/bin/sh
# Every test. Each step prints its own output only when it fails; the last line is "N passed, N failed".
. "$(dirname "$0")/lib.sh"

passed=0 failed=0
mkdir -p build/test-logs

# Nothing may hang: a step that takes longer than this is ended with all it has started, and has failed. The slowest step
# takes a quarter of it.
step_limit=1200
test_limit=300 # for one test of ctest

# limited COMMAND...: runs it for at most $step_limit seconds.
limited() {
    code=0
    timeout -k 20 "$step_limit" "$@" || code=$?
    [ "$code" != 124 ] || echo "did not end within $step_limit s"
    return "$code"
}

# count_step NAME COMMAND...: one step that counts as one test.
count_step() {
    name=$1
    shift
    start=$(date +%s)
    if limited "$@" >"build/test-logs/$name.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok     $name ($(($(date +%s) - start)) s)"
    else
        failed=$((failed + 1))
        echo "FAILED $name"
        tail -n 60 "build/test-logs/$name.log"
    fi
}

# ctest_step PRESET TARGET ARGS...: builds the target; every ctest of it counts.
ctest_step() {
    preset=$1 target=$2
    shift 2
    if ! { { [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset"; } &&
        cmake --build --preset "$preset" --target "$target"; } >"build/test-logs/build-$preset.log" 2>&1; then
        failed=$((failed + 1))
        echo "FAILED build $preset"
        tail -n 60 "build/test-logs/build-$preset.log"
        return
    fi
    log=build/test-logs/ctest-$preset.log
    limited ctest --test-dir "build/$preset" --output-on-failure --timeout "$test_limit" -j2 "$@" >"$log" 2>&1 || true
    total=$(sed -n 's/.* tests failed out of \([0-9]*\)$/\1/p' "$log" | tail -n 1)
    bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of [0-9]*$/\1/p' "$log" | tail -n 1)
    if [ -z "$total" ]; then
        failed=$((failed + 1))
        echo "FAILED ctest $preset: no test ran"
        tail -n 20 "$log"
        return
    fi
    passed=$((passed + total - bad))
    failed=$((failed + bad))
    if [ "$bad" = 0 ]; then
        echo "ok     $preset: $total tests"
    else
        echo "FAILED $preset: $bad of $total tests"
        grep -v '^ *Start\|Passed' "$log" | tail -n 120
    fi
}

# node_step NAME FOLDER COMMAND...: node's test runner; its tests count one by one.
node_step() {
    name=$1 folder=$2
    shift 2
    log=$root/build/test-logs/$name.log
    (cd "$folder" && limited "$@") >"$log" 2>&1 && code=0 || code=$?
    ok=$(sed -n 's/^# pass \([0-9]*\)$/\1/p; s/^ℹ pass \([0-9]*\)$/\1/p' "$log" | tail -n 1)
    bad=$(sed -n 's/^# fail \([0-9]*\)$/\1/p; s/^ℹ fail \([0-9]*\)$/\1/p' "$log" | tail -n 1)
    passed=$((passed + ${ok:-0}))
    if [ "$code" != 0 ] || [ "${ok:-0}" = 0 ]; then
        failed=$((failed + (${bad:-0} > 0 ? ${bad:-0} : 1)))
        echo "FAILED $name"
        tail -n 120 "$log"
    else
        echo "ok     $name: $ok tests"
    fi
}

count_step release scripts/build.sh
count_step clip scripts/make-clip.sh
count_step lint scripts/lint.sh
count_step instructions python3 tests/perf/instructions.py build/release/tests/perf/perf_core
count_step web-unit sh -c 'cd web && npm test --silent'
count_step bench-unit python3 -m unittest discover -s bench/test
# What is judged by the clock needs a quiet machine, and has a target of its own: make overload.
ctest_step dev all -LE timed
ctest_step tsan threaded_tests -L threads
count_step gcc sh -c 'cmake --preset gcc && cmake --build --preset gcc'
# This build has SRTP over OpenSSL alone, as on ARM.
ctest_step gcc all -R '^(secure_|server_forward_path)'
# Four at a time: this is a look, `make fuzz` is the search.
count_step fuzz env FUZZ_JOBS=4 scripts/fuzz.sh "${FUZZ_SECONDS:-20}"
if [ -f tests/e2e/package.json ]; then
    count_step e2e-packages sh -c 'cd tests/e2e && npm ci --no-audit --no-fund --loglevel=error'
    node_step e2e tests/e2e npm test --silent
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
