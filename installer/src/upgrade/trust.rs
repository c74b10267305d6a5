//! Whether a release is genuine: one signature over the checksums, and the checksum of what is to be installed.

use minisign_verify::{PublicKey, Signature};

use crate::files;

/// The key that releases are signed with, in minisign's form; given when this program is built.
const RELEASE_KEY: Option<&str> = option_env!("HUBD_RELEASE_KEY");

/// Why a release is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Distrust {
    #[error("this build of hubd trusts no release key, so it can't tell a release from a forgery")]
    NoKey,
    #[error("the release key this program was built with is none")]
    BadKey,
    #[error("`SHA256SUMS.minisig` is not a signature")]
    NotASignature,
    #[error("`SHA256SUMS` was signed with another key than the one this hub trusts")]
    OtherKey,
    #[error("`SHA256SUMS` is not what was signed")]
    Forged,
    #[error("`SHA256SUMS` has no checksum for `{0}`")]
    Unknown(String),
    #[error("`{0}` is not what `SHA256SUMS` says it is")]
    Altered(String),
}

impl Distrust {
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::NoKey | Self::BadKey => {
                "install a release that its makers signed; one built from the sources is upgraded with bootstrap.sh of newer sources"
            }
            Self::OtherKey => "get the release from where this hub's came from; nothing was touched",
            _ => "get the release again; if that does not help, tell whoever hands it out. Nothing was touched",
        }
    }
}

/// The key in force.
pub(super) fn release_key() -> Result<PublicKey, Distrust> {
    let text = RELEASE_KEY.filter(|text| !text.is_empty()).ok_or(Distrust::NoKey)?;
    PublicKey::from_base64(text).map_err(|_| Distrust::BadKey)
}

/// Checks who signed `sums`.
pub(super) fn check_signature(key: &PublicKey, sums: &[u8], signature: &str) -> Result<(), Distrust> {
    let signature = Signature::decode(signature).map_err(|_| Distrust::NotASignature)?;
    // Without the older form, whose signature is over the text itself: one form is enough.
    key.verify(sums, &signature, false).map_err(|error| match error {
        minisign_verify::Error::UnexpectedKeyId => Distrust::OtherKey,
        _ => Distrust::Forged,
    })
}

/// Whether there is a checksum for `name`.
pub(super) fn names(sums: &str, name: &str) -> bool {
    sum_of(sums, name).is_some()
}

/// Checks `content` against the line that names it.
pub(super) fn check_sum(sums: &str, name: &str, content: &[u8]) -> Result<(), Distrust> {
    match sum_of(sums, name) {
        None => Err(Distrust::Unknown(name.to_owned())),
        Some(sum) if sum == files::digest_of(content) => Ok(()),
        Some(_) => Err(Distrust::Altered(name.to_owned())),
    }
}

fn sum_of<'sums>(sums: &'sums str, name: &str) -> Option<&'sums str> {
    let mut lines = sums.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(_, rest)| rest.trim_start_matches([' ', '*']) == name).map(|(sum, _)| sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For tests only; its secret half is in tests/keys.
    const KEY: &str = include_str!("../../../tests/keys/only-for-tests.pub");
    const SUMS: &str = include_str!("../../fixtures/signed/SHA256SUMS");
    const SIGNATURE: &str = include_str!("../../fixtures/signed/SHA256SUMS.minisig");
    const OTHER: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_base64(text.lines().last().unwrap()).unwrap()
    }

    #[test]
    fn what_minisign_signed_is_genuine_and_nothing_else() {
        let trusted = key(KEY);
        assert_eq!(check_signature(&trusted, SUMS.as_bytes(), SIGNATURE), Ok(()));
        let longer = format!("{SUMS}x");
        let renamed = SIGNATURE.replace("trusted comment: ", "trusted comment: not ");
        for (key, sums, signature, expected) in [
            (&trusted, longer.as_str(), SIGNATURE, Distrust::Forged),
            (&trusted, SUMS, renamed.as_str(), Distrust::Forged),
            (&trusted, SUMS, "", Distrust::NotASignature),
            (&trusted, SUMS, "untrusted comment: none\n", Distrust::NotASignature),
            (&key(OTHER), SUMS, SIGNATURE, Distrust::OtherKey),
        ] {
            assert_eq!(check_signature(key, sums.as_bytes(), signature), Err(expected));
        }
    }

    #[test]
    fn content_is_held_against_its_own_line() {
        let sums = format!("{}  a.tar.gz\n{} *b.tar.gz\n", files::digest_of(b"a"), files::digest_of(b"b"));
        assert_eq!(check_sum(&sums, "a.tar.gz", b"a"), Ok(()));
        assert_eq!(check_sum(&sums, "b.tar.gz", b"b"), Ok(()));
        assert_eq!(check_sum(&sums, "a.tar.gz", b"b"), Err(Distrust::Altered("a.tar.gz".into())));
        assert_eq!(check_sum(&sums, "tar.gz", b"a"), Err(Distrust::Unknown("tar.gz".into())));
        assert_eq!(check_sum("", "a.tar.gz", b"a"), Err(Distrust::Unknown("a.tar.gz".into())));
    }
}
