//! Looks for what stands in the way of https before an authority is asked, and says it in plain words.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Result;
use hub_core::config::{self, Config, HttpsMethod, ReadError};
use hub_core::control::HttpsStatus;
use hub_core::paths::Paths;
use hub_core::sys::{entrusted, ports};
use hub_environment::pyenv::NetworkSettings;
use hub_tls::CHECK_TOKEN;
use hub_tls::own::{self, Doubt, Flaw, Own};
use hub_tls::{Description, LARGEST, Orders, Record, USUAL_DIRECTORY, account_at};
use jiff::Timestamp;
use nix::unistd::{User, getgrouplist};
use reqwest::blocking::Client;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;

use super::super::World;
use super::super::connect::only_on_the_host;
use super::super::failure::{Exit, Failure};
use super::super::output::{Cell, Table, Tone};
use super::caa::{self, Signer};
use super::judge::{self, Answer, Finding, Name, Weight};
use super::{ask_hub, authority, dns, limits};

/// For a name to be resolved, and for a host to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// No certificate with its chain is larger, in bytes.
const LARGEST_FILE: u64 = 1 << 20;
/// The account that reads own certificate files.
const READER: &str = "hubd";

/// What `hubctl https check --json` prints.
#[derive(Debug, Serialize)]
struct Checked {
    method: &'static str,
    ok: bool,
    findings: Vec<Finding>,
}

pub(super) fn run(world: &mut World) -> Result<Exit> {
    only_on_the_host(world, "looking at the network", "https check")?;
    let path = world.paths.config_file();
    let config = match config::read(&path) {
        Ok(loaded) => loaded.config,
        Err(ReadError::Invalid(_)) => {
            let hint = "sudo hubctl config check".to_owned();
            return Err(Failure::new(super::super::failure::Cause::Failed, "the configuration has problems", hint).into());
        }
        Err(error) => return Err(error.into()),
    };
    let Some(https) = &config.https else {
        let hint = "sudo /opt/hubd/bin/hub-installer install --https acme --domain hub.example.org --email you@example.org";
        let message = "https is off: the configuration has no [https]";
        return Err(Failure::new(super::super::failure::Cause::Failed, message, hint.to_owned()).into());
    };
    let mut findings = Vec::new();
    let hub = match ask_hub(world) {
        Ok(status) => Some(status),
        Err(error) => {
            findings.push(Finding::bad(format!("{error:#}"), "sudo hubctl status"));
            None
        }
    };
    let wanted: Vec<SocketAddr> = config.http.listen.iter().chain(&https.listen).copied().collect();
    findings.extend(judge::ports(&wanted, &listeners(&wanted)?));
    let method = match &https.method {
        HttpsMethod::Files { certificate, key } => {
            findings.extend(files(&config, certificate, key, &world.paths, world.now));
            "files"
        }
        HttpsMethod::Acme { domains, directory, directory_ca, .. } => {
            findings.extend(names(domains, hub.as_ref())?);
            findings.extend(before_asking(world, domains, directory.as_deref(), directory_ca.as_deref())?);
            "acme"
        }
        HttpsMethod::Lan { .. } => "lan",
    };
    if let Some(status) = hub.as_ref().filter(|_| !matches!(https.method, HttpsMethod::Files { .. })) {
        findings.extend(present(status));
    }
    report(world, method, findings, matches!(https.method, HttpsMethod::Acme { .. }))
}

fn report(world: &mut World, method: &'static str, findings: Vec<Finding>, is_asked_for: bool) -> Result<Exit> {
    let ok = findings.iter().all(|finding| finding.weight < Weight::Bad);
    if world.printer.json {
        world.printer.json(&Checked { method, ok, findings })?;
    } else {
        for finding in &findings {
            let (word, tone) = match finding.weight {
                Weight::Good => ("good", Tone::Good),
                Weight::Doubtful => ("perhaps", Tone::Warning),
                Weight::Bad => ("wrong", Tone::Bad),
            };
            let mut table = Table::default();
            table.row([Cell::new(format!("{word:<7}"), tone), finding.what.as_str().into()]);
            if let Some(remedy) = &finding.remedy {
                table.row(["".into(), Cell::new(format!("-> {remedy}"), Tone::Faint)]);
            }
            world.printer.table(&table)?;
        }
        if ok && is_asked_for {
            world.printer.say("\nNo problems found. To try at once: sudo hubctl https renew")?;
        }
    }
    Ok(if ok { Exit::Done } else { Exit::Failed })
}

