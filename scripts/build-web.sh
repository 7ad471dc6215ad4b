#!/bin/sh
# Builds web/dist from the lock file; does nothing when no source has changed.
. "$(dirname "$0")/lib.sh"

lock=$(stamp_of web/package.json web/package-lock.json)
if ! is_stamped web-packages "$lock" || [ ! -d web/node_modules ]; then
    echo "installing the web app's packages"
    (cd web && npm ci --no-audit --no-fund --loglevel=error) ||
        die "npm could not install the web app's packages; check the network and try again."
    set_stamp web-packages "$lock"
fi
sources=$(find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print | LC_ALL=C sort)
now=$(stamp_of $sources)
if ! is_stamped web-dist "$now" || [ ! -f web/dist/index.html ]; then
    echo "building the web app"
    (cd web && npm run --silent build) || die "the web app could not be built; the lines above say why."
    set_stamp web-dist "$now"
fi
