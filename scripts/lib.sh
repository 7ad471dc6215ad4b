# Shared by the scripts: where the project is, messages, and stamps of what is up to date. Sourced, not run.

set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

die() {
    echo "tongke: $*" >&2
    exit 1
}

# stamp_of FILE...: one line that changes when any of the files does.
stamp_of() {
    cat "$@" 2>/dev/null | sha256sum | cut -d' ' -f1
}

# is_stamped NAME VALUE / set_stamp NAME VALUE: what was done last time, kept under build/.stamps.
is_stamped() {
    [ "$(cat "build/.stamps/$1" 2>/dev/null || true)" = "$2" ]
}
set_stamp() {
    mkdir -p build/.stamps
    echo "$2" >"build/.stamps/$1"
}
