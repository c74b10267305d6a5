//! One run of `hubd-certificates`: looks what there is, does what is due, writes down how it went, and ends. A timer, and
//! every change of the configuration, begin the next.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use hub_core::config::{Config, HttpsMethod};
use hub_core::paths::Paths;
use hub_tls::{Asked, Decision, Orders, Record, USUAL_DIRECTORY, decide, renewal};
use hub_tls::{Description, Suggestion};
use jiff::Timestamp;

use super::acme::{self, CrashPoint, Wish};
use super::answers::Kind;
use super::lan;
use super::store::Store;

/// For a name server to answer.
const NAME_PATIENCE: Duration = Duration::from_secs(10);

/// Does what is due. That an authority refuses is no error here: it is written down, and tried again later.
///
/// # Errors
/// When nothing can be kept on disk, or the machine does not tell its addresses.
pub async fn run(paths: &Paths, config: &Config, at: &dyn Fn(CrashPoint)) -> Result<()> {
    let Some(https) = &config.https else {
        tracing::debug!("there is no https, so there is nothing to do");
        return Ok(());
    };
    let (settings, names, certificate) = match &https.method {
        HttpsMethod::Files { .. } => {
            tracing::debug!("the certificate comes from files, so there is nothing to do");
            return Ok(());
        }
        HttpsMethod::Acme { domains, directory, .. } => {
            let directory = directory.as_deref().unwrap_or(USUAL_DIRECTORY);
            (format!("acme {directory} {}", domains.join(" ")), domains.clone(), paths.acme_certificate())
        }
        HttpsMethod::Lan { domains } => (format!("lan {}", domains.join(" ")), lan::names(domains)?, paths.lan_certificate()),
    };
    let store = Store::open(paths, certificate)?;
    let mut record = Record::load(&store.record()).unwrap_or_else(|error| {
        tracing::warn!("going on without the record of earlier attempts: {error:#}");
        None
    });
    let has_waited = record.as_ref().is_some_and(|record| record.led_nowhere && record.settings == settings);
    let mut nowhere = if has_waited { leads_nowhere(&names).await } else { None };
    if has_waited && nowhere.is_none() {
        record = record.map(Record::with_names);
    }
    let now = Timestamp::now();
    let present = store.present();
    let suggestion = match (&https.method, &present) {
        (HttpsMethod::Acme { directory, directory_ca, .. }, Some(present)) => {
            suggestion(&store, directory.as_deref().unwrap_or(USUAL_DIRECTORY), directory_ca.as_deref(), present, now).await
        }
        _ => None,
    };
    match decide(now, present.as_ref(), &names, &settings, record.as_ref(), suggestion.as_ref()) {
        Decision::Rest(until) => {
            // What failed by a clock that was ahead is over when all is well by the right one.
            if record.as_ref().is_some_and(|record| record.failures > 0 && record.attempted > now) {
                Record::succeeded(&settings, now).save(&store.record())?;
            }
            tracing::debug!(%until, "nothing is due before {until:.0}");
            return Ok(());
        }
        Decision::Act(reason) => tracing::info!("getting a certificate for {}: {reason}", names.join(", ")),
    }
    if !has_waited && matches!(https.method, HttpsMethod::Acme { .. }) {
        nowhere = leads_nowhere(&names).await;
    }
    // Authorities count what they can't look at. The second time they are asked all the same: they may see more of the
    // world than this machine does.
    if let Some(problem) = nowhere.as_ref().filter(|_| !has_waited) {
        let problem = format!("{problem}; the authority was not asked");
        let outcome = Record { led_nowhere: true, ..Record::failed(record.as_ref(), &settings, now, &problem, None) };
        outcome.save(&store.record())?;
        tracing::error!("no certificate: {problem}");
        return Ok(());
    }
    let failures = record.as_ref().filter(|record| record.settings == settings).map_or(0, |record| record.failures);
    let mut told_to_wait = None;
    let result = match &https.method {
        HttpsMethod::Files { .. } => Ok(()),
        HttpsMethod::Lan { .. } => lan::issue(&store, &config.hub.name, &names, now),
        HttpsMethod::Acme { email, domains, directory, directory_ca } => match acme::client(directory_ca.as_deref()) {
            Ok(client) => {
                let directory = directory.as_deref().unwrap_or(USUAL_DIRECTORY);
                let wish = Wish { email, domains, directory, kind: Kind::after(failures, config) };
                let result = acme::issue(&store, &client, &wish, at).await;
                told_to_wait = client.told_to_wait_until();
                if result.as_ref().err().is_none_or(acme::is_refusal) {
                    let names = domains.iter().cloned().collect();
                    count(paths, Asked { at: now, directory: directory.to_owned(), names, issued: result.is_ok() });
                }
                result
            }
            Err(error) => Err(error),
        },
    };
    let outcome = match &result {
        Ok(()) => Record::succeeded(&settings, now),
        Err(error) => {
            let failed = Record::failed(record.as_ref(), &settings, now, &format!("{error:#}"), told_to_wait);
            Record { led_nowhere: nowhere.is_some(), ..failed }
        }
    };
    outcome.save(&store.record())?;
    match result {
        Ok(()) => {
            if let Some(present) = store.present() {
                let until = present.not_after;
                tracing::info!(%until, "got a certificate from {}, good until {until}", present.issuer);
            }
        }
        Err(error) => {
            let next = outcome.not_before(now).unwrap_or(now);
            tracing::error!(failures = outcome.failures, %next, "no certificate: {error:#}; trying again after {next:.0}");
        }
    }
    Ok(())
}