/// Who listens; a socket at one of `wanted` that the hub or systemd holds is the hub's own.
fn listeners(wanted: &[SocketAddr]) -> Result<Vec<ports::Listener>> {
    // A bare port is one socket for IPv6 and IPv4.
    let all = wanted.iter().filter(|address| address.ip().is_unspecified());
    let own: Vec<SocketAddr> = wanted.iter().copied().chain(all.map(|address| ([0_u16; 8], address.port()).into())).collect();
    ports::probe(&own)
}

/// What the hub itself says about what it has.
fn present(status: &HttpsStatus) -> Vec<Finding> {
    match (&status.certificate, &status.problem) {
        (Some(certificate), None) => {
            vec![Finding::good(format!(
                "the certificate is from {} and good until {}",
                certificate.issuer, certificate.not_after
            ))]
        }
        (_, Some(problem)) => vec![Finding::doubtful(problem.clone(), "when the rest is right: sudo hubctl https renew")],
        (None, None) => Vec::new(),
    }
}

/// `hubctl https check --certificate FILE --key FILE`: these files alone, opened as the one who called sudo.
pub(super) fn given(world: &mut World, certificate: &Path, key: &Path, host: Option<&str>) -> Result<Exit> {
    let [certificate_pem, key_pem] = [certificate, key].map(|path| world.caller.read(path, LARGEST_FILE, world.input));
    let own = own::validate(&(certificate, &certificate_pem?), &(key, &key_pem?));
    let mut findings = judged(own, &world.paths, host, world.now);
    if User::from_name(READER).is_ok_and(|user| user.is_some()) {
        findings.extend([certificate, key].into_iter().filter_map(closed));
    }
    report(world, "files", findings, false)
}

fn files(config: &Config, certificate: &Path, key: &Path, paths: &Paths, now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [certificate, key].into_iter().filter_map(closed).collect();
    findings.extend(judged(own::load(certificate, key), paths, host(config), now));
    findings
}

/// That the hub can't read a file which is there.
fn closed(path: &Path) -> Option<Finding> {
    let reason = if path.exists() { is_readable(path, READER).err()? } else { return None };
    Some(Finding::bad(format!("the hub can't read `{}`: {reason}", path.display()), own::readable(path)))
}

fn judged(own: Result<Own, Flaw>, paths: &Paths, host: Option<&str>, now: Timestamp) -> Vec<Finding> {
    let own = match own {
        Ok(own) => own,
        Err(Flaw { what, remedy }) => return vec![Finding::bad(what, remedy)],
    };
    let roots = std::fs::read(paths.trusted_authorities()).unwrap_or_else(|error| {
        tracing::debug!("reading the authorities that this machine trusts: {error}");
        Vec::new()
    });
    let doubts =
        own::doubts(&own, &roots).into_iter().map(|Doubt { flaw: Flaw { what, remedy }, is_certain }| match is_certain {
            true => Finding::bad(what, remedy),
            false => Finding::doubtful(what, remedy),
        });
    let mut findings: Vec<Finding> = doubts.collect();
    let host = host.filter(|_| !own.description.names.is_empty());
    findings.extend(judge::certificate(&own.description, host, now));
    findings
}

/// Why some browsers may not take the files that `config` names, one sentence each.
pub(in super::super) fn doubts(config: &Config, paths: &Paths, now: Timestamp) -> Vec<String> {
    let Some(HttpsMethod::Files { certificate, key }) = config.https.as_ref().map(|https| &https.method) else {
        return Vec::new();
    };
    let findings = files(config, certificate, key, paths, now).into_iter().filter(|finding| finding.weight == Weight::Doubtful);
    findings.map(|finding| format!("{}; {}", finding.what, finding.remedy.unwrap_or_default())).collect()
}

