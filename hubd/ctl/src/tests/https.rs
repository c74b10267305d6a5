//! `hubctl https`.

use hub_core::control::{CertificateInfo, HttpsStatus};

use super::*;

fn status() -> HttpsStatus {
    HttpsStatus {
        method: "acme".to_owned(),
        certificate: Some(CertificateInfo {
            names: vec!["hub.example.org".to_owned(), "www.example.org".to_owned()],
            issuer: "R11 (Let's Encrypt)".to_owned(),
            not_before: "2026-08-01T00:00:00Z".to_owned(),
            not_after: "2026-10-30T00:00:00Z".to_owned(),
            days_left: 52,
            fingerprint: "AA:BB".to_owned(),
        }),
        problem: None,
        failures: 0,
        next: Some("2026-10-01T00:00:00Z".to_owned()),
        authority: None,
        check: "word".to_owned(),
    }
}

#[test]
fn status_says_for_whom_from_whom_and_until_when() {
    let (ran, asked) = Machine::host().run_with("https status", vec![Reply::Https(status())]);
    assert_eq!(
        ran.output,
        "method        acme: from an authority on the network, renewed by the hub\n\
         names         hub.example.org, www.example.org\n\
         issuer        R11 (Let's Encrypt)\n\
         good until    2026-10-30T00:00:00Z (52 days left)\n\
         SHA-256       AA:BB\n\
         next attempt  not before 2026-10-01T00:00:00Z\n"
    );
    assert_eq!((ran.code, asked), (0, vec![Request::Https]));
}

#[test]
fn status_keeps_the_words_of_the_authority_and_ends_with_1() {
    let problem = "getting a certificate failed once: no valid A records found for hub.example.org (dns)";
    let broken = HttpsStatus { certificate: None, problem: Some(problem.to_owned()), failures: 1, ..status() };
    let (ran, _) = Machine::host().run_with("https status", vec![Reply::Https(broken)]);
    assert!(ran.output.contains("none, so nobody can log in") && ran.output.contains(problem), "{}", ran.output);
    assert_eq!(ran.code, 1);
    assert!(ran.messages.contains("hubctl https check"), "{}", ran.messages);
}

#[test]
fn check_needs_the_host_and_a_configuration_with_https() {
    assert_eq!(Machine::inside().run("https check").code, 7);
    let machine = Machine::host();
    machine.write("etc/hubd/config.toml", "");
    let ran = machine.run("https check");
    assert_eq!(ran.code, 1);
    assert!(ran.messages.contains("https is off") && ran.messages.contains("--https acme"), "{}", ran.messages);
}

#[test]
fn check_judges_own_files() {
    let machine = Machine::host();
    let fixtures = std::fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../tls/fixtures")).unwrap();
    let fixture = |name: &str| fixtures.join(name).display().to_string();
    let (certificate, key) = (fixture("first.pem"), fixture("second.key.pem"));
    let config = format!("[https]\nlisten = [\"127.0.0.1:1\"]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n");
    machine.write("etc/hubd/config.toml", config);
    let ran = machine.run("https check");
    assert_eq!(ran.code, 1, "{}", ran.messages);
    assert!(ran.output.contains("nobody listens on 127.0.0.1:1"), "{}", ran.output);
    assert!(
        ran.output.contains(&format!("the key `{key}` is not the one that the certificate `{certificate}` was made for")),
        "{}",
        ran.output
    );
}

#[test]
fn own_files_are_not_asked_for() {
    let files = HttpsStatus { method: "files".to_owned(), ..status() };
    let (ran, _) = Machine::host().run_with("https renew", vec![Reply::Https(files)]);
    assert_eq!(ran.code, 0);
    assert!(ran.messages.contains("nothing to renew"), "{}", ran.messages);
}
