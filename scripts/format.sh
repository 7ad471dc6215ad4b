#!/bin/sh
# Puts the C sources into the project's format.
. "$(dirname "$0")/lib.sh"
git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'fuzz/*.[ch]' 'bench/*.[ch]' | xargs clang-format -i
[ ! -d web/node_modules ] || (cd web && npm run --silent format --if-present)
