//! A certificate and its key in the shapes people have them: what is understood is put in order, what is not is named, with the
//! command that helps. The hub, `hubctl https check`, a change of the configuration and the installer all judge by this.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use hub_core::sys::entrusted;
use hub_core::text;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::{Description, LARGEST};

/// Browsers, and what encrypts here, take no shorter ones; bits.
const SHORTEST_RSA: usize = 2048;
/// Longer than any chain.
const LONGEST_CHAIN: usize = 10;

/// What is wrong with a certificate or its key, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Flaw {
    /// A sentence without its period.
    pub what: String,
    /// What to do; a command, as a rule.
    pub remedy: String,
}

fn flaw(what: impl Into<String>, remedy: impl Into<String>) -> Flaw {
    Flaw { what: what.into(), remedy: remedy.into() }
}

/// A certificate that can be used.
pub struct Own {
    /// The one for this key first, then each with the one that signed it behind it.
    pub chain: Vec<CertificateDer<'static>>,
    /// What signs for it.
    pub key: Arc<dyn SigningKey>,
    /// What it says about itself.
    pub description: Description,
}

/// Why browsers may not take a certificate that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What it is.
    pub flaw: Flaw,
    /// Whether no browser takes it.
    pub is_certain: bool,
}

/// Reads both files.
///
/// # Errors
/// What is wrong with the first that can't be used.
pub fn load(certificate: &Path, key: &Path) -> Result<Own, Flaw> {
    validate(&(certificate, &read(certificate, plain)?), &(key, &read(key, plain)?))
}

/// The same for one file with both that `hubd-certificates` keeps in `directory`.
///
/// # Errors
/// What is wrong with it.
pub fn load_entrusted(directory: &Path, path: &Path) -> Result<Own, Flaw> {
    let bytes = read(path, |path| entrusted::read(directory, path, LARGEST))?;
    validate(&(path, &bytes), &(path, &bytes))
}

