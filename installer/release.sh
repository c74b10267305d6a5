#!/bin/sh
# Packages a release: the tarball, bootstrap.sh, SHA256SUMS and its signature, to be put on any web server as they are.
#
#   installer/release.sh                  builds, and leaves the release in target/package/
#   installer/release.sh DIRECTORY        ... in DIRECTORY: a new one, or one with earlier releases, which it is added to
#
# The same sources and tools give the same tarball, byte for byte.
#
# Variables:
#   HUBD_RELEASE_KEY    the public key of releases, in minisign's form (the last line of minisign.pub). It goes into the
#                       programs and into bootstrap.sh; without one neither can tell who made a release
#   HUBD_SIGNING_KEY    the file with its secret half: SHA256SUMS is signed with it, and minisign asks for the password
#   HUBD_VERSION        the version to package, when it is not the one in Cargo.toml
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

# The versions whose tarballs are there, oldest first. `~` is what comes before a release.
versions() {
    (cd "$output" && ls hubd-*.tar.gz) | sed 's/^hubd-\(.*\)-[^-]*\.tar\.gz$/\1/; s/-/~/' | sort --version-sort --unique | sed 's/~/-/'
}

# versions.json: what can be had, and the newest of each channel.
list_versions() {
    stable=$(versions | grep -v -e - | tail -n 1)
    printf '{\n  "format": 1,\n  "channels": {%s"testing": "%s"},\n  "versions": [%s]\n}\n' \
        "${stable:+\"stable\": \"$stable\", }" "$(versions | tail -n 1)" "$(versions | sed 's/.*/"&"/' | paste --serial --delimiters=,)"
}

# Signs the checksums, and makes sure that it was with the key that hubs will trust.
sign() {
    [ -n "${HUBD_RELEASE_KEY:-}" ] || fail "HUBD_SIGNING_KEY is set, and HUBD_RELEASE_KEY, its public half, is not"
    command -v minisign >/dev/null || fail "minisign is not there to sign with (apt-get install minisign)"
    minisign -S -s "$HUBD_SIGNING_KEY" -m "$output/SHA256SUMS" -c "signature of a release of hubd" -t "hubd $version" >&2
    minisign -V -q -P "$HUBD_RELEASE_KEY" -m "$output/SHA256SUMS" || fail "HUBD_SIGNING_KEY is not the other half of HUBD_RELEASE_KEY"
}

main() {
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
    output=${1:-$root/target/package}
    if [ $# -eq 0 ]; then
        rm -rf "$output"
    fi
    mkdir -p "$output"
    if [ -n "$(ls -A "$output")" ] && ! [ -f "$output/SHA256SUMS" ]; then fail "\`$output\` holds something else than releases"; fi
    programs=${HUBD_PROGRAMS:-}
    [ -n "$programs" ] || build
    version=${HUBD_VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)}
    epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || printf '0')}
    name=hubd-$version-$(uname -m)

    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    mkdir -p "$tree/$name/bin"
    for program in hubd hubctl hub-installer; do
        cp "$programs/$program" "$tree/$name/bin/"
    done
    cp "$root/LICENSE" "$root/CHANGELOG.md" "$tree/$name/"
    printf '%s\n' "$version" >"$tree/$name/VERSION"
    chmod -R u=rwX,go=rX "$tree/$name"
    tar --create --sort=name --format=ustar --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
        --directory="$tree" "$name" | gzip --no-name >"$output/$name.tar.gz"
    sed "s|^RELEASE_KEY=''\$|RELEASE_KEY='${HUBD_RELEASE_KEY:-}'|" "$root/bootstrap.sh" >"$output/bootstrap.sh"
    chmod 755 "$output/bootstrap.sh"
    list_versions >"$output/versions.json"
    (cd "$output" && sha256sum -- bootstrap.sh versions.json hubd-*.tar.gz >SHA256SUMS)
    if [ -n "${HUBD_SIGNING_KEY:-}" ]; then sign; fi
    printf '%s\n' "$output"
}

main "$@"
