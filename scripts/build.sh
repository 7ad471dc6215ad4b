#!/bin/sh
# Builds the release server and the web app; does nothing when both are up to date.
. "$(dirname "$0")/lib.sh"

[ "$(df -Pk . | awk 'NR==2 {print $4}')" -gt 500000 ] || die "less than 500 MB are free here; the build needs them."

# Settings of the preset reach a folder only when it is configured with it anew.
[ build/release/build.ninja -nt CMakePresets.json ] || cmake --preset release >build-release.log 2>&1 || {
    cat build-release.log >&2
    rm -f build-release.log
    die "the build could not be configured; the lines above say why."
}
rm -f build-release.log
cmake --build --preset release -- --quiet >build/release.log 2>&1 || { cat build/release.log >&2; false; } || die "the server could not be built; the lines above say why."
scripts/build-web.sh
