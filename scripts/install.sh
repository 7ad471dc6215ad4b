#!/bin/sh
# Installs into the folder given: bin/tongke, share/tongke/web, the example configuration, the systemd unit, the sysctl file.
. "$(dirname "$0")/lib.sh"

to=${1:?usage: install.sh PREFIX}
install -D -m 0755 build/release/tongke "$to/bin/tongke"
mkdir -p "$to/share/tongke"
rm -rf "$to/share/tongke/web"
cp -r web/dist "$to/share/tongke/web"
rm -rf "$to/share/tongke/load"
mkdir -p "$to/share/tongke/load"
cp bench/data/*.clip "$to/share/tongke/load/"
install -D -m 0644 deploy/tongke.yaml "$to/share/tongke/tongke.yaml"
install -D -m 0644 deploy/90-tongke.conf "$to/share/tongke/90-tongke.conf"
sed "s|@PREFIX@|$to|g" deploy/tongke.service >"$to/share/tongke/tongke.service"
echo "installed into $to; deploy notes: README.md, \"Production\""
