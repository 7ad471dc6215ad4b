#!/bin/sh
# Format, layers and style of the C sources; types and lint of the web app.
. "$(dirname "$0")/lib.sh"
git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'fuzz/*.[ch]' 'bench/*.[ch]' | xargs clang-format --dry-run --Werror ||
    die "the files above are not in the project's format: make format"
python3 tools/tidy.py
scripts/build-web.sh
(cd web && npm run --silent lint && npm run --silent typecheck)
# The list of configuration keys in the documents is the program's own.
build/release/tongke serve --print-config | while IFS= read -r line; do
    grep -qxF -- "$line" docs/configuration.md ||
        die "docs/configuration.md does not have this line of tongke serve --print-config: $line"
done
