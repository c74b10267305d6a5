//! `hubctl status`: is the hub well, and if it does not answer, which unit is down and what it said last.

mod units;

use anyhow::Result;
use hub_core::config::history::{History, State};
use hub_core::control::environment::Asker;
use hub_core::control::{HubStatus, Reply, Request, ServerInfo, ServerPhase};
use hub_core::health::{self, Finding};
use hub_core::upgrade;
use hub_system::systemctl::UnitReport;
use hub_system::upgrade::JobStore;
use serde::Serialize;

use super::World;
use super::connect::{Place, ask, refuse_without_hub, unexpected};
use super::failure::{Exit, Failure};
use super::output::{Cell, Table, Tone};
use super::server::remarks;
use super::text::{counted, memory, moment, span};

/// What `hubctl status --json` prints when the hub answers.
#[derive(Debug, Serialize)]
struct Running<'a> {
    running: bool,
    #[serde(flatten)]
    status: &'a HubStatus,
    /// What is not as it should be, as `hubctl doctor` says it, without looking at the machine.
    #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
    findings: &'a [Finding],
}

/// What `hubctl status --json` prints when it does not.
#[derive(Debug, Serialize)]
struct NotRunning<'a> {
    running: bool,
    problem: &'a str,
    hint: Option<&'a str>,
    units: &'a [UnitReport],
    log: &'a [String],
}

pub(super) fn show(world: &mut World) -> Result<Exit> {
    refuse_without_hub(world)?;
    match ask(world, &Request::Status) {
        Ok(Reply::Status(status)) => show_running(world, &status),
        Ok(other) => Err(unexpected(&other).into()),
        Err(failure) if failure.stops_everything() => explain_silence(world, &failure),
        Err(failure) => Err(failure.into()),
    }
}

fn show_running(world: &mut World, status: &HubStatus) -> Result<Exit> {
    let (configuration, upgrade) = (configuration(world)?, upgrade(world)?);
    let mut findings = health::of_status(status);
    let kept = kept(world)?;
    let warnings: Vec<&Finding> = kept.iter().filter(|finding| finding.id == "config").collect();
    findings.extend(kept.iter().cloned());
    let exit = if findings.iter().any(Finding::is_problem) { Exit::Failed } else { Exit::Done };
    if world.printer.json {
        world.printer.json(&Running { running: true, status, findings: &findings })?;
        return Ok(exit);
    }
    let mut table = Table::default();
    let label = |text: &str| Cell::new(text, Tone::Faint);
    let up = format!("running, version {}, up {}", status.version, span(status.uptime_seconds));
    table.row([label("hub"), Cell::new(up, Tone::Good)]);
    table.row([label("address"), status.url.as_deref().unwrap_or("not set: give `url` under [hub] in the configuration").into()]);
    table.row([label("launcher"), launcher(status)]);
    let environment = match status.environment {
        Some(number) => format!("generation {number}").into(),
        None if status.launcher_problem.is_some() => "unknown: only the launcher can tell".into(),
        None => Cell::new("none yet, so no server can start", Tone::Bad),
    };
    table.row([label("environment"), environment]);
    let people = format!("{} enrolled, {} logged in", status.users, status.sessions);
    table.row([label("people"), people.into()]);
    table.row([label("servers"), count_phases(&status.servers).into()]);
    if let Some(used) = status.memory {
        table.row([label("memory"), format!("{} in use by servers", memory(Some(used.used_bytes), used.allowed_bytes)).into()]);
    }
    if let Some(problem) = &status.listen_problem {
        table.row([label("browsers"), Cell::new(problem, Tone::Bad)]);
    }
    if let Some(problem) = &status.https_problem {
        table.row([label("https"), Cell::new(problem, Tone::Bad)]);
    }
    match (&status.backup_problem, &status.backup) {
        (Some(problem), _) => table.row([label("backup"), Cell::new(&problem.what, Tone::Bad)]),
        (None, Some(latest)) => table.row([label("backup"), moment(latest, world.now, &world.zone).into()]),
        (None, None) => {}
    }
    if let Some(problem) = &status.accounts_problem {
        let (problem, _) = problem.split_once("\nhint: ").unwrap_or((problem, ""));
        table.row([label("accounts"), Cell::new(problem, Tone::Bad)]);
    }
    if let Some(cell) = configuration {
        table.row([label("configuration"), cell]);
    }
    if let Some(cell) = upgrade {
        table.row([label("upgrade"), cell]);
    }
    world.printer.table(&table)?;
    if let Some((_, hint)) = status.accounts_problem.as_deref().and_then(|problem| problem.split_once("\nhint: ")) {
        world.printer.say(&format!("hint: {hint}"))?;
    }
    if let Some(problem) = &status.backup_problem {
        world.printer.say(&format!("hint: {}", problem.hint))?;
    }
    if status.listen_problem.is_some() {
        world
            .printer
            .say("hint: systemctl status hubd.socket; another address, on the machine: sudo hubctl config set http.listen '[\"0.0.0.0:80\"]'")?;
    }
    if status.https_problem.is_some() {
        world.printer.say("hint: hubctl https status")?;
    }
    for Finding { what, remedy, .. } in warnings {
        world.printer.warn(&format!("warning: {what}; {remedy}"))?;
    }
    for shortage in &status.shortages {
        world.printer.warn(&format!("warning: {shortage}"))?;
    }
    for server in status.servers.iter().filter(|server| server.phase == ServerPhase::Failed) {
        let problem = server.problem.as_deref().unwrap_or("it ended on its own");
        world.printer.line("")?;
        world.printer.line(&format!("{}: {problem}", server.name))?;
        world.printer.say(&format!("hint: hubctl server logs {}", server.name))?;
        if server.own_may_be_why {
            let name = &server.name;
            world.printer.say(&format!(
                "hint: start without {name}'s own packages and settings: hubctl server start {name} --without-own"
            ))?;
        }
    }
    for text in status.servers.iter().flat_map(remarks) {
        world.printer.line(&format!("\n{text}"))?;
    }
    if status.version != env!("CARGO_PKG_VERSION") {
        let own = env!("CARGO_PKG_VERSION");
        world.printer.say(&format!("\nThis hubctl is version {own}. To let the hub follow: systemctl restart hubd"))?;
    }
    if status.launcher_problem.is_some() {
        world.printer.say("\nhint: without the launcher no server can start or stop: systemctl status hubd-launcher.service")?;
    }
    Ok(exit)
}

