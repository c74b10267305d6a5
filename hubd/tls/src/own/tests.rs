//! Certificates as people have them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::*;

/// Root, intermediate and leaf, and the leaf's key, in PEM.
struct Chain {
    root: String,
    middle: String,
    leaf: String,
    key: String,
}

fn params(name: &str, names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn chain(names: &[&str]) -> Chain {
    let authority = |name: &str| {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let (root_key, middle_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = authority("root").self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(authority("root"), root_key);
    let middle = authority("middle").signed_by(&middle_key, &root_issuer).unwrap();
    let middle_issuer = Issuer::new(authority("middle"), middle_key);
    let leaf = params("hub", names).signed_by(&key, &middle_issuer).unwrap();
    Chain { root: root.pem(), middle: middle.pem(), leaf: leaf.pem(), key: key.serialize_pem() }
}

fn judged(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Own, Flaw> {
    validate(&(Path::new("hub.pem"), certificate.as_ref()), &(Path::new("hub.key"), key.as_ref()))
}

fn told(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> (String, String) {
    let Err(flaw) = judged(certificate, key) else { panic!("it was taken") };
    (flaw.what, flaw.remedy)
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[test]
fn a_chain_in_any_order_is_put_right() {
    let Chain { root, middle, leaf, key } = &chain(&["hub.example.org"]);
    let other = chain(&["other.example.org"]).middle;
    for file in [
        format!("{leaf}{middle}{root}"),
        format!("{root}{middle}{leaf}"),
        format!("{middle}{other}{leaf}{root}"),
        format!("{key}{root}{leaf}{middle}"),
    ] {
        let own = judged(&file, key).unwrap();
        assert_eq!(own.chain, [der(leaf), der(middle), der(root)]);
        assert_eq!(own.description.names, ["hub.example.org"]);
        assert_eq!(doubts(&own, b""), []);
    }
}

#[test]
fn what_editors_and_openssl_add_is_no_matter() {
    let Chain { leaf, key, .. } = &chain(&["hub.example.org"]);
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let wide: Vec<u8> = format!("\u{feff}{key}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for key in [format!("\u{feff}{key}"), key.replace('\n', "\r\n"), format!("{parameters}{key}"), format!("K\u{f6}ln\n{key}")] {
        assert!(judged(format!("\u{feff}{leaf}"), key).is_ok());
    }
    assert!(judged(leaf.replace('\n', "\r\n"), wide).is_ok());
}

#[test]
fn a_leaf_without_its_intermediate_is_noticed() {
    let Chain { root, middle, leaf, key } = &chain(&["hub.example.org"]);
    let doubt = |file: &str, roots: &str| doubts(&judged(file, key).unwrap(), roots.as_bytes());
    let found = doubt(leaf, root);
    assert_eq!(found.len(), 1);
    assert!(found[0].flaw.what.contains("`CN=middle`, which is neither in the file nor"), "{found:?}");
    assert_eq!(doubt(&format!("{leaf}{middle}"), root), []);
    assert_eq!(doubt(&format!("{leaf}{middle}"), "").len(), 1, "an authority that is not known");
    assert_eq!(doubt(leaf, middle), [], "signed by a root at once");
}

#[test]
fn a_certificate_without_names_is_noticed() {
    let Chain { root, middle, leaf, key } = &chain(&[]);
    let found = doubts(&judged(format!("{leaf}{middle}{root}"), key).unwrap(), b"");
    assert!(found.len() == 1 && found[0].is_certain && found[0].flaw.what.contains("subjectAltName"), "{found:?}");
}

#[test]
fn what_can_not_be_used_is_named_with_what_helps() {
    let Chain { leaf, key, .. } = &chain(&["hub.example.org"]);
    let other = chain(&["hub.example.org"]).key;
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    for (certificate, key, what, remedy) in [
        (leaf.clone(), block("ENCRYPTED PRIVATE KEY"), "`hub.key` has a passphrase", "openssl pkey -in hub.key -out hub.key.pem"),
        (leaf.clone(), old.to_owned(), "`hub.key` has a passphrase", "openssl pkey -in hub.key"),
        (leaf.clone(), other, "is not the one that the certificate `hub.pem` was made for", "openssl x509 -noout -pubkey"),
        (key.clone(), leaf.clone(), "they are swapped", "certificate = \"hub.key\""),
        (leaf.clone(), leaf.clone(), "`hub.key` holds no key but a certificate", "private key"),
        (leaf.clone(), block("PUBLIC KEY"), "holds no key but a public key", "private key"),
        (leaf.clone(), "hello".to_owned(), "`hub.key` holds no key; expected", "private key"),
        (block("CERTIFICATE REQUEST"), key.clone(), "is a request for a certificate", "authority"),
        (block("PKCS7"), key.clone(), "is PKCS#7", "openssl pkcs7 -print_certs -in hub.pem"),
        ("hello".to_owned(), key.clone(), "`hub.pem` holds no certificate", "PEM"),
    ] {
        let (told, helps) = told(&certificate, &key);
        assert!(told.contains(what), "{told}");
        assert!(helps.contains(remedy), "{told}: {helps}");
    }
}

/// Of 1024 bits: `openssl req -x509 -newkey rsa:1024 -nodes -subj /CN=hub`.
const SHORT: &str = include_str!("../../fixtures/short-rsa.pem");

#[test]
fn a_key_that_browsers_find_too_short_is_named() {
    let (told, helps) = told(SHORT, &chain(&["hub.example.org"]).key);
    assert_eq!(told, "the key has 1024 bits of RSA; browsers want 2048");
    assert!(helps.contains("openssl genrsa -out hub.key 3072"), "{helps}");
}

#[test]
fn binary_shapes_are_named() {
    let Chain { leaf, key, .. } = &chain(&["hub.example.org"]);
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let pkcs12 = [0x30, 0x82, 0x0a, 0x00, 0x02, 0x01, 0x03, 0x30];
    let pkcs7 = [0x30, 0x82, 0x0a, 0x00, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    for (certificate, what, remedy) in [
        (der(leaf).to_vec(), "a certificate in DER", "openssl x509 -inform der -in hub.pem -out hub.pem.pem"),
        (private.secret_der().to_vec(), "a key in DER", "openssl pkey -inform der"),
        (pkcs12.to_vec(), "PKCS#12", "openssl pkcs12 -in hub.pem -nocerts -nodes -out hub.key"),
        (pkcs7.to_vec(), "PKCS#7", "openssl pkcs7 -inform der -print_certs"),
        (vec![0x30, 0x01, 0xff], "something binary", "PEM"),
        (vec![0xfe, 0xed, 0xfe, 0xed], "a key store of Java", "keytool"),
        (vec![0x00, 0x01], "not PEM", "PEM"),
    ] {
        let (told, helps) = told(&certificate, key);
        assert!(told.contains(what), "{told}");
        assert!(helps.contains(remedy), "{told}: {helps}");
    }
}
