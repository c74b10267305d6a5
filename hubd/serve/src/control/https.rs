//! How https is doing: what browsers get, and what came of getting the next certificate.

use hub_core::config::HttpsMethod;
use hub_core::control::{CertificateInfo, HttpsStatus};
use hub_core::paths::Paths;
use hub_core::sys::entrusted;
use hub_tls::description::fingerprint;
use hub_tls::{Description, LARGEST, Record, Suggestion, renewal};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::ControlContext;

pub(super) fn status(context: &ControlContext) -> HttpsStatus {
    let config = context.config.get();
    let (Some(https), Some(tls)) = (&config.https, &context.tls) else {
        return HttpsStatus {
            method: "off".to_owned(),
            certificate: None,
            problem: None,
            failures: 0,
            next: None,
            authority: None,
            check: context.check.clone(),
        };
    };
    let now = Timestamp::now();
    let status = tls.status();
    let method = match https.method {
        HttpsMethod::Files { .. } => "files",
        HttpsMethod::Acme { .. } => "acme",
        HttpsMethod::Lan { .. } => "lan",
    };
    let record = match Record::load(&context.paths.certificate_record()) {
        Ok(record) => record.filter(|record| method != "files" && record.settings.starts_with(method)),
        Err(error) => {
            tracing::warn!("reading how getting certificates went: {error:#}");
            None
        }
    };
    let attempt = record.as_ref().and_then(|record| {
        let times = if record.failures == 1 { "once".to_owned() } else { format!("{} times in a row", record.failures) };
        let problem = record.problem.as_ref()?;
        Some(format!("getting a certificate failed {times}, last at {:.0}: {problem}", record.attempted))
    });
    let certificate = status.certificate.as_ref();
    let waiting = || "there is no certificate yet; `journalctl -u hubd-certificates` shows what is done about it".to_owned();
    let problem = match (certificate, method, attempt, status.problem) {
        // What the files lack is what was not got, so only the latter matters.
        (None, "acme" | "lan", attempt, _) => Some(attempt.unwrap_or_else(waiting)),
        (_, _, Some(attempt), Some(problem)) => Some(format!("{problem}; {attempt}")),
        (_, _, attempt, problem) => problem.or(attempt),
    };
    let next = (method != "files").then(|| {
        let waits = record.as_ref().and_then(|record| record.not_before(now));
        let suggestion = || {
            Suggestion::load(&context.paths.certificate_suggestion()).unwrap_or_else(|error| {
                tracing::warn!("reading what the authority suggests: {error:#}");
                None
            })
        };
        let suggestion = if method == "acme" { suggestion() } else { None };
        waits.or_else(|| certificate.map(|certificate| renewal(certificate, suggestion.as_ref()))).unwrap_or(now)
    });
    let authority = (method == "lan").then(|| authority(&context.paths));
    HttpsStatus {
        method: method.to_owned(),
        certificate: certificate.map(|certificate| info(certificate, now)),
        problem,
        failures: record.as_ref().map_or(0, |record| record.failures),
        next: next.map(|next| format!("{next:.0}")),
        authority: authority.flatten().map(|der| fingerprint(&der)),
        check: context.check.clone(),
    }
}

/// The local authority, as `hubd-certificates` left it.
fn authority(paths: &Paths) -> Option<CertificateDer<'static>> {
    let pem = entrusted::read(&paths.certificates(), &paths.certificate_authority(), LARGEST).ok()?;
    CertificateDer::from_pem_slice(&pem).ok()
}

fn info(certificate: &Description, now: Timestamp) -> CertificateInfo {
    CertificateInfo {
        names: certificate.names.clone(),
        issuer: certificate.issuer.clone(),
        not_before: certificate.not_before.to_string(),
        not_after: certificate.not_after.to_string(),
        days_left: certificate.days_left(now),
        fingerprint: certificate.fingerprint.clone(),
    }
}
