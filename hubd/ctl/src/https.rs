//! `hubctl https`: which certificate browsers get, and why there may be none.

mod authority;
mod caa;
mod check;
mod dns;
mod judge;
mod limits;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hub_core::control::{HttpsStatus, Reply, Request};
use hub_core::units::CERTIFICATES;
use hub_system::command::Command;

use super::World;
use super::arguments::HttpsVerb;
use super::connect::{ask, only_on_the_host, unexpected};
use super::failure::Exit;
use super::output::{Cell, Table, Tone};
use super::text::counted;

/// As long as the unit itself may take.
const RENEW_PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long until the hub has noticed what the unit did.
const NOTICE_PATIENCE: Duration = Duration::from_secs(15);
const NOTICE_POLL: Duration = Duration::from_millis(250);
/// Fewer days than this are worth a colour.
const SOON_DAYS: i64 = 14;

pub(super) use check::{doubts, obstacles, uncertified, unusable};

pub(super) fn run(verb: HttpsVerb, world: &mut World) -> Result<Exit> {
    match verb {
        HttpsVerb::Status => status(world),
        HttpsVerb::Check { certificate: Some(certificate), key: Some(key), host } => {
            check::given(world, &certificate, &key, host.as_deref())
        }
        HttpsVerb::Check { .. } => check::run(world),
        HttpsVerb::Renew => renew(world),
    }
}

/// How https is doing, in the hub's own words.
fn ask_hub(world: &World) -> Result<HttpsStatus> {
    match ask(world, &Request::Https)? {
        Reply::Https(status) => Ok(status),
        other => Err(unexpected(&other).into()),
    }
}

fn status(world: &mut World) -> Result<Exit> {
    let status = ask_hub(world)?;
    let exit = if status.problem.is_some() { Exit::Failed } else { Exit::Done };
    if world.printer.json {
        world.printer.json(&status)?;
        return Ok(exit);
    }
    if status.method == "off" {
        world.printer.line("https is off: passwords and notebooks travel unencrypted")?;
        world.printer.say(
            "hint: sudo /opt/hubd/bin/hub-installer install --https acme --domain hub.example.org --email you@example.org",
        )?;
        return Ok(exit);
    }
    world.printer.table(&table(&status))?;
    if status.problem.is_some() {
        world.printer.say("\nhint: sudo hubctl https check looks for the cause")?;
    }
    Ok(exit)
}

fn table(status: &HttpsStatus) -> Table {
    let mut table = Table::default();
    let label = |text: &str| Cell::new(text, Tone::Faint);
    let method = match status.method.as_str() {
        "acme" => "acme: from an authority on the network, renewed by the hub",
        "lan" => "lan: from an authority of the hub's own, renewed by the hub",
        "files" => "files: read again when they change",
        other => other,
    };
    table.row([label("method"), method.into()]);
    match &status.certificate {
        Some(certificate) => {
            table.row([label("names"), certificate.names.join(", ").into()]);
            table.row([label("issuer"), certificate.issuer.as_str().into()]);
            let days = certificate.days_left;
            let (left, tone) = match days {
                ..0 => ("it is over".to_owned(), Tone::Bad),
                days => {
                    let left = counted(usize::try_from(days).unwrap_or(0), "day left", "days left");
                    (left, if days < SOON_DAYS { Tone::Warning } else { Tone::Good })
                }
            };
            table.row([label("good until"), Cell::new(format!("{} ({left})", certificate.not_after), tone)]);
            table.row([label("SHA-256"), certificate.fingerprint.as_str().into()]);
        }
        None => table.row([label("certificate"), Cell::new("none, so nobody can log in", Tone::Bad)]),
    }
    if let Some(next) = &status.next {
        table.row([label("next attempt"), format!("not before {next}").into()]);
    }
    if let Some(authority) = &status.authority {
        table.row([label("authority"), authority.as_str().into()]);
        table.row([label(""), "people compare this and trust it once, at /hub/ca".into()]);
    }
    if let Some(problem) = &status.problem {
        table.row([label("problem"), Cell::new(problem, Tone::Bad)]);
    }
    table
}

/// Tries at once what would be tried later.
fn renew(world: &mut World) -> Result<Exit> {
    only_on_the_host(world, "asking for a certificate", "https renew")?;
    let before = ask_hub(world)?;
    if matches!(before.method.as_str(), "files" | "off") {
        world.printer.say("The hub is not set up to get certificates itself, so there is nothing to renew.")?;
        return Ok(Exit::Done);
    }
    // Without the record of failures nothing has to be waited for; a certificate that is fine stays.
    let record = world.paths.certificate_record();
    if before.failures > 0
        && let Err(error) = std::fs::remove_file(&record)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).with_context(|| format!("removing `{}`", record.display()));
    }
    world.printer.say("Getting the certificate; this can take a minute.")?;
    Command::new(world.paths.systemctl(), RENEW_PATIENCE)
        .args(["start", CERTIFICATES])
        .run()
        .with_context(|| format!("starting {CERTIFICATES}"))?;
    // The hub looks at the files every few seconds.
    let deadline = Instant::now() + NOTICE_PATIENCE;
    while Instant::now() < deadline {
        let now = ask_hub(world)?;
        if now.problem.is_none() || now.failures > 0 {
            break;
        }
        std::thread::sleep(NOTICE_POLL);
    }
    status(world)
}
