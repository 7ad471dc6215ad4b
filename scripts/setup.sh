#!/bin/sh
# Installs the Debian packages of the named groups (scripts/packages-GROUP.txt) that are missing.
. "$(dirname "$0")/lib.sh"

missing=""
for group in "$@"; do
    for package in $(cat "scripts/packages-$group.txt"); do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' && continue
        # Another package may provide it: nodejs from elsewhere brings npm along.
        [ "$package" = npm ] && command -v npm >/dev/null 2>&1 && continue
        # Only x86-64 has it, and only there it is used.
        [ "$package" = libipsec-mb-dev ] && [ "$(uname -m)" != x86_64 ] && continue
        missing="$missing $package"
    done
done

if [ -n "$missing" ]; then
    command -v apt-get >/dev/null 2>&1 || die "these Debian packages are missing:$missing. Install them and try again."
    sudo=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || die "these packages are missing:$missing. As root: apt-get install$missing"
        sudo="sudo"
    fi
    echo "installing:$missing"
    log=$(mktemp)
    if ! { $sudo env DEBIAN_FRONTEND=noninteractive apt-get update &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        die "the packages above could not be installed. Check the network and the disk, then: apt-get install$missing"
    fi
    rm -f "$log"
fi

node_min=18
node_now=$(node --version 2>/dev/null | sed 's/^v//; s/\..*//')
[ "${node_now:-0}" -ge "$node_min" ] 2>/dev/null ||
    die "Node.js $node_min or later is needed; this machine has $(node --version 2>/dev/null || echo none). Install Debian's package nodejs, or take an older one out of PATH."
