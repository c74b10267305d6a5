#!/bin/sh
# Installs hubd on this machine, or shows it in a throw-away machine.
#
# From a release server (sudo drops variables, so they go behind `env`):
#
#   curl -fsSL $BASE/bootstrap.sh | sudo env HUBD_RELEASE_URL=$BASE bash -s -- --admin ada
#
# From a checkout of the sources (needs cargo; builds first):
#
#   sudo ./bootstrap.sh --admin ada
#   sudo ./bootstrap.sh --try                   look at it in a throw-away Debian; changes little on this machine
#   sudo ./bootstrap.sh --try --stop            end that again
#
# From a file, on a machine that reaches no network (made with `hubctl bundle create` on a hub like this one):
#
#   sudo ./bootstrap.sh --bundle FILE --admin ada
#
# `--version 0.3`, before everything else, takes the newest release of 0.3, and `--version 0.3.1` that one.
# Everything after --try is for `hub-installer try`, everything else for `hub-installer install`; each has --help.
# This script only finds or builds the programs and hands over.
#
# Variables:
#   HUBD_RELEASE_URL      where SHA256SUMS and hubd-VERSION-ARCHITECTURE.tar.gz are
#   HUBD_VERSION          the version to take, as --version does; the newest by default
#   HUBD_RELEASE_KEY      the key the release must be signed with, when it is not the one this script came with;
#                         `none` goes without: then nothing says who made the release
#   HUBD_PROGRAMS         in a checkout: the directory of the built programs, which are then not built
#   HUBD_ADMIN_PASSWORD   the first admin's password; without it a one-time link is printed
#   HUBD_LINK_KEY         the secret in the first admin's link (32 random bytes in base64url), at which the install can be
#                         watched in a browser; one is made up otherwise
#   HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, UV_DEFAULT_INDEX, PIP_INDEX_URL
#                         proxy, certificates and package mirror; they are remembered
set -eu

# What releases are signed with, in minisign's form; installer/release.sh writes it here.
RELEASE_KEY=''
TRIAL_PROGRAM=/var/lib/hubd-try/hub-installer

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    printf 'error: %s\n' "$1" >&2
    if [ $# -gt 1 ]; then
        printf 'hint: %s\n' "$2" >&2
    fi
    exit 1
}

# The directory of the sources this script lies in; nothing when it came through a pipe or lies elsewhere.
find_checkout() {
    case $0 in
        bootstrap.sh | */bootstrap.sh) ;;
        *) return 0 ;;
    esac
    directory=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
    if [ -f "$directory/Cargo.toml" ] && [ -f "$directory/installer/Cargo.toml" ]; then
        printf '%s\n' "$directory"
    fi
}

# Makes a directory that programs can be run in, and prints it: hardened machines mount /tmp with noexec. The hub itself
# goes to /opt, where they can.
make_scratch() {
    for place in "${TMPDIR:-/tmp}" /var/tmp /opt /usr/local; do
        directory=$(mktemp -d -p "$place" hubd-XXXXXXXXXX 2>/dev/null) || continue
        printf '#!/bin/sh\n' >"$directory/probe"
        chmod 700 "$directory/probe"
        if "$directory/probe" 2>/dev/null; then
            printf '%s\n' "$directory"
            return 0
        fi
        rm -r "$directory"
    done
    fail "there is no room for the programs of the release, or none can be run: in ${TMPDIR:-/tmp}, /var/tmp, /opt and /usr/local" \
        "df and mount show why; TMPDIR= names another directory"
}

find_architecture() {
    case $(uname -s)-$(uname -m) in
        Linux-x86_64 | Linux-amd64) printf 'x86_64\n' ;;
        Linux-aarch64 | Linux-arm64) printf 'aarch64\n' ;;
        *) fail "there is no release for $(uname -s) on $(uname -m)" "use Linux on x86_64 or aarch64" ;;
    esac
}

no_room() {
    fail "$1 does not fit into ${2%/*}; nothing was installed" "df -h shows what is full; TMPDIR= names another directory"
}

# Downloads $1 to $2. A line that breaks is taken up where it broke.
download() {
    command -v curl >/dev/null || command -v wget >/dev/null ||
        fail "neither curl nor wget is there to download with" "apt-get install curl"
    for attempt in 1 2 3 4 5; do
        [ "$attempt" = 1 ] || sleep 1
        status=0
        if command -v curl >/dev/null; then
            curl --fail --silent --show-error --location --connect-timeout 20 --speed-limit 1 --speed-time 60 \
                --continue-at - --output "$2" "$1" || status=$?
            # 22: the server said no, and will say it again.
            # 23: the file can't be written.
            # 33: the server can't go on from there.
            case $status in 22) break ;; 23) no_room "$1" "$2" ;; 33) rm -f "$2" ;; esac
        else
            wget --quiet --tries=1 --timeout=60 --continue --output-document="$2" "$1" || status=$?
            case $status in 3) no_room "$1" "$2" ;; 8) break ;; esac
        fi
        [ "$status" != 0 ] || return 0
    done
    fail "downloading $1" "check the address in HUBD_RELEASE_URL; a proxy is given with HTTPS_PROXY"
}

