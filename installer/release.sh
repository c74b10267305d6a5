#!/bin/sh
# Packages a release: the tarball, bootstrap.sh and SHA256SUMS, to be put on any web server as they are.
#
#   installer/release.sh                  builds, and leaves the release in target/package/
#   installer/release.sh DIRECTORY        ... in DIRECTORY, which must be empty or absent
#
# The same sources and tools give the same tarball, byte for byte.
#
# Variables:
#   HUBD_PROGRAMS       take the programs of this directory instead of building them
#   SOURCE_DATE_EPOCH   time stamp of the files; the latest commit's by default
set -eu

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# No path of this machine in the programs.
build() {
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$root=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
        cargo build --profile dist --locked --manifest-path "$root/Cargo.toml" --package hubd --package installer >&2
    programs=${CARGO_TARGET_DIR:-$root/target}/dist
}

main() {
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
    output=${1:-$root/target/package}
    if [ $# -eq 0 ]; then
        rm -rf "$output"
    fi
    mkdir -p "$output"
    [ -z "$(ls -A "$output")" ] || fail "\`$output\` is not empty"
    programs=${HUBD_PROGRAMS:-}
    [ -n "$programs" ] || build
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
    epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || printf '0')}
    name=hubd-$version-$(uname -m)

    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    mkdir -p "$tree/$name/bin"
    for program in hubd hubctl hub-installer; do
        cp "$programs/$program" "$tree/$name/bin/"
    done
    cp "$root/LICENSE" "$root/CHANGELOG.md" "$tree/$name/"
    chmod -R u=rwX,go=rX "$tree/$name"
    tar --create --sort=name --format=ustar --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
        --directory="$tree" "$name" | gzip --no-name >"$output/$name.tar.gz"
    cp "$root/bootstrap.sh" "$output/"
    (cd "$output" && sha256sum -- bootstrap.sh "$name.tar.gz" >SHA256SUMS)
    printf '%s\n' "$output"
}

main "$@"
