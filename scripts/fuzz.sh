#!/bin/sh
# Runs every fuzz target for the given number of seconds, FUZZ_JOBS (2) at a time; findings stay in build/fuzz/findings.
. "$(dirname "$0")/lib.sh"

seconds=${1:-30}
[ -f build/fuzz/build.ninja ] || cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target fuzzers -- --quiet
mkdir -p build/fuzz/findings
export seconds
targets=$(cd fuzz && ls ./*_fuzz.c | sed 's|^\./||; s|_fuzz\.c$||')
# Each run starts from the committed corpus; what it finds new stays in build/fuzz/corpus.
if ! printf '%s\n' $targets | xargs -P "${FUZZ_JOBS:-2}" -I{} sh -c '
    mkdir -p build/fuzz/corpus/{}
    if build/fuzz/fuzz/fuzz_{} -max_total_time=$seconds -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix=build/fuzz/findings/{}- build/fuzz/corpus/{} fuzz/corpus/{} >build/fuzz/findings/{}.log 2>&1; then
        echo "ok     fuzz {}: $(grep -c . build/fuzz/findings/{}.log) lines, $(grep -o "stat::number_of_executed_units: [0-9]*\|Done [0-9]* runs" build/fuzz/findings/{}.log | tail -n 1)"
    else
        echo "FAILED fuzz {}"; tail -n 20 build/fuzz/findings/{}.log; exit 1
    fi'; then
    die "a fuzz target failed; its input is in build/fuzz/findings"
fi