# Of tarballs, the one of HUBD_VERSION (0.3 is any 0.3.x), else the newest that is no preview.
newest() {
    case ${HUBD_VERSION:-} in
        '') grep -v "^hubd-[^-]*-[^-]*-" ;;
        *) grep "^hubd-$(printf '%s' "$HUBD_VERSION" | sed 's/\./\\./g')[.-]" ;;
    esac | sort --version-sort | tail -n 1
}

# Bytes $2 to $3 of file $1, counted from 1.
bytes() {
    head -c "$3" "$1" | tail -c "$(($3 - $2 + 1))"
}

# Checks who signed SHA256SUMS in the directory $1. A key and a signature are two bytes (the algorithm), eight (which
# key), and the rest; what is signed is a hash of the file.
check_signature() {
    key=${HUBD_RELEASE_KEY:-$RELEASE_KEY}
    case $key in
        '') say "warning: this bootstrap.sh came without a release key, so nothing says who made this release" && return 0 ;;
        none) say "warning: HUBD_RELEASE_KEY=none, so nothing says who made this release" && return 0 ;;
    esac
    case $(openssl version 2>/dev/null) in
        'OpenSSL '[3-9]*) ;;
        *) fail "openssl 3 or later is needed to check who signed the release, and is not there" \
            "apt-get install openssl; or go without: HUBD_RELEASE_KEY=none" ;;
    esac
    download "$base/SHA256SUMS.minisig" "$1/SHA256SUMS.minisig"
    printf '%s' "$key" | base64 -d >"$1/key" 2>/dev/null || fail "the release key is none: $key"
    sed -n 2p "$1/SHA256SUMS.minisig" | base64 -d >"$1/signature" 2>/dev/null || fail "$base/SHA256SUMS.minisig is no signature"
    if [ "$(bytes "$1/key" 3 10 | od -An -tx1)" != "$(bytes "$1/signature" 3 10 | od -An -tx1)" ]; then
        fail "the release was signed with another key than the one this bootstrap.sh trusts; nothing was installed" \
            "get bootstrap.sh and the release from the same, right place"
    fi
    {
        printf '\060\052\060\005\006\003\053\145\160\003\041\000'
        bytes "$1/key" 11 42
    } >"$1/key.der"
    bytes "$1/signature" 11 74 >"$1/signature.raw"
    openssl dgst -blake2b512 -binary -out "$1/hash" "$1/SHA256SUMS"
    openssl pkeyutl -verify -pubin -keyform DER -inkey "$1/key.der" -rawin -in "$1/hash" -sigfile "$1/signature.raw" >/dev/null 2>&1 ||
        fail "$base/SHA256SUMS is not what was signed; nothing was installed" "download again; if it stays so, tell whoever runs $base"
    say "the signature is right"
}

# Downloads the release into $1, checks it and unpacks it; sets $programs.
fetch_release() {
    architecture=$(find_architecture)
    base=${HUBD_RELEASE_URL%/}
    download "$base/SHA256SUMS" "$1/SHA256SUMS"
    check_signature "$1"
    # Two spaces or a space and a star stand before the name.
    tarball=$(sed -n "s/^[0-9a-f]\{64\} [ *]\(hubd-[0-9][^ /]*-$architecture\.tar\.gz\)\$/\1/p" "$1/SHA256SUMS" | newest)
    [ -n "$tarball" ] || fail "$base/SHA256SUMS names no release${HUBD_VERSION:+ $HUBD_VERSION} for $architecture"
    say "downloading $tarball"
    download "$base/$tarball" "$1/$tarball"
    (cd "$1" && grep "[ *]$tarball\$" SHA256SUMS | sha256sum --check --status -) ||
        fail "$tarball is not what SHA256SUMS says it is; nothing was installed" "download again; if it stays so, tell whoever runs $base"
    tar -xzf "$1/$tarball" -C "$1" --no-same-owner
    programs=$1/${tarball%.tar.gz}/bin
}

