//! People in a directory: slapd and nslcd of the distribution.

use anyhow::{Result, ensure};

use super::form::try_in;
use crate::context::Context;
use crate::hub::Hub;

const PASSWORD: &str = "directory password 7";
/// Over a socket alone: machines of the tests share their ports.
const SET_UP: &str = r#"
export DEBIAN_FRONTEND=noninteractive
{ apt-get update --quiet=2
  printf '%s\n' 'SLAPD_SERVICES="ldapi:///"' 'SLAPD_USER=openldap' 'SLAPD_GROUP=openldap' 'SLAPD_OPTIONS=""' >/etc/default/slapd
  apt-get install --quiet=2 --yes --no-install-recommends -o Dpkg::Options::=--force-confold slapd ldap-utils nslcd libnss-ldapd libpam-ldapd
} >/root/ldap.txt 2>&1 || { tail -n 30 /root/ldap.txt; exit 1; }
base=$(slapcat | sed -n 's/^dn: \(dc=[^,]*\)$/\1/p' | head -n 1)
systemctl stop slapd
hash=$(slappasswd -s "$PASSWORD")
{ printf 'dn: ou=people,%s\nobjectClass: organizationalUnit\nou: people\n\n' "$base"
  printf 'dn: ou=groups,%s\nobjectClass: organizationalUnit\nou: groups\n\n' "$base"
  number=20000
  for name in lena leo $NAMES; do
    number=$((number + 1))
    printf 'dn: uid=%s,ou=people,%s\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nuid: %s\ncn: %s Lee\nsn: Lee\ngecos: %s Lee\n' $name "$base" $name $name $name
    printf 'uidNumber: %s\ngidNumber: 20000\nhomeDirectory: /nonexistent\nuserPassword: %s\n\n' $number "$hash"
  done
  printf 'dn: cn=chemists,ou=groups,%s\nobjectClass: posixGroup\ncn: chemists\ngidNumber: 20001\nmemberUid: lena\n\n' "$base"
} >/root/people.ldif
slapadd -l /root/people.ldif
chown -R openldap: /var/lib/ldap
systemctl start slapd
printf 'uid nslcd\ngid nslcd\nuri ldapi:///\nbase %s\n' "$base" >/etc/nslcd.conf
chmod 640 /etc/nslcd.conf
sed -i 's/^\(passwd\|group\):.*/\1: files systemd ldap/' /etc/nsswitch.conf
systemctl restart nslcd
pam-auth-update --package --enable ldap unix >/dev/null 2>&1
"#;

/// A class that is in the directory alone.
pub(super) fn directory(context: &Context, hub: &Hub, login: &str) -> Result<()> {
    hub.sh(&format!("PASSWORD='{PASSWORD}'; NAMES=''\n{SET_UP}"))?;
    hub.sh("for i in $(seq 100); do getent passwd lena >/dev/null && exit 0; sleep 0.2; done; exit 1")?;
    hub.hubctl(&["user", "add", "lena"])?;
    let wrong = try_in(hub.url(), login, "lena", "another password")?;
    ensure!(wrong.status == 401, "{} {}", wrong.status, wrong.text);
    let tried = try_in(hub.url(), login, "lena", PASSWORD)?;
    ensure!(tried.who.as_deref() == Some("lena"), "{} {}", tried.status, tried.text);
    let tried = try_in(hub.url(), login, "leo", PASSWORD)?;
    ensure!(tried.status == 403 && tried.text.contains("You are not enrolled here"), "{} {}", tried.status, tried.text);
    context.step("slapd and nslcd: who is enrolled gets in with the directory's password")?;
    hub.sh(&format!("hubctl config set login.{login}.allow_groups chemists && hubctl config set login.{login}.enrol true"))?;
    let tried = try_in(hub.url(), login, "leo", PASSWORD)?;
    ensure!(tried.status == 403 && tried.text.contains("This hub is not for your account"), "{} {}", tried.status, tried.text);
    let tried = try_in(hub.url(), login, "lena", PASSWORD)?;
    ensure!(tried.who.as_deref() == Some("lena"), "{} {}", tried.status, tried.text);
    context.step("groups of the directory decide")?;
    hub.sh("systemctl stop slapd nslcd")?;
    let tried = try_in(hub.url(), login, "lena", PASSWORD)?;
    ensure!(tried.who.is_none() && tried.status != 500, "{} {}", tried.status, tried.text);
    let tried = try_in(hub.url(), "", "bob", crate::hub::PASSWORD)?;
    ensure!(tried.who.as_deref() == Some("bob"), "{} {}", tried.status, tried.text);
    context.step("the directory is gone: passwords of the hub work")
}
