#!/bin/sh
# Packages a release: the tarball, what is in it (CycloneDX), bootstrap.sh, SHA256SUMS and its signature, and a page for
# browsers, to be put on any web server as they are.
#
#   installer/release.sh                  builds, and leaves the release in target/package/
#   installer/release.sh DIRECTORY        ... in DIRECTORY: a new one, or one with earlier releases, which it is added to
#   HUBD_TARGETS="x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu" installer/release.sh
#
# The programs run with glibc $GLIBC and later, whatever this machine has: zig compiles the C in them and links. It comes
# from PyPI, by its hash, into ~/.cache. The same sources give the same bytes, wherever and whenever they are built.
#
# Variables:
#   HUBD_RELEASE_KEY    the public key of releases, in minisign's form (the last line of minisign.pub). It goes into the
#                       programs and into bootstrap.sh; without one neither can tell who made a release
#   HUBD_SIGNING_KEY    the file with its secret half: SHA256SUMS is signed with it, and minisign asks for the password
#   HUBD_BASE           the address that the folder will have: it is put into the page, which otherwise needs scripts to know it
#   HUBD_TARGETS        what to build for, this machine's processor by default; for another one its part of Rust is needed
#                       (rustup target add aarch64-unknown-linux-gnu)
#   HUBD_VERSION        the version to package, when it is not the one in Cargo.toml
#   HUBD_PROGRAMS       take the programs of this directory instead of building them
#   SOURCE_DATE_EPOCH   time stamp of the files; the latest commit's by default
set -eu

# The oldest that the programs run with.
GLIBC=2.31

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# cargo-zigbuild and zig, in a virtual environment that is made once for each list of versions; sets $tools.
ensure_tools() {
    list=$root/installer/release/requirements.txt
    tools=${XDG_CACHE_HOME:-$HOME/.cache}/hubd-release/$(sha256sum "$list" | cut -c -12)
    if [ -e "$tools/complete" ]; then return; fi
    rm -rf "$tools"
    python3 -m venv "$tools" || fail "making a virtual environment for zig (apt-get install python3-venv)"
    "$tools/bin/pip" install --quiet --require-hashes --no-deps --only-binary :all: --requirement "$list" >&2
    : >"$tools/complete"
}

# Builds for $1; sets $programs. No path of this machine gets into the programs: Rust's are mapped, C's are stripped.
build() {
    [ -d "$(cd "$root" && rustc --print target-libdir --target "$1")" ] ||
        fail "this Rust can't build for $1 (rustup target add $1)"
    ensure_tools
    cargo_home=${CARGO_HOME:-$HOME/.cargo}
    # Flags in the form that takes paths with spaces.
    flags=$(printf -- '--remap-path-prefix=%s\037--remap-path-prefix=%s' "$root=." "$cargo_home=/cargo")
    PATH=$tools/bin:$PATH CARGO_PROFILE_RELEASE_INCREMENTAL=false CARGO_ENCODED_RUSTFLAGS=$flags \
        cargo zigbuild --target "$1.$GLIBC" --profile dist --locked --manifest-path "$root/Cargo.toml" --workspace --exclude hub-tests --bins >&2
    programs=${CARGO_TARGET_DIR:-$root/target}/$1/dist
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

# Packages $programs, built for $1, and says what is in them.
package() {
    name=hubd-$version-${1%%-*}
    tree=$scratch/$1
    mkdir -p "$tree/$name/bin"
    sed '/^#/d' "$root/hubd/programs" | while read -r program _; do
        cp "$programs/$program" "$tree/$name/bin/"
    done
    cp "$root/LICENSE" "$root/CHANGELOG.md" "$tree/$name/"
    printf '%s\n' "$version" >"$tree/$name/VERSION"
    chmod -R u=rwX,go=rX "$tree/$name"
    tar --create --sort=name --format=ustar --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
        --directory="$tree" "$name" | gzip --no-name >"$output/$name.tar.gz"
    python3 "$root/installer/release/sbom.py" "$version" "$1" >"$output/$name.cdx.json"
}

# The page that a browser shows for the folder, and the book beside it where mdBook is there to build it. Nothing that a hub
# believes, so it is not among the checksums.
site() {
    case ${HUBD_BASE:=\$BASE} in
        \$BASE) note='/<!-- \/*base -->/d' ;;
        *[!A-Za-z0-9:/._~-]* | */) fail "HUBD_BASE is not an address without a slash at the end: $HUBD_BASE" ;;
        http://?* | https://?*) note='/<!-- base -->/,/<!-- \/base -->/d' ;;
        *) fail "HUBD_BASE is not an address as in https://downloads.example.org/hubd: $HUBD_BASE" ;;
    esac
    cp "$root/docs/images/lab.png" "$root/hubd/serve/assets/icon.svg" "$output/"
    if command -v mdbook >/dev/null; then
        mdbook build "$root/docs" --dest-dir "$(cd "$output" && pwd)/book" >&2
        book='/<!-- \/*book -->/d'
    else
        printf 'mdbook is not there, so the page has no book (cargo install mdbook)\n' >&2
        book='/<!-- book -->/,/<!-- \/book -->/d'
    fi
    sed "$note; $book; s|@BASE@|$HUBD_BASE|g; s|@VERSION@|$(versions | tail -n 1)|" "$root/installer/release/site.html" >"$output/index.html"
}

main() {
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
    output=${1:-$root/target/package}
    if [ $# -eq 0 ]; then
        rm -rf "$output"
    fi
    mkdir -p "$output"
    if [ -n "$(ls -A "$output")" ] && ! [ -f "$output/SHA256SUMS" ]; then fail "\`$output\` holds something else than releases"; fi
    version=${HUBD_VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)}
    epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || printf '0')}
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    for target in ${HUBD_TARGETS:-$(uname -m)-unknown-linux-gnu}; do
        programs=${HUBD_PROGRAMS:-}
        [ -n "$programs" ] || build "$target"
        package "$target"
    done
    sed "s|^RELEASE_KEY=''\$|RELEASE_KEY='${HUBD_RELEASE_KEY:-}'|" "$root/bootstrap.sh" >"$output/bootstrap.sh"
    chmod 755 "$output/bootstrap.sh"
    list_versions >"$output/versions.json"
    (cd "$output" && sha256sum -- bootstrap.sh versions.json hubd-*.tar.gz hubd-*.cdx.json >SHA256SUMS)
    if [ -n "${HUBD_SIGNING_KEY:-}" ]; then sign; fi
    site
    printf '%s\n' "$output"
}

main "$@"
