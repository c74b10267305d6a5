# An archive in /srv/archive, with packages that behave and packages that don't.
mkdir -p /srv/archive
cd /srv/archive

# NAME FIELDS: a package with what is in ./NAME and the scripts in ./NAME/DEBIAN
make_package() {
    mkdir -p "$1/DEBIAN"
    printf 'Package: %s\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <root@localhost>\nInstalled-Size: 12\n%b' \
        "$1" "$2" >"$1/DEBIAN/control"
    printf 'Description: %s of a test\n' "$1" >>"$1/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$1" "$1.deb" >/dev/null
}

# NAME SCRIPT: what it runs when it is configured
postinst() {
    mkdir -p "$1/DEBIAN"
    printf '#!/bin/sh\nset -e\n%b' "$2" >"$1/DEBIAN/postinst"
    chmod 755 "$1/DEBIAN/postinst"
}

mkdir -p hubdt-tool/usr/bin hubdt-lib/usr/share/hubdt
printf '#!/bin/sh\necho "tool of $(cat /usr/share/hubdt/lib)"\n' >hubdt-tool/usr/bin/hubdt-tool
chmod 755 hubdt-tool/usr/bin/hubdt-tool
echo lib >hubdt-lib/usr/share/hubdt/lib
make_package hubdt-lib ''
make_package hubdt-tool 'Depends: hubdt-lib\n'
make_package hubdt-other 'Provides: hubdt-virtual\n'
make_package hubdt-enemy 'Conflicts: git\n'
postinst hubdt-broken 'echo it never worked >&2; exit 1\n'
make_package hubdt-broken 'Depends: hubdt-other\n'
postinst hubdt-slow 'touch /root/slow-began\nwhile ! test -e /root/slow-go; do sleep 0.1; done\n'
make_package hubdt-slow ''

for name in lib tool other enemy broken slow; do
    file=hubdt-$name.deb
    dpkg-deb --field "$file"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' \
        "$file" "$(stat --format=%s "$file")" "$(sha256sum "$file" | cut -d ' ' -f 1)"
done >Packages
# Somebody's own, in no archive.
make_package hubdt-guest 'Depends: hubdt-tool\n'
# The archives of the internet stay out of the story.
mv /etc/apt/sources.list /root/sources.list
echo 'deb [trusted=yes] file:/srv/archive ./' >/etc/apt/sources.list
