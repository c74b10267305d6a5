//! `hubctl env apt`: packages of the distribution for everybody. What a change takes is shown before anybody is asked.

use anyhow::Result;
use clap::{Args, Subcommand};
use hub_core::config::format_bytes;
use hub_core::control::environment::apt::{AptChange, AptPackage, AptPlan, AptRequest};
use hub_core::control::environment::{BuildState, EnvironmentReply, EnvironmentRequest, Record};
use hub_core::packages::PackageName;
use hub_core::packages::VersionChange;

use super::ask::{ask, unexpected};
use super::follow;
use super::show::change_line;
use crate::World;
use crate::failure::Exit;
use crate::output::{Cell, Table, Tone};
use crate::text::counted;

/// Lines of a plan that a terminal has room for.
const MOST_LINES: usize = 60;

#[derive(Debug, Subcommand)]
pub(crate) enum AptVerb {
    /// Install packages of the distribution
    #[command(
        after_help = "Packages are named as for apt, and come from the archives that this machine uses. Everybody has them at \
once. You see first what would be installed; nothing is removed for it. If it fails, whatever it had installed is removed again.

Examples:
  sudo hubctl env apt install r-cran-irkernel   R, as a kernel in every server
  sudo hubctl env apt install ffmpeg graphviz"
    )]
    Install {
        /// Packages
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<PackageName>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Remove packages that were asked for
    #[command(
        after_help = "Packages that came only because of them are removed too. Whatever was there before the hub asked for it \
stays.

Example:
  sudo hubctl env apt remove ffmpeg"
    )]
    Remove {
        /// Packages
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<PackageName>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Install and remove what `apt` under [environment] in the configuration says
    #[command(after_help = "Use this after editing it by hand.

Example:
  sudo hubctl env apt apply")]
    Apply {
        #[command(flatten)]
        consent: Consent,
    },
    /// List the packages of the distribution that are asked for
    #[command(after_help = "Example:
  sudo hubctl env apt list")]
    List,
}

/// Whether somebody is asked.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Consent {
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(verb: AptVerb, world: &mut World) -> Result<Exit> {
    let (change, consent) = match verb {
        AptVerb::Install { packages, consent } => (AptChange::Install { packages }, consent),
        AptVerb::Remove { packages, consent } => (AptChange::Remove { packages }, consent),
        AptVerb::Apply { consent } => (AptChange::Configured, consent),
        AptVerb::List => return list(world),
    };
    let planned = plan(world, change)?;
    if planned.state != BuildState::Planned {
        return follow::conclude(world, &planned);
    }
    if !consent.yes && !planned.changes.is_empty() {
        world.confirm("Do it?")?;
    }
    perform(world, &planned)
}

/// Shows what it takes that the configuration was changed, and does it at once where that is wanted.
pub(crate) fn offer(world: &mut World) -> Result<Exit> {
    world.printer.say("The configuration asks for other distribution packages. This would change:")?;
    let planned = plan(world, AptChange::Configured)?;
    if planned.state != BuildState::Planned {
        return follow::conclude(world, &planned);
    }
    match world.terminal.ask("Do it now? [y/N] ")?.as_deref().map(str::trim) {
        Some("y" | "Y" | "yes" | "Yes") => perform(world, &planned),
        _ => {
            world.printer.say("Nothing was installed or removed. Later: hubctl env apt apply")?;
            Ok(Exit::Done)
        }
    }
}

/// Finds out what `change` takes, and shows it.
fn plan(world: &mut World, change: AptChange) -> Result<Record> {
    let number = started(ask(world, &request(AptRequest::Plan { change }))?)?;
    let planned = follow::wait(world, number)?;
    if let (Some(plan), BuildState::Planned, false) = (&planned.apt, planned.state, world.printer.json) {
        show(world, plan, &planned.changes)?;
    }
    Ok(planned)
}

fn perform(world: &mut World, planned: &Record) -> Result<Exit> {
    let number = started(ask(world, &request(AptRequest::Perform { plan: planned.number }))?)?;
    let done = follow::wait(world, number)?;
    follow::conclude(world, &done)
}

fn request(about: AptRequest) -> EnvironmentRequest {
    EnvironmentRequest::Apt { about }
}

fn started(reply: EnvironmentReply) -> Result<u32> {
    match reply {
        EnvironmentReply::Started { number } => Ok(number),
        other => Err(unexpected(&other).into()),
    }
}

fn show(world: &mut World, plan: &AptPlan, changes: &[VersionChange]) -> Result<()> {
    if changes.is_empty() {
        return Ok(world.printer.line("Nothing to install or remove; the configuration is up to date now.")?);
    }
    for change in changes.iter().take(MOST_LINES) {
        world.printer.line(&change_line(change))?;
    }
    if changes.len() > MOST_LINES {
        world.printer.line(&format!("  and {} more", changes.len() - MOST_LINES))?;
    }
    world.printer.line(&sizes(plan, changes))?;
    Ok(world.printer.say("Scripts of these packages run as root, and services that they bring are started.")?)
}

fn sizes(plan: &AptPlan, changes: &[VersionChange]) -> String {
    let disk = format_bytes(plan.disk_bytes.unsigned_abs());
    let disk =
        if plan.disk_bytes < 0 { format!("this frees {disk} on the disk") } else { format!("this takes {disk} on the disk") };
    let download = format_bytes(plan.download_bytes);
    format!("{}: {download} are downloaded, {disk}.", counted(changes.len(), "package changes", "packages change"))
}

fn list(world: &mut World) -> Result<Exit> {
    let answer = ask(world, &request(AptRequest::List))?;
    let EnvironmentReply::AptPackages { packages, brought } = &answer else { return Err(unexpected(&answer).into()) };
    if world.printer.json {
        world.printer.json(&serde_json::json!({"packages": packages, "brought": brought}))?;
        return Ok(Exit::Done);
    }
    if packages.is_empty() {
        world.printer.say("No distribution package was asked for. To add one: sudo hubctl env apt install PACKAGE")?;
        return Ok(Exit::Done);
    }
    let mut table = Table::with_heading(["PACKAGE", "VERSION", ""]);
    for AptPackage { name, version, is_brought } in packages {
        let note = match (version, is_brought) {
            (None, _) => Cell::new("missing; hubctl env apt apply installs it", Tone::Bad),
            (Some(_), true) => Cell::new("", Tone::Plain),
            (Some(_), false) => Cell::new("was there before the hub asked for it", Tone::Plain),
        };
        table.row([name.as_str().into(), version.as_deref().unwrap_or("-").into(), note]);
    }
    world.printer.table(&table)?;
    let text = counted(brought.len(), "package in all came", "packages in all came");
    world.printer.say(&format!("{text} because of these."))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_what_it_takes() {
        let change = VersionChange { name: "ffmpeg".into(), from: None, to: Some("5.1".into()) };
        let plan = |disk_bytes| AptPlan { change: AptChange::Configured, asked: Vec::new(), download_bytes: 2 << 20, disk_bytes };
        let changes = [change.clone(), change];
        assert_eq!(sizes(&plan(5 << 20), &changes), "2 packages change: 2 MB are downloaded, this takes 5 MB on the disk.");
        assert_eq!(
            sizes(&plan(-(5 << 20)), &changes[..1]),
            "1 package changes: 2 MB are downloaded, this frees 5 MB on the disk."
        );
    }
}
