//! What a certificate says about itself. Pure: bytes in, plain values out.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What people want to know about a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// The moment it begins to be good.
    pub not_before: Timestamp,
    /// The moment it stops being good.
    pub not_after: Timestamp,
    /// SHA-256 over the whole certificate, in hexadecimal pairs with colons.
    pub fingerprint: String,
}

impl Description {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// When it is none; a sentence.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|error| format!("it is not an X.509 certificate: {error}"))?;
        let names = match certificate.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
            Ok(None) => Vec::new(),
            Err(error) => return Err(format!("its names make no sense: {error}")),
        };
        let moment = |seconds| Timestamp::from_second(seconds).map_err(|error| format!("its dates make no sense: {error}"));
        Ok(Self {
            names,
            issuer: readable(certificate.issuer()),
            not_before: moment(certificate.validity().not_before.timestamp())?,
            not_after: moment(certificate.validity().not_after.timestamp())?,
            fingerprint: fingerprint(der),
        })
    }

    /// Whether a browser that asks for `host` accepts it, dates and issuer left aside.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let is_address = host.parse::<IpAddr>().is_ok();
        self.names.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            // A star stands for exactly one label, the first.
            let by_star = || match (name.strip_prefix("*."), host.split_once('.')) {
                (Some(rest), Some((first, behind))) => !is_address && !first.is_empty() && rest == behind,
                _ => false,
            };
            name == host || by_star()
        })
    }

    /// Whether `now` is within its dates.
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Whole days until it stops being good; negative: it has stopped.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (self.not_after.as_second() - now.as_second()).div_euclid(86400)
    }
}

/// SHA-256 over `der`, as browsers and `openssl x509 -fingerprint` show it.
pub fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// `R11 (Let's Encrypt)`, or as much of that as there is.
fn readable(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common = name.iter_common_name().find_map(|part| part.as_str().ok());
    let organisation = name.iter_organization().find_map(|part| part.as_str().ok());
    match (common, organisation) {
        (Some(common), Some(organisation)) => format!("{common} ({organisation})"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn named(names: &[&str]) -> Description {
        let moment = |text: &str| text.parse().unwrap();
        Description {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            issuer: "CA".to_owned(),
            not_before: moment("2026-01-01T00:00:00Z"),
            not_after: moment("2026-04-01T00:00:00Z"),
            fingerprint: String::new(),
        }
    }

    #[test]
    fn reads_a_certificate_as_openssl_does() {
        let pem = include_bytes!("../fixtures/first.pem");
        let description = Description::read(&CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        assert_eq!(description.issuer, "first.test");
        assert_eq!(description.not_before.to_string(), "2026-11-20T12:14:10Z");
        assert_eq!(description.not_after.to_string(), "2126-10-27T12:14:10Z");
        assert_eq!(description.fingerprint, FIRST);
    }

    const FIRST: &str = "CE:DB:A7:09:DD:DB:9C:75:5B:EC:AD:24:9A:37:31:3E:DF:58:1F:96:37:99:4A:EF:E9:E5:8E:83:E9:EA:A2:26";

    #[test]
    fn refuses_what_is_no_certificate() {
        assert!(Description::read(b"hello").unwrap_err().starts_with("it is not an X.509 certificate"));
    }

    #[test]
    fn covers_what_a_browser_would_accept() {
        let description = named(&["hub.example.org", "*.class.example.org", "192.168.1.5", "::1"]);
        for (host, covered) in [
            ("hub.example.org", true),
            ("HUB.example.org", true),
            ("a.class.example.org", true),
            ("a.b.class.example.org", false),
            ("class.example.org", false),
            ("example.org", false),
            ("192.168.1.5", true),
            ("192.168.1.6", false),
            ("[::1]", true),
        ] {
            assert_eq!(description.covers(host), covered, "{host}");
        }
        assert!(!named(&["*.1.1.1"]).covers("1.1.1.1"));
    }

    #[test]
    fn counts_days_and_knows_its_dates() {
        let description = named(&[]);
        for (now, good, days) in [
            ("2025-12-31T23:59:59Z", false, 90),
            ("2026-01-01T00:00:00Z", true, 90),
            ("2026-03-31T12:00:00Z", true, 0),
            ("2026-04-01T00:00:00Z", false, 0),
            ("2026-04-01T00:00:01Z", false, -1),
        ] {
            let now = now.parse().unwrap();
            assert_eq!((description.is_good_at(now), description.days_left(now)), (good, days), "{now}");
        }
    }
}