/// A file where the administrator says, who may have links lead there.
fn plain(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read(path: &Path, read: impl FnOnce(&Path) -> io::Result<Vec<u8>>) -> Result<Vec<u8>, Flaw> {
    match read(path) {
        Ok(bytes) if bytes.is_empty() => Err(flaw(format!("`{}` is empty", path.display()), "was it copied whole?")),
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(flaw(format!("the hub is not allowed to read `{}`", path.display()), readable(path)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(flaw(format!("there is no `{}`", path.display()), "is the path right?"))
        }
        Err(error) => Err(flaw(format!("`{}` can't be read: {error}", path.display()), "is it a file?")),
    }
}

/// What lets the hub read a file that only root can.
pub fn readable(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("give it a copy: sudo install -o root -g hubd -m 0640 {} /etc/hubd/{name}, and name that", path.display())
}

/// A file: its name, and its content.
type Content<'a> = (&'a Path, &'a [u8]);

/// Judges what is in both files.
///
/// # Errors
/// What is wrong with the first that can't be used.
pub fn validate(certificate: &Content<'_>, key: &Content<'_>) -> Result<Own, Flaw> {
    let (certificate_pem, key_pem) = (pem(certificate)?, pem(key)?);
    let (certificate, key) = (certificate.0, key.0);
    let has = |pem: &str, label: &str| labels(pem).any(|found| found == label);
    let is_key = |pem: &str| labels(pem).any(|label| label.ends_with("PRIVATE KEY"));
    if !has(&certificate_pem, "CERTIFICATE") {
        return Err(match () {
            () if is_key(&certificate_pem) && has(&key_pem, "CERTIFICATE") => flaw(
                format!("`{}` holds the key and `{}` the certificate: they are swapped", certificate.display(), key.display()),
                format!("sudo hubctl config edit: certificate = \"{}\", key = \"{}\"", key.display(), certificate.display()),
            ),
            () if labels(&certificate_pem).any(|label| label.ends_with("CERTIFICATE REQUEST")) => flaw(
                format!("`{}` is a request for a certificate, not the certificate", certificate.display()),
                "take the file that the authority sent back",
            ),
            () if has(&certificate_pem, "PKCS7") => {
                flaw(format!("`{}` is PKCS#7", certificate.display()), converted("pkcs7 -print_certs", certificate))
            }
            () => flaw(
                format!("`{}` holds no certificate; expected -----BEGIN CERTIFICATE-----", certificate.display()),
                "give the certificate with its chain as PEM",
            ),
        });
    }
    if has(&key_pem, "ENCRYPTED PRIVATE KEY") || key_pem.contains("Proc-Type: 4,ENCRYPTED") {
        let remedy = format!("the hub starts without anybody to type it; take it off: {}", converted("pkey", key));
        return Err(flaw(format!("the key `{}` has a passphrase", key.display()), remedy));
    }
    if !is_key(&key_pem) {
        let what = match labels(&key_pem).next() {
            Some(label) => format!("`{}` holds no key but a {}", key.display(), label.to_lowercase()),
            None => format!("`{}` holds no key; expected -----BEGIN PRIVATE KEY-----", key.display()),
        };
        return Err(flaw(what, "give the file with the private key that the certificate was made for"));
    }
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| flaw(format!("`{}` is damaged: {error}", certificate.display()), "copy it again, whole"))?;
    let parsed: Vec<X509Certificate<'_>> = chain
        .iter()
        .map(|der| X509Certificate::from_der(der).map(|(_, parsed)| parsed))
        .collect::<Result<_, _>>()
        .map_err(|error| flaw(format!("`{}` is damaged: {error}", certificate.display()), "copy it again, whole"))?;
    let private = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|error| flaw(format!("the key `{}` is damaged: {error}", key.display()), "copy it again, whole"))?;
    if let Some(bits) = parsed.first().and_then(rsa_bits).filter(|bits| *bits < SHORTEST_RSA) {
        let remedy = "have a new key and certificate made: openssl genrsa -out hub.key 3072, or an EC key";
        return Err(flaw(format!("the key has {bits} bits of RSA; browsers want {SHORTEST_RSA}"), remedy));
    }
    let signing = aws_lc_rs::default_provider().key_provider.load_private_key(private).map_err(|error| {
        let remedy = "an RSA key of 2048 bits or more, or an EC key of the curves P-256 or P-384 does it: openssl ecparam -genkey \
                      -name prime256v1 -out hub.key";
        flaw(format!("the key `{}` is of a kind that https has no use for ({error})", key.display()), remedy)
    })?;
    let leaf = match signing.public_key() {
        Some(public) => parsed.iter().position(|one| one.public_key().raw == public.as_ref()),
        None => Some(0),
    };
    let Some(leaf) = leaf else {
        return Err(flaw(
            format!("the key `{}` is not the one that the certificate `{}` was made for", key.display(), certificate.display()),
            format!(
                "these two must print the same: openssl x509 -noout -pubkey -in {}; openssl pkey -pubout -in {}",
                certificate.display(),
                key.display()
            ),
        ));
    };
    let order = order(&parsed, leaf);
    let description = Description::read(&chain[leaf])
        .map_err(|reason| flaw(format!("`{}`: {reason}", certificate.display()), "have it made anew"))?;
    let chain = order.into_iter().filter_map(|at| chain.get(at).cloned()).collect();
    Ok(Own { chain, key: signing, description })
}

/// The text of a file in PEM, or what it is in place of that.
fn pem((path, bytes): &Content<'_>) -> Result<String, Flaw> {
    if bytes.first() == Some(&0x30) {
        return Err(binary(path, bytes));
    }
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        let remedy = format!(
            "keytool -importkeystore -srckeystore {} -destkeystore hub.p12 -deststoretype PKCS12, and of that {}",
            path.display(),
            of_pkcs12(Path::new("hub.p12"))
        );
        return Err(flaw(format!("`{}` is a key store of Java", path.display()), remedy));
    }
    let decoded = text::decode_guessing(bytes, LARGEST);
    decoded.map(|decoded| decoded.text).map_err(|error| {
        flaw(
            format!("`{}` is not PEM: {error}", path.display()),
            "give certificate and key as PEM: text with -----BEGIN ...-----",
        )
    })
}

