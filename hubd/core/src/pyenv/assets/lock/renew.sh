#!/bin/sh
# Renews requirements.txt, the lock file of the shared environment: every package with the hashes of its wheels, for all
# supported Pythons and processors. Nothing younger than two weeks is taken.
#
#   UV=/path/to/uv ./renew.sh
set -eu

main() {
    cd "$(dirname "$0")"
    "${UV:-uv}" pip compile --quiet --no-config --upgrade --universal --python-version 3.11 --generate-hashes \
        --only-binary :all: --exclude-newer "$(date -u -d '14 days ago' +%Y-%m-%d)" --excludes excludes.txt \
        --custom-compile-command ./renew.sh --output-file requirements.txt requirements.in
}

main "$@"
