#!/bin/sh
# Renews the lock files of the shared environment: every package with the hashes of its wheels, for all supported Pythons
# and processors. requirements.txt has what the hub needs; lesson.txt what a first lesson needs beside that, with the same
# versions of what is in both. Nothing younger than two weeks is taken.
#
#   UV=/path/to/uv ./renew.sh
set -eu

renew() {
    "${UV:-uv}" pip compile --quiet --no-config --upgrade --universal --python-version 3.11 --generate-hashes \
        --only-binary :all: --exclude-newer "$(date -u -d '14 days ago' +%Y-%m-%d)" --excludes excludes.txt \
        --custom-compile-command ./renew.sh "$@"
}

main() {
    cd "$(dirname "$0")"
    renew --output-file requirements.txt requirements.in
    renew --constraints requirements.txt --output-file lesson.txt lesson.in
}

main "$@"
