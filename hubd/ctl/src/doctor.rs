//! `hubctl doctor` and `report`: every check, what it found with its remedy, and on request the mending that is safe.

use anyhow::Result;
use hub_core::health::{Finding, Record, Severity};
use hub_doctor::{Mended, Unchecked, examine, mend};
use hub_system::systemctl::Systemctl;
use serde::Serialize;

use super::World;
use super::connect::{only_on_the_host, refuse_without_hub};
use super::failure::Exit;
use super::output::Tone;
use super::text::counted;

/// Looks every hour.
const SERVICE: &str = "hubd-doctor.service";

/// What `hubctl doctor --json` prints.
#[derive(Debug, Serialize)]
struct Told<'a> {
    findings: &'a [Finding],
    unchecked: &'a [Unchecked],
    /// What `--fix` did.
    #[serde(skip_serializing_if = "<[Mended]>::is_empty")]
    mended: &'a [Mended],
}

pub(super) fn run(world: &mut World, fix: bool, record: bool) -> Result<Exit> {
    only_on_the_host(world, "a look at the whole machine", "doctor")?;
    refuse_without_hub(world)?;
    let mut examination = examine(&world.paths);
    let mended = if fix { mend(&world.paths, &examination.findings) } else { Vec::new() };
    if !mended.is_empty() {
        examination = examine(&world.paths);
    }
    let (findings, unchecked) = (&examination.findings, &examination.unchecked);
    let exit = match (findings.is_empty(), unchecked.is_empty()) {
        (false, _) => Exit::Failed,
        (true, false) => Exit::Unknown,
        (true, true) => Exit::Done,
    };
    if record {
        return keep(world, findings).map(|()| exit);
    }
    follow(world, findings);
    if world.printer.json {
        world.printer.json(&Told { findings, unchecked, mended: &mended })?;
    } else {
        for Mended { id, done, problem, .. } in &mended {
            match (done, problem) {
                (Some(done), _) => world.printer.line(&format!("mended: {done}"))?,
                (None, problem) => {
                    world.printer.line(&format!("not mended ({id}): {}", problem.as_deref().unwrap_or_default()))?
                }
            }
        }
        show(world, findings, unchecked)?;
    }
    Ok(exit)
}

/// `hubctl report`: for somebody who helps from afar.
pub(super) fn report(world: &mut World) -> Result<Exit> {
    only_on_the_host(world, "a report on the whole machine", "report")?;
    refuse_without_hub(world)?;
    for line in hub_doctor::report(&world.paths).lines() {
        world.printer.line(line)?;
    }
    Ok(Exit::Done)
}

/// Leaves what was found where the hub shows it, and says what is new and what is over in the way that the journal knows.
fn keep(world: &mut World, findings: &[Finding]) -> Result<()> {
    let before = Record::load(&world.paths)?;
    let now = Record::new(world.now, findings.to_vec());
    for Finding { id, severity, what, remedy, command, .. } in now.beyond(before.as_ref()) {
        let level = if *severity == Severity::Problem { 3 } else { 4 };
        let way = [remedy.as_str(), command.as_deref().unwrap_or_default()].join("; ");
        world.printer.warn(&format!("<{level}>{id}: {}; {}", what.replace('\n', " "), way.trim_matches([';', ' '])))?;
    }
    for Finding { id, what, .. } in before.iter().flat_map(|before| before.beyond(Some(&now))) {
        world.printer.warn(&format!("<5>{id}: this is over: {}", what.replace('\n', " ")))?;
    }
    now.save(&world.paths)
}

/// Has the service look at once, too, where the hub shows something else than what was found now.
fn follow(world: &World, findings: &[Finding]) {
    let started = Record::load(&world.paths).and_then(|kept| {
        let now = Record::new(world.now, findings.to_vec());
        let kept = kept.unwrap_or_else(|| Record::new(world.now, Vec::new()));
        if now.beyond(Some(&kept)).is_empty() && kept.beyond(Some(&now)).is_empty() {
            return Ok(());
        }
        Systemctl::new(&world.paths).job(["start", "--no-block", SERVICE])
    });
    if let Err(error) = started {
        // Whoever looks sees it all the same.
        tracing::debug!("{error:#}");
    }
}

fn show(world: &mut World, findings: &[Finding], unchecked: &[Unchecked]) -> Result<()> {
    for finding in findings {
        let (word, tone) = match finding.severity {
            Severity::Problem => ("problem", Tone::Bad),
            Severity::Warning => ("warning", Tone::Warning),
        };
        world.printer.toned(word, tone, &finding.what)?;
        if !finding.why.is_empty() {
            world.printer.line(&format!("  why     {}", finding.why))?;
        }
        if !finding.remedy.is_empty() {
            world.printer.line(&format!("  remedy  {}", finding.remedy))?;
        }
        if let Some(command) = &finding.command {
            world.printer.line(&format!("  command {command}"))?;
        }
        world.printer.line("")?;
    }
    for Unchecked { what, why } in unchecked {
        world.printer.warn(&format!("not checked: {what}: {why}"))?;
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    match (count(Severity::Problem), count(Severity::Warning)) {
        (0, 0) if unchecked.is_empty() => world.printer.line("Everything is well.")?,
        (0, 0) => world.printer.line("Nothing is wrong as far as could be looked.")?,
        (problems, warnings) => {
            let told = format!("{}, {}.", counted(problems, "problem", "problems"), counted(warnings, "warning", "warnings"));
            world.printer.line(&told)?;
        }
    }
    Ok(())
}
