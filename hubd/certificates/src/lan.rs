//! An authority of the hub's own, for rooms without a domain: made once, and certificates from it for the names and
//! addresses of this machine.

use anyhow::{Context, Result};
use hub_tls::{Description, own_addresses};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::store::Store;

/// Students should have to trust it once.
const AUTHORITY_DAYS: i64 = 3650;
/// Phones refuse certificates of local authorities that are good for longer than 825 days.
const CERTIFICATE_DAYS: i64 = 397;
/// Clocks in a classroom differ.
const BACKDATED_DAYS: i64 = 2;
const DAY: i64 = 86400;

/// Everything by which this machine is reached in its own network: the configured names, its host name with and without
/// `.local`, and its addresses.
///
/// # Errors
/// When the machine does not tell its addresses.
pub(super) fn names(configured: &[String]) -> Result<Vec<String>> {
    let mut names = configured.to_vec();
    let host = nix::unistd::gethostname().context("asking for the host name")?.to_string_lossy().to_ascii_lowercase();
    if is_name(&host) {
        names.push(host.clone());
        if !host.contains('.') {
            names.push(format!("{host}.local"));
        }
    }
    names.push("localhost".to_owned());
    names.extend(own_addresses()?.into_iter().map(|address| address.to_string()));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
}

/// Makes a certificate for `names`, and before that the authority if there is none that will outlive it.
///
/// # Errors
/// When the disk is full, or what is kept there is no authority.
pub(super) fn issue(store: &Store, hub: &str, names: &[String], now: Timestamp) -> Result<()> {
    let until = now.as_second() + CERTIFICATE_DAYS * DAY;
    let (certificate, key) = match store.authority()? {
        Some((certificate, key)) if describe(&certificate)?.not_after.as_second() > until => (certificate, key),
        _ => {
            let (certificate, key) = new_authority(hub, now)?;
            store.put_authority(&certificate, &key)?;
            tracing::info!("made a local authority, {}", describe(&certificate)?.fingerprint);
            (certificate, key)
        }
    };
    let key = KeyPair::from_pem(&key).context("reading the key of the local authority")?;
    let issuer = Issuer::from_ca_cert_pem(&certificate, key).context("reading the local authority")?;
    let own = KeyPair::generate().context("making a key")?;
    let mut params = params(names, now, CERTIFICATE_DAYS)?;
    params.distinguished_name.push(DnType::CommonName, hub);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&own, &issuer).context("signing a certificate")?;
    store.put(&format!("{}{certificate}", leaf.pem()), &own.serialize_pem())
}

fn new_authority(hub: &str, now: Timestamp) -> Result<(String, String)> {
    let key = KeyPair::generate().context("making a key")?;
    let mut params = params(&[], now, AUTHORITY_DAYS)?;
    let day = now.strftime("%Y-%m-%d");
    params.distinguished_name.push(DnType::CommonName, format!("{hub}: own authority of {day}"));
    params.distinguished_name.push(DnType::OrganizationName, "hubd");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).context("signing the local authority")?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn params(names: &[String], now: Timestamp, days: i64) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names).context("naming a certificate")?;
    params.distinguished_name = DistinguishedName::new();
    let from = Timestamp::from_second(now.as_second() - BACKDATED_DAYS * DAY).context("dating a certificate")?;
    let until = Timestamp::from_second(from.as_second() + days * DAY).context("dating a certificate")?;
    // From midnight to midnight.
    let [from, until] = [from, until].map(|moment| {
        let day = moment.to_zoned(TimeZone::UTC).date();
        date_time_ymd(day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs())
    });
    (params.not_before, params.not_after) = (from, until);
    Ok(params)
}

fn describe(pem: &str) -> Result<Description> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).context("reading the local authority")?;
    Description::read(&der).map_err(anyhow::Error::msg).context("reading the local authority")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hub_core::paths::Paths;
    use rustls::RootCertStore;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::server::ParsedCertificate;

    use super::*;

    fn store(root: &tempfile::TempDir) -> (Paths, Store) {
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.certificates()).unwrap();
        let store = Store::open(&paths, paths.lan_certificate()).unwrap();
        (paths, store)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_browser_that_trusts_the_authority_trusts_the_hub() {
        let root = tempfile::tempdir().unwrap();
        let (paths, store) = store(&root);
        let now = at("2026-11-20T12:00:00Z");
        let wanted = ["hub.lan", "192.168.1.5", "fd00::5"].map(str::to_owned);
        issue(&store, "Statistics", &wanted, now).unwrap();
        let chain: Vec<_> = CertificateDer::pem_file_iter(paths.lan_certificate()).unwrap().map(Result::unwrap).collect();
        let authority = CertificateDer::from_pem_file(paths.certificate_authority()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).unwrap();
        let provider = aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), Arc::new(provider)).build().unwrap();
        let when = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_second() as u64));
        for name in ["hub.lan", "192.168.1.5", "fd00::5"] {
            let server = ServerName::try_from(name).unwrap();
            verifier.verify_server_cert(&chain[0], &chain[1..], &server, &[], when).unwrap();
        }
        let other = ServerName::try_from("other.lan").unwrap();
        assert!(verifier.verify_server_cert(&chain[0], &chain[1..], &other, &[], when).is_err());
        // With the authority alone nobody gets anything signed below a certificate of the hub.
        let parsed = ParsedCertificate::try_from(&chain[0]).unwrap();
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], when, algorithms.all).unwrap();
        let leaf = store.present().unwrap();
        assert_eq!(leaf.names, wanted);
        assert_eq!(leaf.issuer, "Statistics: own authority of 2026-11-20 (hubd)");
        assert_eq!(leaf.days_left(now), CERTIFICATE_DAYS - BACKDATED_DAYS - 1);
    }

    #[test]
    fn the_authority_stays_until_it_can_not_outlive_what_it_signs() {
        let root = tempfile::tempdir().unwrap();
        let (paths, store) = store(&root);
        let names = ["hub.lan".to_owned()];
        let authority = || std::fs::read_to_string(paths.certificate_authority()).unwrap();
        issue(&store, "Hub", &names, at("2026-01-01T00:00:00Z")).unwrap();
        let first = (authority(), store.present().unwrap());
        issue(&store, "Hub", &names, at("2027-01-01T00:00:00Z")).unwrap();
        assert_eq!(authority(), first.0);
        assert_ne!(store.present().unwrap(), first.1);
        issue(&store, "Hub", &names, at("2035-06-01T00:00:00Z")).unwrap();
        assert_ne!(authority(), first.0);
    }

    #[test]
    fn the_machine_is_named_by_all_its_addresses() {
        let names = names(&["hub.lan".to_owned(), "localhost".to_owned()]).unwrap();
        assert_eq!(names[0], "hub.lan");
        for name in ["localhost", "127.0.0.1"] {
            assert_eq!(names.iter().filter(|found| *found == name).count(), 1, "{names:?}");
        }
        assert!(!names.iter().any(|name| name.starts_with("fe80")), "{names:?}");
    }
}
