//! Pebble, the authority that Let's Encrypt tests clients with, in the machine of the hub, and the name server it asks.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fs_err as fs;
use hub_machine::Machine;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::context::Context;
use crate::wait;

const DEADLINE: Duration = Duration::from_secs(180);
/// The root that vouches for Pebble's own directory, as the hub is told of it.
pub(in crate::scenario) const DIRECTORY_CA: &str = "/usr/local/share/pebble.pem";

/// An authority, and the name server it asks.
pub(in crate::scenario) struct Pebble<'a> {
    context: &'a Context,
    address: Ipv4Addr,
    client: reqwest::blocking::Client,
}

/// How it is to behave.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct Behaviour {
    /// How many percent of all requests it calls out of date.
    pub(in crate::scenario) stale: u32,
    /// The port at which it asks over http.
    pub(in crate::scenario) http: u16,
    /// How long its certificates are good.
    pub(in crate::scenario) life: Duration,
}

/// As real ones are on a good day.
impl Default for Behaviour {
    fn default() -> Self {
        Self { stale: 0, http: 80, life: Duration::from_hours(90 * 24) }
    }
}

impl<'a> Pebble<'a> {
    /// Prepares everything in `machine`; nothing runs yet.
    pub(in crate::scenario) fn prepare(context: &'a Context, machine: &Machine, address: Ipv4Addr) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, "directory of the test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate()?;
        let certificate = CertificateParams::new([address.to_string()])?.signed_by(&own, &issuer)?;
        machine.write(DIRECTORY_CA, authority.pem(), 0o644)?;
        machine.write("/root/pebble.pem", certificate.pem(), 0o644)?;
        machine.write("/root/pebble.key", own.serialize_pem(), 0o600)?;
        machine.sh(&format!("echo '{address} hub.test www.hub.test' >>/etc/hosts"))?;
        let root = reqwest::Certificate::from_pem(authority.pem().as_bytes())?;
        let client = reqwest::blocking::Client::builder().no_proxy().tls_certs_only([root]).timeout(DEADLINE).build()?;
        let pebble = Self { context, address, client };
        pebble.start_names(machine)?;
        Ok(pebble)
    }

    /// Starts the name server, at the usual port; there every name leads to the hub.
    pub(in crate::scenario) fn start_names(&self, machine: &Machine) -> Result<()> {
        let address = self.address;
        machine.sh(&format!(
            "systemd-run --quiet --unit=names /usr/bin/pebble-challtestsrv -defaultIPv6 '' -defaultIPv4 {address} \
             -http01 '' -https01 '' -tlsalpn01 '' -dns01 {address}:53 -management {address}:8055"
        ))?;
        wait::for_listener(machine, &format!("{address}:53"))?;
        wait::for_listener(machine, &format!("{address}:8055"))
    }

    /// The directory's address.
    pub(in crate::scenario) fn directory(&self) -> String {
        format!("https://{}:14000/dir", self.address)
    }

    /// Starts it anew: it knows nobody then.
    pub(in crate::scenario) fn start(&self, machine: &Machine, behaviour: Behaviour) -> Result<()> {
        self.stop(machine)?;
        let Behaviour { stale, http, life } = behaviour;
        let address = self.address;
        let config = json!({ "pebble": {
            "listenAddress": format!("{address}:14000"),
            "managementListenAddress": format!("{address}:15000"),
            "certificate": "/root/pebble.pem",
            "privateKey": "/root/pebble.key",
            "httpPort": http,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": life.as_secs(),
        } });
        machine.write("/root/pebble.json", config.to_string(), 0o644)?;
        machine.sh(&format!(
            "systemd-run --quiet --unit=pebble --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_AUTHZREUSE=0 --setenv=PEBBLE_WFE_NONCEREJECT={stale} \
             /usr/bin/pebble -config /root/pebble.json -dnsserver {address}:53"
        ))?;
        wait::for_listener(machine, &format!("{address}:14000"))?;
        wait::for_listener(machine, &format!("{address}:15000"))?;
        let life = life.as_secs();
        self.context.step(&format!(
            "the authority runs; {stale} % of requests are out of date, it asks at port {http}, certificates are good for {life} s"
        ))
    }

    /// Stops it.
    pub(in crate::scenario) fn stop(&self, machine: &Machine) -> Result<()> {
        machine
            .sh("systemctl stop pebble.service 2>/dev/null || true; systemctl reset-failed pebble.service 2>/dev/null || true")?;
        Ok(())
    }

    /// Where `hub.test` leads, as the authority sees it.
    pub(in crate::scenario) fn lead_to(&self, machine: &Machine, address: Ipv4Addr) -> Result<()> {
        let own = self.address;
        let body = json!({ "host": "hub.test.", "addresses": [address.to_string()] });
        machine.sh(&format!("curl -sS --noproxy '*' -d '{{\"host\":\"hub.test.\"}}' http://{own}:8055/clear-a && curl -sS --noproxy '*' -d '{body}' http://{own}:8055/add-a"))?;
        Ok(())
    }

    /// Whom the owner of `hub.test` lets sign for it; `None`: everybody.
    pub(in crate::scenario) fn let_sign(&self, machine: &Machine, issuer: Option<&str>) -> Result<()> {
        let own = self.address;
        let (verb, body) = match issuer {
            Some(issuer) => ("add-caa", json!({ "host": "hub.test.", "policies": [{ "tag": "issue", "value": issuer }] })),
            None => ("clear-caa", json!({ "host": "hub.test." })),
        };
        machine.sh(&format!("curl -sS --fail --noproxy '*' -d '{body}' http://{own}:8055/{verb}"))?;
        Ok(())
    }

    /// The root it signs with since its last start, among the artefacts.
    pub(in crate::scenario) fn root(&self, name: &str) -> Result<(std::path::PathBuf, reqwest::Certificate)> {
        let answer = self.client.get(format!("https://{}:15000/roots/0", self.address)).send()?.error_for_status()?;
        let pem = answer.bytes()?;
        let path = self.context.artefacts().join(name);
        fs::write(&path, &pem)?;
        Ok((path, reqwest::Certificate::from_pem(&pem).context("reading the root of the authority")?))
    }
}