# Takes the programs out of the bundle $1 into $2, checks these, and sees that they can run here; sets $programs. The
# installer checks all the rest before it does anything.
open_bundle() {
    [ -f "$1" ] || fail "there is no bundle \`$1\`"
    damaged="the file is no bundle, or was damaged or cut short on its way; copy it again from where it was made"
    tar -xf "$1" -C "$2" --no-same-owner SHA256SUMS manifest.json release 2>/dev/null ||
        fail "the bundle \`$1\` can't be unpacked; nothing was installed" "$damaged"
    (cd "$2" && grep '  \(manifest\.json\|release/bin/hub-installer\)$' SHA256SUMS | sha256sum --check --status -) ||
        fail "the bundle \`$1\` is not what its SHA256SUMS says it is; nothing was installed" "$damaged"
    architecture=$(find_architecture)
    grep -q "\"architecture\": \"$architecture\"" "$2/manifest.json" ||
        fail "the bundle \`$1\` is for another kind of processor than this one ($architecture); nothing was installed" \
            "make one on a hub whose processor is like this one's"
    programs=$2/release/bin
}

# Builds the programs of the checkout $1; sets $programs.
build_checkout() {
    # sudo leaves rustup's directory out of the path.
    if ! command -v cargo >/dev/null && [ -n "${SUDO_USER:-}" ]; then
        PATH=$PATH:$(getent passwd "$SUDO_USER" | cut -d: -f6)/.cargo/bin
    fi
    command -v cargo >/dev/null ||
        fail "cargo is not there to build with" "install Rust, or install a release: set HUBD_RELEASE_URL"
    if ! command -v cc >/dev/null && command -v apt-get >/dev/null; then
        say "installing a C compiler to build with: gcc libc6-dev"
        # A source that does not answer says nothing about the others.
        { apt-get update --quiet=2 || true; DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes gcc libc6-dev; } >&2
    fi
    say "building the programs with cargo (some minutes the first time)"
    quiet=--quiet
    if [ -t 2 ]; then quiet=; fi
    # shellcheck disable=SC2086 # no word at all when it is empty
    cargo build --release --locked $quiet --manifest-path "$1/Cargo.toml" --workspace --exclude hub-tests --bins >&2 ||
        fail "building the programs"
    programs=${CARGO_TARGET_DIR:-$1/target}/release
}

main() {
    checkout=$(find_checkout)
    if [ "${1:-}" = --version ]; then
        [ $# -ge 2 ] || fail "--version needs a version" "as in --version 0.3"
        HUBD_VERSION=$2
        shift 2
    fi
    case ${1:-} in
        -h | --help)
            say "usage: bootstrap.sh --admin NAME [OPTION...]    install (hub-installer install --help tells the options)"
            say "       bootstrap.sh --bundle FILE --admin NAME [OPTION...]   from a file, without a network"
            say "       bootstrap.sh --try [--stop] [OPTION...]  look at it in a throw-away machine"
            say "       bootstrap.sh --version 0.3 ...           the newest release of 0.3 instead of the newest of all"
            return 0
            ;;
        --try)
            shift
            command=try
            ;;
        *)
            command=install
            if ! [ -d /run/systemd/system ]; then
                fail "this machine does not run systemd (as PID 1), and the hub needs it for everything" \
                    "use a server or a virtual machine with systemd; to try the hub out here, in a temporary Debian: --try instead"
            fi
            ;;
    esac
    [ "$(id -u)" = 0 ] || fail "this needs root" "run it again with sudo in front"
    # A trial keeps the program that ends it.
    if [ "$command ${1:-}" = "try --stop" ] && [ -x "$TRIAL_PROGRAM" ]; then
        "$TRIAL_PROGRAM" try "$@"
        return
    fi
    scratch=$(make_scratch)
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 1' HUP INT TERM
    if [ "$command ${1:-}" = "install --bundle" ]; then
        [ $# -ge 2 ] || fail "--bundle needs a file" "as in --bundle /media/stick/class.bundle --admin ada"
        open_bundle "$2" "$scratch"
        status=0
        "$programs/hub-installer" install "$@" || status=$?
        return "$status"
    fi
    if [ -n "${HUBD_RELEASE_URL:-}" ]; then
        fetch_release "$scratch"
    elif [ -n "$checkout" ] && [ -n "${HUBD_PROGRAMS:-}" ]; then
        programs=$HUBD_PROGRAMS
    elif [ -n "$checkout" ]; then
        build_checkout "$checkout"
    else
        fail "HUBD_RELEASE_URL is not set, so there is nowhere to download from" \
            "... | sudo env HUBD_RELEASE_URL=https://... bash -s -- --admin ada; or run bootstrap.sh in a checkout of the sources"
    fi
    status=0
    "$programs/hub-installer" "$command" --programs "$programs" "$@" || status=$?
    return "$status"
}

main "$@"
