//! Certificates as openssl and authorities make them: each works, or is named with what helps before anything is changed.

use anyhow::{Result, ensure};

use super::says;
use crate::context::Context;
use crate::hub::Hub;

/// A root, an intermediate and certificates by it, all for `hub.test`, and what people make of them.
const MADE: &str = "mkdir -p /etc/hubd/tls; cd /etc/hubd/tls
    ec='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
    openssl req -x509 $ec -keyout root.key -out root.pem -subj /CN=Root -days 30 2>/dev/null
    openssl req $ec -keyout middle.key -out middle.csr -subj /CN=Middle 2>/dev/null
    printf 'basicConstraints=critical,CA:TRUE\\n' >ca.ext
    openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile ca.ext -out middle.pem 2>/dev/null
    openssl req $ec -keyout hub.key -out hub.csr -subj /CN=hub.test 2>/dev/null
    printf 'subjectAltName=DNS:hub.test\\nauthorityInfoAccess=caIssuers;URI:http://ca.test/middle.der\\n' >san.ext
    sign() { openssl x509 -req -in hub.csr -CA middle.pem -CAkey middle.key -CAcreateserial \"$@\" 2>/dev/null; }
    sign -days 30 -extfile san.ext -out leaf.pem
    sign -days 30 -out nameless-leaf.pem
    cat nameless-leaf.pem middle.pem root.pem >nameless.pem
    cat root.pem middle.pem leaf.pem >turned.pem
    openssl ec -in hub.key -aes128 -passout pass:secret -out locked.key 2>/dev/null
    openssl pkcs8 -topk8 -in hub.key -passout pass:secret -out locked8.key
    openssl x509 -in leaf.pem -outform der -out leaf.der
    openssl pkcs12 -export -in leaf.pem -inkey hub.key -passout pass:x -out hub.p12
    openssl ecparam -name prime256v1 -genkey -out parameters.key
    openssl req -x509 -key parameters.key -out parameters.pem -subj /CN=x -addext subjectAltName=DNS:hub.test -days 30
    { printf '\\357\\273\\277'; cat hub.key; } >bom.key
    openssl req -x509 -newkey rsa:1024 -nodes -keyout short.key -out short.pem -subj /CN=x -addext subjectAltName=DNS:hub.test 2>/dev/null
    chgrp hubd *; chmod 0640 *; chmod 0755 .
    install -m 0600 -o root -g root hub.key root-only.key";

pub(super) fn judged(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh(MADE)?;
    let port = context.free_port()?;
    let before = hub.sh("sha256sum /etc/hubd/config.toml; hubctl config history --json")?;
    for (certificate, key, told) in [
        ("turned.pem", "locked.key", &["has a passphrase", "openssl pkey -in"][..]),
        ("turned.pem", "locked8.key", &["has a passphrase", "openssl pkey -in"]),
        ("turned.pem", "parameters.key", &["is not the one that the certificate"]),
        ("hub.key", "turned.pem", &["they are swapped"]),
        ("leaf.der", "hub.key", &["in DER", "openssl x509 -inform der"]),
        ("hub.p12", "hub.key", &["PKCS#12", "openssl pkcs12 -in"]),
        ("hub.csr", "hub.key", &["is a request for a certificate"]),
        ("short.pem", "short.key", &["1024 bits of RSA"]),
        ("turned.pem", "root-only.key", &["can't read", "install -o root -g hubd -m 0640"]),
        ("nowhere.pem", "hub.key", &["there is no `/etc/hubd/tls/nowhere.pem`"]),
    ] {
        apply(hub, port, certificate, key, told)?;
    }
    for (certificate, told) in [("leaf.pem", "which is neither in the file nor an authority"), ("nameless.pem", "subjectAltName")]
    {
        apply(hub, port, certificate, "hub.key", &[told, "--allow-lockout"])?;
    }
    let after = hub.sh("sha256sum /etc/hubd/config.toml; hubctl config history --json")?;
    ensure!(before == after, "something was changed:\n{before}\n{after}");
    context.step("12 shapes of certificates were named before anything was changed")?;

    let of = |name: &str, key: &str| {
        format!("https check --certificate /etc/hubd/tls/{name} --key /etc/hubd/tls/{key} --host hub.test")
    };
    says(hub, &of("turned.pem", "bom.key"), 0, &["good until"])?;
    says(hub, &of("parameters.pem", "parameters.key"), 0, &["good until"])?;
    says(hub, &of("leaf.pem", "hub.key"), 1, &["neither in the file", "http://ca.test/middle.der"])?;
    says(hub, &of("turned.pem", "locked.key"), 1, &["has a passphrase"])?;
    let plan = "/opt/hubd/bin/hub-installer plan --https files --certificate /etc/hubd/tls/turned.pem --key /etc/hubd/tls/";
    let refused = hub.sh(&format!("{plan}locked.key 2>&1 && echo planned || true"))?;
    ensure!(refused.contains("has a passphrase") && !refused.contains("planned"), "the installer's plan: {refused}");

    hub.write("/root/https.toml", configuration(hub, port, "turned.pem", "bom.key")?, 0o600)?;
    says(hub, "config apply /root/https.toml --yes --allow-lockout", 0, &["in force"])?;
    let chain = hub.sh(&format!(
        "openssl s_client -connect 127.0.0.1:{port} -servername hub.test -CAfile /etc/hubd/tls/root.pem </dev/null 2>&1"
    ))?;
    ensure!(chain.contains("Verify return code: 0 (ok)"), "the chain that clients get: {chain}");
    context.step("a chain in another order, with a key that begins with a byte order mark, is what clients verify")
}

/// The configuration with these files.
fn configuration(hub: &Hub, port: u16, certificate: &str, key: &str) -> Result<String> {
    let plain = hub.sh("sed '/^url = /d' /etc/hubd/config.toml")?;
    let keys = format!(
        "[https]\nlisten = [\"127.0.0.1:{port}\"]\ncertificate = \"/etc/hubd/tls/{certificate}\"\nkey = \"/etc/hubd/tls/{key}\"\n"
    );
    Ok(plain.replace("[https]\n", &keys))
}

fn apply(hub: &Hub, port: u16, certificate: &str, key: &str, told: &[&str]) -> Result<()> {
    hub.write("/root/https.toml", configuration(hub, port, certificate, key)?, 0o600)?;
    says(hub, "config apply /root/https.toml --yes", 7, told).map(drop)
}
