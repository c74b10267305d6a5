//! An authority that is down for days, until the certificate expires under open work; and a clock that is wrong.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::blocking::Client;
use serde_json::Value;

use super::pebble::{Behaviour, Pebble};
use super::{DEADLINE, GET_ONE, LOSE_IT, URL, client, fingerprint, plain, still_open, wait, wait_long};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::Hub;

/// Long enough for a look between two thirds of it and its end, on a busy machine too.
const SHORT_LIFE: Duration = Duration::from_secs(240);
/// How long it is waited after each failure in a row.
const PATIENCE_MINUTES: [u32; 7] = [20, 60, 120, 240, 720, 1440, 1440];

/// The certificate comes to its end for real, and days of trying go by on the record of them.
pub(super) fn expired(context: &Context, hub: &Hub, pebble: &Pebble<'_>, bob: &Browser, address: Ipv4Addr) -> Result<()> {
    let long = fingerprint(hub)?;
    pebble.start(hub, Behaviour { life: SHORT_LIFE, ..Behaviour::default() })?;
    hub.sh(&format!("{LOSE_IT}; {GET_ONE}"))?;
    wait(hub, "a short certificate", |status| status["certificate"]["fingerprint"] != long && status["problem"].is_null())?;
    let (_, trusted) = pebble.root("root-short.pem")?;
    let asker = client(address, trusted.clone())?;
    let kernels = kernels(&asker, bob)?;
    pebble.stop(hub)?;

    wait_long(hub, "the time to renew", SHORT_LIFE, |status| status["failures"] == 1 || hub.sh(GET_ONE).is_err())?;
    let page = asker.get(format!("{URL}/hub/login")).send().context("with a certificate that is due and still good")?;
    ensure!(page.status() == 200, "{page:?}");
    context.step("two thirds are over and the authority is down: it is used on")?;
    for (index, minutes) in PATIENCE_MINUTES.into_iter().enumerate() {
        let failures = u64::try_from(index)? + 1;
        for (passed, expected) in [(minutes - 1, failures), (minutes + 1, failures + 1)] {
            time_passes(hub, passed)?;
            hub.sh(GET_ONE)?;
            let status: Value = serde_json::from_str(&hub.hubctl_output(&["https", "status"])?.text())?;
            ensure!(status["failures"] == expected, "{passed} minutes after failure {failures}: {status}");
        }
    }
    context.step("for days it was tried again, ever more rarely")?;

    let over = |status: &Value| status["problem"].as_str().is_some_and(|text| text.contains("the certificate is good from"));
    let status = wait_long(hub, "the end of the certificate", SHORT_LIFE, over)?;
    ensure!(status["problem"].as_str().is_some_and(|text| text.contains("Connection refused")), "{status}");
    let summary = hub.hubctl(&["status"])?;
    ensure!(summary["https_problem"] == status["problem"], "{summary}");
    nobody_is_asked(address)?;
    // One that was here before goes on with what it agreed on then; and the last second counts for browsers.
    wait(hub, "newcomers to be warned", |_| {
        client(address, trusted.clone()).is_ok_and(|newcomer| newcomer.get(format!("{URL}/hub/login")).send().is_err())
    })?;
    still_open(bob)?;
    context.step("expired: nobody is asked for a password, the administrator reads why, open work goes on")?;

    pebble.start(hub, Behaviour::default())?;
    time_passes(hub, 1441)?;
    hub.sh(GET_ONE)?;
    wait(hub, "a good certificate", |status| status["problem"].is_null() && status["failures"] == 0)?;
    let asker = client(address, pebble.root("root-again.pem")?.1)?;
    ensure!(self::kernels(&asker, bob)? == kernels, "other kernels than before");
    still_open(bob)?;
    context.step("the authority is back: a certificate by itself; the session of before and its kernels go on")
}

/// A machine whose clock is a hundred days ahead.
pub(super) fn wrong_clock(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh("DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends faketime >/dev/null")?;
    let check = hub.command(["/usr/bin/faketime", "-f", "+100d", "/usr/local/bin/hubctl", "https", "check"]).output()?;
    let ahead = "this machine's clock is 144000 minutes ahead";
    ensure!(check.code == 1 && check.text().contains(ahead), "{}", check.text());
    let before = fingerprint(hub)?;
    let directory = "/run/systemd/system/hubd-certificates.service.d";
    hub.sh(&format!(
        "mkdir -p {directory}
         printf '[Service]\\nEnvironment=FAKETIME=+100d LD_PRELOAD=%s\\n' /usr/lib/*/faketime/libfaketime.so.1 >{directory}/clock.conf
         systemctl daemon-reload
         {GET_ONE}
         rm -r {directory}; systemctl daemon-reload"
    ))?;
    let status = wait(hub, "word of the clock", |status| status["failures"] == 1)?;
    let problem = status["problem"].as_str().unwrap_or_default();
    ensure!(problem.contains("but by the clock of this machine it is"), "problem: {problem}");
    ensure!(status["certificate"]["fingerprint"] == before, "a good certificate was given up: {status}");
    hub.sh(GET_ONE)?;
    wait(hub, "peace", |status| status["problem"].is_null() && status["failures"] == 0)?;
    context.step("with a clock that is a hundred days ahead nothing good is given up; with a right one all is well by itself")
}

/// Makes the last attempt that many minutes older.
pub(super) fn time_passes(hub: &Hub, minutes: u32) -> Result<()> {
    let then = format!("$(date -u -d '-{minutes} minutes' +%FT%TZ)");
    let record = "/var/lib/hubd-certificates/record.json";
    hub.sh(&format!("sed -i 's/\"attempted\": \"[^\"]*\"/\"attempted\": \"'\"{then}\"'\"/' {record}"))?;
    Ok(())
}

/// Over the plain port there is a page that says why, and nothing to fill in.
pub(super) fn nobody_is_asked(address: Ipv4Addr) -> Result<()> {
    let page = plain()?.get(format!("http://{address}/hub/login")).send()?;
    let (status, text) = (page.status(), page.text()?);
    ensure!(status == 503 && text.contains("Not safe to log in right now") && !text.contains("<form"), "{status}: {text}");
    let sent = plain()?.post(format!("http://{address}/hub/login")).body("username=bob&password=secret").send()?;
    ensure!(sent.status() == 503, "a password was taken in clear: {sent:?}");
    Ok(())
}

/// Bob's kernels, asked for with the session of his browser.
fn kernels(asker: &Client, bob: &Browser) -> Result<Vec<String>> {
    let cookies: Vec<String> = bob.cookies()?.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let key = bob.execute("return JSON.parse(document.getElementById('jupyter-config-data').textContent).token", Vec::new())?;
    let key = format!("token {}", key.as_str().unwrap_or_default());
    let question = asker.get(format!("{URL}/user/bob/api/kernels")).header("Authorization", key);
    let question = question.header("Cookie", cookies.join("; ")).timeout(DEADLINE);
    let answer = question.send().context("asking for kernels")?;
    ensure!(answer.status() == 200, "kernels: {answer:?}");
    let kernels: Vec<Value> = serde_json::from_str(&answer.text()?)?;
    let names: Vec<String> = kernels.iter().filter_map(|kernel| kernel["id"].as_str()).map(str::to_owned).collect();
    ensure!(!names.is_empty(), "no kernel runs");
    Ok(names)
}
