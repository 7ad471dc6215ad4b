#!/bin/sh
# Installs what the benchmark needs (Debian's Janus among it, without starting it as a service), builds, and runs
# bench/run.py with the options given. Network namespaces need root: asks sudo.
. "$(dirname "$0")/lib.sh"

sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
[ "$(getconf _NPROCESSORS_ONLN)" -ge 2 ] || die "the benchmark needs two processor cores: one for the server, one for the load."

# Packages start their service when they are installed; this says no to that, once.
policy=/usr/sbin/policy-rc.d
if ! dpkg-query -W -f='${Status}' janus 2>/dev/null | grep -q 'install ok installed' && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 0755 "$policy"
    trap '$sudo rm -f "$policy"' EXIT
fi
scripts/setup.sh build bench
if [ -d /run/systemd/system ] && systemctl is-active --quiet janus; then
    die "the service janus runs on this machine and would be measured too: systemctl stop janus"
fi
if command -v cmake >/dev/null && [ -f build/release/build.ninja ]; then
    cmake --preset release >/dev/null # finds intel-ipsec-mb when it was installed after the first build
fi
scripts/build.sh
code=0
$sudo python3 bench/run.py "$@" || code=$?
[ -z "$sudo" ] || [ ! -d bench/results ] || $sudo chown -R "$(id -u):$(id -g)" bench/results
exit "$code"
