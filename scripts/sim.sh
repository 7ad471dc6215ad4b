#!/bin/sh
# Runs so many seeds of the simulation (tests/sim) from the first one given, on two cores, and says which failed.
. "$(dirname "$0")/lib.sh"

seeds=${1:-1000}
first=${2:-1}
[ -f build/dev/build.ninja ] || cmake --preset dev >/dev/null
cmake --build --preset dev --target test_sim -- --quiet
half=$(((seeds + 1) / 2))
program=build/dev/tests/sim/test_sim
"$program" --first "$first" --count "$half" >build/sim-1.log 2>&1 &
second=0
"$program" --first $((first + half)) --count $((seeds - half)) >build/sim-2.log 2>&1 || second=1
if wait $! && [ "$second" = 0 ]; then
    cat build/sim-1.log build/sim-2.log
else
    cat build/sim-1.log build/sim-2.log
    die "a seed failed; the lines above say how to run it again"
fi
