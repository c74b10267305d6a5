//! What an authority wants to see before it believes that a name is ours. `hubd serve` shows it: it answers over http with
//! what is in a file, and over https, to a client that speaks `acme-tls/1`, with the certificate in a file.

use anyhow::{Context, Result};
use hub_core::config::Config;
use instant_acme::{ChallengeHandle, ChallengeType};
use rcgen::{CertificateParams, CustomExtension, KeyPair};

use hub_tls::{is_server_name, is_token};

use super::store::Store;

/// How an authority asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// For a file over http, port 80.
    Http,
    /// For a certificate over https, port 443.
    Tls,
}

impl Kind {
    /// How to be asked after so many failures in a row: by turns, since one port may be closed and the other not.
    pub(super) fn after(failures: u32, config: &Config) -> Self {
        if config.http.listen.is_empty() || failures % 2 == 1 { Self::Tls } else { Self::Http }
    }

    /// As ACME calls it.
    pub(super) fn challenge(self) -> ChallengeType {
        match self {
            Self::Http => ChallengeType::Http01,
            Self::Tls => ChallengeType::TlsAlpn01,
        }
    }

    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Http => "http, port 80",
            Self::Tls => "https, port 443",
        }
    }
}

/// Lets the hub answer.
///
/// # Errors
/// When the disk is full, or the token is one that can't be the name of a file.
pub(super) fn prepare(store: &Store, kind: Kind, name: &str, challenge: &ChallengeHandle<'_>) -> Result<()> {
    let key = challenge.key_authorization();
    match kind {
        Kind::Http => {
            let token = &challenge.token;
            anyhow::ensure!(is_token(token), "{token:?} is not a token, expected letters, digits, `-` and `_`");
            store.answer_over_http(token, key.as_str())
        }
        Kind::Tls => {
            anyhow::ensure!(is_server_name(name), "{name:?} is not the name of a host");
            store.answer_over_tls(name, &identifying(name, key.digest().as_ref())?)
        }
    }
}

/// A certificate that says nothing but that whoever has it knows `digest` (RFC 8737), with its key.
fn identifying(name: &str, digest: &[u8]) -> Result<String> {
    let key = KeyPair::generate().context("making a key")?;
    let mut params = CertificateParams::new([name.to_owned()]).context("naming a certificate")?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).context("signing a certificate")?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_asked_by_turns() {
        let config = hub_core::config::parse("", "config.toml").unwrap();
        assert_eq!([0, 1, 2].map(|failures| Kind::after(failures, &config)), [Kind::Http, Kind::Tls, Kind::Http]);
    }
}