/// What DER holds.
fn binary(path: &Path, bytes: &[u8]) -> Flaw {
    /// pkcs7-signedData
    const SIGNED_DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    let content = bytes.get(2 + bytes.get(1).map_or(0, |length| usize::from(length & 0x7f) * usize::from(*length >> 7))..);
    let content = content.unwrap_or_default();
    let called = |what: &str| format!("`{}` is {what}, not PEM", path.display());
    match () {
        () if X509Certificate::from_der(bytes).is_ok() => {
            flaw(called("a certificate in DER (binary)"), converted("x509 -inform der", path))
        }
        () if content.starts_with(&[0x02, 0x01, 0x03]) => flaw(called("PKCS#12, as .p12 and .pfx are"), of_pkcs12(path)),
        () if content.starts_with(&SIGNED_DATA) => {
            flaw(called("PKCS#7, as .p7b is"), converted("pkcs7 -inform der -print_certs", path))
        }
        () if content.starts_with(&[0x02, 0x01]) => flaw(called("a key in DER (binary)"), converted("pkey -inform der", path)),
        () if content.starts_with(&[0x30]) => {
            flaw(called("a key with a passphrase in DER (binary)"), converted("pkcs8 -inform der", path))
        }
        () => flaw(called("something binary"), "give certificate and key as PEM: text with -----BEGIN ...-----"),
    }
}

fn converted(how: &str, path: &Path) -> String {
    format!("openssl {how} -in {0} -out {0}.pem", path.display())
}

fn of_pkcs12(path: &Path) -> String {
    format!("openssl pkcs12 -in {0} -nokeys -out hub.pem; openssl pkcs12 -in {0} -nocerts -nodes -out hub.key", path.display())
}

/// What blocks of PEM are called, in order.
fn labels(pem: &str) -> impl Iterator<Item = &str> {
    pem.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
}

fn rsa_bits(certificate: &X509Certificate<'_>) -> Option<usize> {
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => Some(key.key_size()),
        _ => None,
    }
}

/// Each certificate, from `leaf` on, with the one behind it that signed it.
fn order(parsed: &[X509Certificate<'_>], leaf: usize) -> Vec<usize> {
    let mut order = vec![leaf];
    while let Some(last) = order.last().and_then(|at| parsed.get(*at))
        && order.len() < LONGEST_CHAIN
        && !is_own(last)
    {
        let signer = |at: &usize| !order.contains(at) && parsed[*at].subject().as_raw() == last.issuer().as_raw();
        match (0..parsed.len()).find(signer) {
            Some(signer) => order.push(signer),
            None => break,
        }
    }
    order
}

fn is_own(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// What browsers may not like about a certificate that can be used. `roots` is the PEM of the authorities this machine trusts.
pub fn doubts(own: &Own, roots: &[u8]) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if own.description.names.is_empty() {
        let remedy = "have it made anew, with the host name as a subject alternative name (subjectAltName=DNS:hub.example.org)";
        let what = "the certificate is for no name: browsers look at its subjectAltName only, and it has none";
        doubts.push(Doubt { flaw: flaw(what, remedy), is_certain: true });
    }
    doubts.extend(own.chain.last().and_then(|last| missing_signer(last, roots)));
    doubts
}

/// Whether who signed `last` is missing from the chain: not itself, and no authority that is known.
fn missing_signer(last: &[u8], roots: &[u8]) -> Option<Doubt> {
    let (_, last) = X509Certificate::from_der(last).ok()?;
    let is_root = |der: &CertificateDer<'_>| {
        X509Certificate::from_der(der).is_ok_and(|(_, root)| root.subject().as_raw() == last.issuer().as_raw())
    };
    if is_own(&last) || CertificateDer::pem_slice_iter(roots).flatten().any(|der| is_root(&der)) {
        return None;
    }
    let source = issuer_address(&last);
    let what = format!(
        "the chain ends with a certificate by `{}`, which is neither in the file nor an authority that browsers know",
        last.issuer()
    );
    let remedy = match &source {
        Some(address) => format!(
            "put that one behind it: curl -s {address} | openssl x509 -inform der >> the file; or use the authority's \
             \"full chain\""
        ),
        None => {
            "use the \"full chain\" that the authority gave; with an authority of your own, browsers need its root".to_owned()
        }
    };
    Some(Doubt { flaw: flaw(what, remedy), is_certain: source.is_some() })
}

/// Where a certificate says that its signer's is.
fn issuer_address(certificate: &X509Certificate<'_>) -> Option<String> {
    /// id-ad-caIssuers
    const ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => access.accessdescs.iter().find_map(|one| match &one.access_location {
            GeneralName::URI(address) if one.access_method.to_id_string() == ISSUERS => Some((*address).to_owned()),
            _ => None,
        }),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