/// Which of `names` leads nowhere, as far as this machine can see, and why; `None`: all of them lead somewhere.
async fn leads_nowhere(names: &[String]) -> Option<String> {
    for name in names {
        let reason = match tokio::time::timeout(NAME_PATIENCE, tokio::net::lookup_host((name.as_str(), 80))).await {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("waited {} s for the name server", NAME_PATIENCE.as_secs()),
        };
        return Some(format!("{name} does not resolve: {reason}"));
    }
    None
}

/// What the authority suggests about the certificate in use: as it said last, or asked anew. It can only make a renewal
/// earlier, so one that says nothing, or nonsense, is no reason for anything.
async fn suggestion(
    store: &Store,
    directory: &str,
    directory_ca: Option<&Path>,
    present: &Description,
    now: Timestamp,
) -> Option<Suggestion> {
    let path = store.suggestion();
    let known = Suggestion::load(&path).unwrap_or_else(|error| {
        tracing::warn!("asking anew what the authority suggests: {error:#}");
        None
    });
    let is_due = now >= renewal(present, None);
    if is_due || known.as_ref().is_some_and(|known| !known.is_stale(&present.fingerprint, now)) {
        return known;
    }
    let answer = match acme::client(directory_ca) {
        Ok(client) => acme::suggested(store, Box::new(client), directory).await,
        Err(error) => Err(error),
    };
    let answer = answer.unwrap_or_else(|error| {
        tracing::info!("the authority does not say when to renew: {error:#}");
        None
    });
    let suggestion = Suggestion::new(&present.fingerprint, answer, now);
    if let Err(error) = suggestion.save(&path) {
        tracing::warn!("not keeping what the authority suggests: {error:#}");
    }
    Some(suggestion)
}

/// Writes down what an authority counts as well. That it can't be is no reason to go without a certificate.
fn count(paths: &Paths, asked: Asked) {
    let path = paths.certificate_orders();
    let mut orders = Orders::load(&path).unwrap_or_else(|error| {
        tracing::warn!("going on without what authorities were asked for earlier: {error:#}");
        Orders::default()
    });
    orders.add(asked);
    if let Err(error) = orders.save(&path) {
        tracing::warn!("not keeping what an authority was asked for: {error:#}");
    }
}