/// Why the hub could not use the files that `config` names at all, and what helps.
pub(in super::super) fn unusable(config: &Config) -> Option<(String, String)> {
    let HttpsMethod::Files { certificate, key } = &config.https.as_ref()?.method else { return None };
    if let Err(Flaw { what, remedy }) = own::load(certificate, key) {
        return Some((what, remedy));
    }
    // Before the first install there is no account to ask about.
    User::from_name(READER).ok().flatten()?;
    let finding = [certificate, key].into_iter().find_map(|path| closed(path))?;
    Some((finding.what, finding.remedy.unwrap_or_default()))
}

/// Why browsers would get no good certificate with `config`, half a sentence; `None`: they would, or the hub would make one at
/// once, or they need none.
pub(in super::super) fn uncertified(config: &Config, paths: &Paths, now: Timestamp) -> Option<String> {
    match &config.https.as_ref()?.method {
        HttpsMethod::Lan { .. } => None,
        HttpsMethod::Files { certificate, key } => {
            let findings = files(config, certificate, key, paths, now);
            let bad = findings.into_iter().find(|finding| finding.weight == Weight::Bad)?;
            Some(format!("{}; {}", bad.what, bad.remedy.unwrap_or_default()))
        }
        HttpsMethod::Acme { domains, .. } => {
            let pem = entrusted::read(&paths.certificates(), &paths.acme_certificate(), LARGEST).ok();
            let present = pem.and_then(|pem| CertificateDer::from_pem_slice(&pem).ok());
            let present = present.and_then(|der| Description::read(&der).ok());
            let is_good = |present: &Description| present.is_good_at(now) && domains.iter().all(|domain| present.covers(domain));
            let missing = format!("there is no certificate for {} until the authority gives one", domains.join(", "));
            (!present.as_ref().is_some_and(is_good)).then_some(missing)
        }
    }
}

/// Why an authority would refuse what `config` makes the hub ask for; one sentence each.
pub(in super::super) fn obstacles(world: &World, config: &Config) -> Vec<String> {
    let Some(HttpsMethod::Acme { domains, directory, directory_ca, .. }) = config.https.as_ref().map(|https| &https.method)
    else {
        return Vec::new();
    };
    let hub = ask_hub(world).inspect_err(|error| tracing::debug!("asking the hub: {error:#}")).ok();
    let found = names(domains, hub.as_ref()).and_then(|mut findings| {
        findings.extend(before_asking(world, domains, directory.as_deref(), directory_ca.as_deref())?);
        Ok(findings)
    });
    match found {
        Ok(findings) => {
            let bad = findings.into_iter().filter(|finding| finding.weight == Weight::Bad);
            bad.map(|finding| format!("{}\n  -> {}", finding.what, finding.remedy.unwrap_or_default())).collect()
        }
        Err(error) => vec![format!("can't find out whether a certificate can be had: {error:#}")],
    }
}

/// What people type, without port.
fn host(config: &Config) -> Option<&str> {
    let host = config.hub.origin()?.split_once("://")?.1;
    // An address of IPv6 stands in brackets and has colons of its own.
    match host.strip_prefix('[') {
        Some(address) => address.split_once(']').map(|(address, _)| address),
        None => Some(host.split_once(':').map_or(host, |(host, _)| host)),
    }
}

/// Whether the account `reader` may read `path`, by owner, group and mode of it and of every directory above it.
fn is_readable(path: &Path, reader: &str) -> Result<(), String> {
    let real = path.canonicalize().map_err(|error| error.to_string())?;
    let user = User::from_name(reader).map_err(|error| error.to_string())?;
    let Some(user) = user else { return Err(format!("there is no account `{reader}`")) };
    let groups = std::ffi::CString::new(reader).ok().and_then(|name| getgrouplist(&name, user.gid).ok()).unwrap_or_default();
    let parents = real.ancestors().skip(1).map(|directory| (directory, 0o1));
    for (place, wanted) in parents.chain([(real.as_path(), 0o4)]) {
        let found = std::fs::metadata(place).map_err(|error| error.to_string())?;
        let shift = match () {
            () if found.uid() == user.uid.as_raw() => 6,
            () if groups.iter().any(|group| group.as_raw() == found.gid()) => 3,
            () => 0,
        };
        if found.mode() >> shift & wanted == 0 {
            return Err(format!("`{}` is closed to it", place.display()));
        }
    }
    Ok(())
}

