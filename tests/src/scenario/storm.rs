//! The start of class: many people log in at once on a small machine, and every one of them gets a JupyterLab.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::blocking::Client;
use reqwest::redirect::Policy;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{Hub, PASSWORD};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "storm",
    about: "ten people log in at once, and each gets a real JupyterLab",
    group: Group::Default,
    needs_programs: true,
    run: |context| run(context, 10, 0),
};

pub(super) const FULL: Scenario = Scenario {
    name: "storm-full",
    about: "the same with fifty; memory of the optimised hub and seconds until ready are noted",
    group: Group::Nightly,
    needs_programs: true,
    run: |context| run(context, 50, 5),
};

/// Nobody waits longer, whatever else the machine is doing. How long it really takes is noted, not judged.
const DEADLINE: Duration = Duration::from_secs(600);
const REQUEST_DEADLINE: Duration = Duration::from_secs(120);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// For one person alone, whose fractions of a second count.
const CLOSE_INTERVAL: Duration = Duration::from_millis(10);
const BARE: &str = include_str!("storm/bare.py");
const BARE_SCRIPT: &str = "mount --bind /opt/hubd/envs/1 /opt/hubd/env
    mount --bind /home/hubd/jupyter-\"$2\" /mnt
    exec python3 -c \"$1\" \"$2\" jupyter-\"$2\" /mnt";

/// `rounds`: how often one person's start is measured before.
fn run(context: &Context, people: usize, rounds: usize) -> Result<()> {
    let hub = Hub::install(context)?;
    let names: Vec<String> = (1..=people).map(|number| format!("student-{number:02}")).collect();
    hub.add_students(&names)?;
    context.step(&format!("hub without servers: {} kB", memory(&hub)?))?;

    if rounds > 0 {
        alone(context, &hub, &names[0], rounds)?;
    }

    let url: Arc<str> = hub.url().into();
    let threads: Vec<_> = names
        .iter()
        .map(|name| {
            let (url, name) = (Arc::clone(&url), name.clone());
            std::thread::spawn(move || get_in(&url, &name, LOOK_INTERVAL).with_context(|| name))
        })
        .collect();
    let mut seconds = Vec::new();
    let mut failures = Vec::new();
    for person in threads {
        match person.join() {
            Ok(Ok(waited)) => seconds.push(waited.as_secs_f64()),
            Ok(Err(error)) => failures.push(format!("{error:#}")),
            Err(_) => failures.push("a thread of the test panicked".to_owned()),
        }
    }
    ensure!(failures.is_empty(), "{} of {people} did not get in:\n{}", failures.len(), failures.join("\n"));
    seconds.sort_by(f64::total_cmp);
    context.step(&format!(
        "{people} at once: first {:.1} s, median {:.1} s, last {:.1} s; hub then: {} kB",
        seconds[0],
        seconds[people / 2],
        seconds[people - 1],
        memory(&hub)?
    ))?;
    let servers = hub.hubctl(&["server", "list"])?;
    let running =
        servers["servers"].as_array().map_or(0, |list| list.iter().filter(|server| server["phase"] == "running").count());
    ensure!(running == people, "{running} servers run: {servers}");
    Ok(())
}

/// What a start costs when nobody else wants one, beside the same JupyterLab without a hub, in turns.
fn alone(context: &Context, hub: &Hub, name: &str, rounds: usize) -> Result<()> {
    let (mut with_hub, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        with_hub.push(get_in(hub.url(), name, CLOSE_INTERVAL)?.as_secs_f64());
        hub.hubctl(&["server", "stop", name])?;
        bare.push(start_bare(hub, name)?);
    }
    let (with_hub, bare) = (median(with_hub), median(bare));
    context.step(&format!(
        "one alone, medians of {rounds}: {with_hub:.2} s from the login to JupyterLab, {bare:.2} s for JupyterLab without the \
         hub: {:.2} s more; hub then: {} kB",
        with_hub - bare,
        memory(hub)?
    ))
}

/// Seconds until a student's JupyterLab answers that nobody but this started.
fn start_bare(hub: &Hub, name: &str) -> Result<f64> {
    let output = hub
        .command(["/usr/bin/unshare", "--mount", "/bin/sh", "-euc", BARE_SCRIPT, "sh", BARE, name])
        .timeout(REQUEST_DEADLINE)
        .run()
        .context("starting JupyterLab without the hub")?;
    output.text().trim().parse().with_context(|| output.text())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Logs in like a browser and waits until JupyterLab's own page comes; the time from pressing the button.
fn get_in(url: &str, name: &str, look_interval: Duration) -> Result<Duration> {
    let browser = Client::builder().redirect(Policy::none()).timeout(REQUEST_DEADLINE).no_proxy().build()?;
    let page = browser.get(format!("{url}/hub/login")).send()?.error_for_status()?;
    let form_cookie = cookie(&page)?;
    let page = page.text()?;
    let token =
        page.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).context("no token in the form")?;
    let form = format!("token={token}&next=&username={name}&password={}", PASSWORD.replace(' ', "+"));
    let started = Instant::now();
    let answer = browser
        .post(format!("{url}/hub/login"))
        .header("Cookie", form_cookie)
        .header("Origin", url)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form)
        .send()?;
    ensure!(answer.status().is_redirection(), "logging in: {}\n{}", answer.status(), answer.text().unwrap_or_default());
    let session = cookie(&answer)?;
    let lab = format!("{url}/user/{name}/lab");
    while started.elapsed() < DEADLINE {
        let answer = browser.get(&lab).header("Cookie", &session).header("Accept", "text/html").send()?;
        if answer.status().is_success() && answer.text()?.contains("jupyter-config-data") {
            return Ok(started.elapsed());
        }
        std::thread::sleep(look_interval);
    }
    bail!("waited {} s for JupyterLab", DEADLINE.as_secs())
}

/// The cookies an answer sets, as the next request sends them; those it deletes are left out.
fn cookie(answer: &reqwest::blocking::Response) -> Result<String> {
    let cookies: Vec<&str> = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next())
        .filter(|pair| !pair.ends_with('='))
        .collect();
    ensure!(!cookies.is_empty(), "the answer sets no cookie");
    Ok(cookies.join("; "))
}

/// Memory of `hubd serve` and the launcher together, as their share of it (Pss), in kB.
fn memory(hub: &Hub) -> Result<u64> {
    let script = "for unit in hubd hubd-launcher; do \
                    awk '/^Pss:/ { print $2 }' /proc/$(systemctl show --property=MainPID --value $unit.service)/smaps_rollup; \
                  done | awk '{ sum += $1 } END { print sum }'";
    hub.sh(script)?.trim().parse().context("reading the memory of the hub")
}
