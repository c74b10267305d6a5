//! Answers in words and tables, or as they are with `--json`.

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::control::environment::{
    BuildState, EnvironmentReply, EnvironmentRequest, EnvironmentStatus, GenerationInfo, KernelInfo, Record,
};
use hub_core::packages::{Asked, Conda, Requirement};
use hub_core::packages::{Installed, VersionChange};

use super::ask::{ask, unexpected};
use crate::World;
use crate::failure::Exit;
use crate::output::{Cell, Table, Tone};
use crate::text::{ago, counted};

/// Asks and prints the answer.
pub(super) fn answer(world: &mut World, request: &EnvironmentRequest) -> Result<Exit> {
    let answer = ask(world, request)?;
    let problems = matches!(&answer, EnvironmentReply::Checked { problems } if !problems.is_empty());
    let exit = if problems { Exit::Failed } else { Exit::Done };
    if world.printer.json {
        json(world, &answer)?;
        return Ok(exit);
    }
    match answer {
        EnvironmentReply::Status(status) => self::status(world, &status)?,
        EnvironmentReply::Generations { generations } => list(world, &generations)?,
        EnvironmentReply::Packages { number, asked, conda, packages } => {
            self::packages(world, number, &Asked { packages: asked, conda }, &packages)?;
        }
        EnvironmentReply::Lock { text, .. } => world.printer.output.write_all(text.as_bytes())?,
        EnvironmentReply::Diff { from, to, changes } => diff(world, from, to, &changes)?,
        EnvironmentReply::History { records } => history(world, &records)?,
        EnvironmentReply::Checked { problems } if problems.is_empty() => {
            world.printer.say("The environment is complete, has everything that was asked for, and fits this machine.")?;
        }
        EnvironmentReply::Checked { problems } => {
            for problem in problems {
                world.printer.line(&problem)?;
            }
        }
        EnvironmentReply::Kernels { kernels } => self::kernels(world, &kernels)?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(exit)
}

/// Without the word that tells one answer from another on the wire.
fn json(world: &mut World, answer: &EnvironmentReply) -> Result<()> {
    let mut value = serde_json::to_value(answer)?;
    if let Some(object) = value.as_object_mut() {
        object.remove("answer");
    }
    Ok(world.printer.json(&value)?)
}

fn status(world: &mut World, status: &EnvironmentStatus) -> Result<()> {
    let mut table = Table::default();
    let current = match (status.current, &status.python) {
        (Some(number), Some(python)) => Cell::new(format!("environment {number}, {python}"), Tone::Good),
        _ => Cell::new("there is none yet", Tone::Bad),
    };
    table.row(["New servers get".into(), current]);
    let asked = words(&status.asked, status.conda.as_ref());
    let asked = if asked.is_empty() { "nothing besides what the hub needs".to_owned() } else { asked };
    table.row(["Asked for".into(), asked.into()]);
    if !status.is_as_asked {
        let hint = "the configuration asks for other packages than it has: hubctl env apply builds those";
        table.row([Cell::new("", Tone::Plain), Cell::new(hint, Tone::Warning)]);
    }
    if !status.is_of_this_version {
        let hint = "another version of hubd built it, maybe without newer features: hubctl env apply rebuilds it";
        table.row([Cell::new("", Tone::Plain), Cell::new(hint, Tone::Warning)]);
    }
    match &status.building {
        Some(record) => {
            let text =
                format!("{} (asked for by {}, {}): {}", record.what, record.who, ago(&record.when, world.now), record.phase);
            table.row(["Under way".into(), Cell::new(text, Tone::Warning)]);
        }
        None => table.row(["Under way".into(), "nothing".into()]),
    }
    match &status.servers {
        None => table.row(["Servers".into(), "systemd does not say who runs on what".into()]),
        Some(servers) if servers.is_empty() => table.row(["Servers".into(), "none is running".into()]),
        Some(servers) => {
            for servers in servers {
                let is_old = status.current != Some(servers.number);
                let note = if is_old { ", until they are started again" } else { "" };
                let text = format!(
                    "{} on environment {}: {}{note}",
                    counted(servers.names.len(), "server", "servers"),
                    servers.number,
                    people(&servers.names)
                );
                table.row(["Servers".into(), Cell::new(text, if is_old { Tone::Warning } else { Tone::Plain })]);
            }
        }
    }
    Ok(world.printer.table(&table)?)
}

fn list(world: &mut World, generations: &[GenerationInfo]) -> Result<()> {
    let mut table = Table::with_heading(["NUMBER", "", "PACKAGES", "MADE", "BY", "ASKED FOR"]);
    for one in generations {
        let current = if one.is_current { Cell::new("current", Tone::Good) } else { "".into() };
        let when = one.when.as_deref().map_or_else(|| "with the hub".to_owned(), |when| ago(when, world.now));
        table.row([
            one.number.to_string().into(),
            current,
            one.packages.to_string().into(),
            when.into(),
            one.who.clone().unwrap_or_else(|| "hub-installer".to_owned()).into(),
            words(&one.asked, one.conda.as_ref()).into(),
        ]);
    }
    Ok(world.printer.table(&table)?)
}

fn packages(world: &mut World, number: u32, asked: &Asked, packages: &[Installed]) -> Result<()> {
    let mut table = Table::with_heading(["PACKAGE", "VERSION", "ASKED FOR"]);
    for package in packages {
        let of_conda = asked.conda.iter().flat_map(|conda| &conda.specs).find(|one| one.name() == package.name);
        let of_index = asked.packages.iter().find(|one| one.name() == package.name);
        let asked = of_conda.map(ToString::to_string).or(of_index.map(ToString::to_string)).unwrap_or_default();
        table.row([package.name.as_str().into(), package.version.as_str().into(), asked.into()]);
    }
    world.printer.table(&table)?;
    Ok(world.printer.say(&format!("{} in environment {number}.", counted(packages.len(), "package", "packages")))?)
}

fn diff(world: &mut World, from: u32, to: u32, changes: &[VersionChange]) -> Result<()> {
    world.printer.say(&format!("From environment {from} to {to}: {}", counted(changes.len(), "change", "changes")))?;
    for change in changes {
        world.printer.line(&change_line(change))?;
    }
    Ok(())
}

/// `+ pandas 3.1.1`, `- pandas 3.1.1`, `  pandas 3.1.0 -> 3.1.1`
pub(super) fn change_line(change: &VersionChange) -> String {
    match (&change.from, &change.to) {
        (None, Some(to)) => format!("+ {} {to}", change.name),
        (Some(from), None) => format!("- {} {from}", change.name),
        (Some(from), Some(to)) => format!("  {} {from} -> {to}", change.name),
        (None, None) => format!("  {}", change.name),
    }
}

fn history(world: &mut World, records: &[Record]) -> Result<()> {
    if records.is_empty() {
        return Ok(world.printer.say("Nothing was asked for yet: the environment is the one that came with the hub.")?);
    }
    let mut table = Table::with_heading(["NUMBER", "WHEN", "WHO", "WHAT", "RESULT", "LOG"]);
    for record in records {
        let result = match record.state {
            BuildState::Done => match record.to {
                Some(to) => Cell::new(format!("environment {to}"), Tone::Good),
                None => "done".into(),
            },
            BuildState::Unchanged => "nothing to change".into(),
            BuildState::Planned => "planned".into(),
            BuildState::Failed => Cell::new("failed", Tone::Bad),
            BuildState::Waiting | BuildState::Building => Cell::new(record.phase.as_str(), Tone::Warning),
        };
        table.row([
            record.number.to_string().into(),
            ago(&record.when, world.now).into(),
            record.who.as_str().into(),
            record.what.as_str().into(),
            result,
            record.log.display().to_string().into(),
        ]);
    }
    Ok(world.printer.table(&table)?)
}

fn kernels(world: &mut World, kernels: &[KernelInfo]) -> Result<()> {
    if kernels.is_empty() {
        let text = "There are no extra kernels beside everybody's Python. To make one: hubctl env --kernel NAME install PACKAGE";
        return Ok(world.printer.say(text)?);
    }
    let mut table = Table::with_heading(["KERNEL", "ENVIRONMENT", "", "ASKED FOR"]);
    for kernel in kernels {
        let current = kernel.current.map_or_else(|| "not built yet".to_owned(), |number| number.to_string());
        let note = match (&kernel.asked, kernel.is_as_asked) {
            (None, _) => Cell::new("not in the configuration", Tone::Warning),
            _ if kernel.is_outdated => Cell::new("its Python was replaced; it is being rebuilt", Tone::Warning),
            (_, false) => Cell::new(format!("hubctl env --kernel {} apply builds what is asked for", kernel.name), Tone::Warning),
            (_, true) => Cell::new("as asked for", Tone::Good),
        };
        let asked = kernel.asked.as_deref().map(|asked| words(asked, kernel.conda.as_ref())).unwrap_or_default();
        table.row([kernel.name.as_str().into(), current.into(), note, asked.into()]);
    }
    Ok(world.printer.table(&table)?)
}

/// What was asked for, conda's packages first and marked as such.
fn words(packages: &[Requirement], conda: Option<&Conda>) -> String {
    let packages: Vec<&str> = packages.iter().map(Requirement::as_str).collect();
    let Some(conda) = conda else { return packages.join(", ") };
    let specs: Vec<&str> = conda.specs.iter().map(|spec| spec.as_str()).collect();
    let rest = if packages.is_empty() { String::new() } else { format!("; from the package index: {}", packages.join(", ")) };
    format!("conda: {}{rest}", specs.join(", "))
}

fn people(names: &[Username]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(ToString::to_string).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}