fn names(domains: &[String], hub: Option<&HttpsStatus>) -> Result<Vec<Finding>> {
    let own = hub_tls::own_addresses()?;
    let mut findings = Vec::new();
    for name in domains {
        let leads_to = resolve(name).map(|addresses| {
            let check = hub.map(|hub| hub.check.as_str());
            addresses.into_iter().map(|address| (address, knock(name, address, check))).collect()
        });
        findings.extend(judge::name(&Name { name: name.clone(), leads_to }, &own));
    }
    Ok(findings)
}

/// Where `name` leads. The system's own resolver has no deadline, so it is left behind when it takes too long.
fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    let (sender, receiver) = mpsc::channel();
    let target = (name.to_owned(), 80);
    std::thread::spawn(move || sender.send(target.to_socket_addrs().map(Iterator::collect::<Vec<_>>)));
    match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = found.into_iter().map(|address| address.ip()).collect();
            addresses.sort();
            addresses.dedup();
            Ok(addresses)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("waited {} s for the name server", PATIENCE.as_secs())),
    }
}

/// Asks at `address`, port 80, for what only this hub can answer.
fn knock(name: &str, address: IpAddr, check: Option<&str>) -> Answer {
    let silent = |error: reqwest::Error| {
        let error = anyhow::Error::new(error.without_url());
        match error.chain().any(|cause| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        }) {
            true => Answer::Refused,
            false => Answer::Silent(error.root_cause().to_string()),
        }
    };
    let client = Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .resolve(name, SocketAddr::new(address, 80))
        .build();
    let asked = client.and_then(|client| client.get(format!("http://{name}/.well-known/acme-challenge/{CHECK_TOKEN}")).send());
    match asked {
        Err(error) => silent(error),
        Ok(answer) => {
            let server = answer.headers().get("server").and_then(|value| value.to_str().ok()).map(str::to_owned);
            match answer.text() {
                Ok(text) if check == Some(text.as_str()) => Answer::Us,
                Ok(_) => Answer::Other(server),
                Err(error) => silent(error),
            }
        }
    }
}

/// What an authority would find, and whether it can be asked at all.
fn before_asking(world: &World, domains: &[String], directory: Option<&str>, root: Option<&Path>) -> Result<Vec<Finding>> {
    let paths = &world.paths;
    let directory = directory.unwrap_or(USUAL_DIRECTORY);
    let asked = authority::ask(directory, root, &NetworkSettings::recall(paths)?);
    let mut findings = judge::authority(directory, asked.as_ref(), Timestamp::now());
    let identities = asked.map(|offer| offer.identities).unwrap_or_default();
    let account = account_at(paths, directory)?;
    let signer = Signer { identities: &identities, account: account.as_deref() };
    let servers = dns::servers(&std::fs::read_to_string(paths.resolv_conf()).unwrap_or_default());
    for name in domains {
        let deadline = Instant::now() + PATIENCE;
        let policy = caa::policy(name, |name| dns::caa(name, &servers, deadline));
        findings.push(caa::judge(name, &policy, signer));
    }
    let orders = Orders::load(&paths.certificate_orders())?;
    let record = Record::load(&paths.certificate_record())?;
    findings.extend(limits::judge(directory, domains, &orders, record.as_ref(), world.now));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_only_its_owner_reads_is_closed_to_others_and_so_is_what_lies_behind_a_closed_directory() {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("hub.key");
        std::fs::write(&key, "").unwrap();
        for (above, own, closed) in [(0o755, 0o644, None), (0o755, 0o600, Some(&*key)), (0o700, 0o644, Some(directory.path()))] {
            set_permissions(directory.path(), Permissions::from_mode(above)).unwrap();
            set_permissions(&key, Permissions::from_mode(own)).unwrap();
            let expected = closed.map_or(Ok(()), |place| Err(format!("`{}` is closed to it", place.display())));
            assert_eq!(is_readable(&key, "nobody"), expected, "{above:o} {own:o}");
        }
        assert_eq!(is_readable(&key, "no-such-account"), Err("there is no account `no-such-account`".to_owned()));
    }
}