/// What the machine keeps that is not as it should be. Inside the hub nobody can tell.
fn kept(world: &World) -> Result<Vec<Finding>> {
    match Place::find(world)? {
        Place::Host(_) => Ok(hub_doctor::kept(&world.paths)),
        Place::Operator(_) | Place::Inside(_) => Ok(Vec::new()),
    }
}

/// Which version is in force, where the last one that was saved is not. Inside the hub nobody can tell.
fn configuration(world: &World) -> Result<Option<Cell>> {
    if !matches!(Place::find(world)?, Place::Host(_)) {
        return Ok(None);
    }
    let history = History::open(&world.paths);
    let last = match history.entries() {
        Ok(mut entries) => entries.pop(),
        // How the hub is can be told all the same.
        Err(error) => return Ok(Some(Cell::new(format!("its history can't be read: {error:#}"), Tone::Bad))),
    };
    let Some(last) = last else { return Ok(None) };
    let reason = last.reason.unwrap_or_default();
    Ok(match last.state {
        State::Healthy => None,
        State::RolledBack => {
            let healthy =
                history.last_healthy()?.map_or_else(|| "an earlier one".to_owned(), |entry| format!("version {}", entry.number));
            Some(Cell::new(format!("{healthy}; version {} was rolled back: {reason}", last.number), Tone::Warning))
        }
        State::Pending => Some(Cell::new(format!("version {} is not confirmed: {reason}", last.number), Tone::Warning)),
    })
}

/// How the latest upgrade ended, when it was taken back or nobody stood by. Inside the hub nobody can tell.
fn upgrade(world: &World) -> Result<Option<Cell>> {
    if !matches!(Place::find(world)?, Place::Host(_)) {
        return Ok(None);
    }
    let outcome = match JobStore::new(&world.paths).outcome() {
        Ok(outcome) => outcome,
        Err(error) => return Ok(Some(Cell::new(format!("{error:#}"), Tone::Bad))),
    };
    let Some(outcome) = outcome else { return Ok(None) };
    let tone = match outcome.state {
        upgrade::State::RolledBack => Tone::Warning,
        upgrade::State::Failed => Tone::Bad,
        _ if outcome.who == Asker::Timer.to_string() => Tone::Plain,
        _ => return Ok(None),
    };
    Ok(Some(Cell::new(outcome.describe(), tone)))
}

fn launcher(status: &HubStatus) -> Cell {
    match (&status.launcher_problem, &status.launcher_version) {
        (Some(problem), _) => Cell::new(format!("does not answer: {problem}"), Tone::Bad),
        (None, Some(version)) if *version != status.version => Cell::new(format!("answers, version {version}"), Tone::Warning),
        (None, _) => "answers".into(),
    }
}

/// `12 running, 1 failed`, or `none`.
fn count_phases(servers: &[ServerInfo]) -> String {
    let phases = [
        (ServerPhase::Running, "running"),
        (ServerPhase::Starting, "starting"),
        (ServerPhase::Queued, "queued"),
        (ServerPhase::Stopping, "stopping"),
        (ServerPhase::Failed, "failed"),
    ];
    let counts: Vec<String> = phases
        .into_iter()
        .map(|(phase, word)| (servers.iter().filter(|server| server.phase == phase).count(), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

fn explain_silence(world: &mut World, failure: &Failure) -> Result<Exit> {
    let (units, log) = match Place::find(world)? {
        Place::Host(_) | Place::Operator(_) => units::probe(world),
        // There is no systemd to be asked from inside a server.
        Place::Inside(_) => (Vec::new(), Vec::new()),
    };
    if world.printer.json {
        let (problem, hint) = (failure.message.as_str(), failure.hint.as_deref());
        world.printer.json(&NotRunning { running: false, problem, hint, units: &units, log: &log })?;
        return Ok(Exit::Failed);
    }
    world.printer.line(&failure.message)?;
    if !units.is_empty() {
        world.printer.line("")?;
        let mut table = Table::with_heading(["UNIT", "STATE"]);
        for unit in &units {
            let tone = if unit.is_well() { Tone::Plain } else { Tone::Bad };
            table.row([unit.unit.as_str().into(), Cell::new(unit.words(), tone)]);
        }
        world.printer.table(&table)?;
    }
    if !log.is_empty() {
        world.printer.line("")?;
        world.printer.line(&format!("The last {} of its log:", counted(log.len(), "line", "lines")))?;
        for line in &log {
            world.printer.line(&format!("  {line}"))?;
        }
    }
    let next = match units.iter().find(|unit| !unit.is_well()) {
        _ if upgrade::is_half_installed(&world.paths) => {
            "an install or uninstall of the hub was interrupted; run the same command again to continue".to_owned()
        }
        Some(unit) => format!("systemctl status {0}; journalctl -u {0}", unit.unit),
        None => failure.hint.clone().unwrap_or_default(),
    };
    world.printer.say(&format!("\nhint: {next}"))?;
    Ok(Exit::Failed)
}
