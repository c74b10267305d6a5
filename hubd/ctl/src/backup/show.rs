//! What there is of backups, and how they are doing.

use anyhow::Result;
use hub_backup::identity::Identity;
use hub_backup::restore::Progress;
use hub_core::backup::{self, Attempt, Record, files};
use hub_core::config::{self, format_bytes};
use jiff::Timestamp;
use serde::Serialize;

use super::Place;
use crate::World;
use crate::arguments::backup::From;
use crate::failure::Exit;
use crate::output::{Cell, Table, Tone};
use crate::text::moment;

/// What `hubctl backup list --json` prints.
#[derive(Debug, Serialize)]
struct Listed {
    repository: String,
    backups: Vec<Backup>,
}

#[derive(Debug, Serialize)]
struct Backup {
    id: String,
    made: Timestamp,
    machine: String,
    /// Which hub made it; two may have the same name.
    hub: Option<String>,
    /// Whether that is this one, or one that it goes on with.
    own: bool,
}

/// What `hubctl backup status --json` prints.
#[derive(Debug, Serialize)]
struct Status<'a> {
    repository: Option<String>,
    enabled: bool,
    record: Option<&'a Record>,
    problem: Option<&'a backup::Problem>,
}

pub(super) fn list(world: &mut World, from: &From) -> Result<Exit> {
    let place = Place::find(world, from)?;
    let snapshots = place.restic.snapshots()?;
    let identity = Identity::of(&world.paths)?;
    let backups: Vec<Backup> = snapshots
        .into_iter()
        .map(|snapshot| Backup {
            hub: snapshot.hub().map(str::to_owned),
            own: identity.knows(&snapshot),
            id: snapshot.id,
            made: snapshot.time,
            machine: snapshot.hostname,
        })
        .collect();
    if world.printer.json {
        world.printer.json(&Listed { repository: place.repository.to_string(), backups })?;
        return Ok(Exit::Done);
    }
    if backups.is_empty() {
        world.printer.say(&format!("There is no backup in {} yet: sudo hubctl backup create", place.repository))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::with_heading(["BACKUP", "MADE", "MACHINE", "HUB"]);
    for backup in backups.iter().rev() {
        let made = moment(&backup.made.to_string(), world.now, &world.zone);
        let hub = if backup.own { "this one" } else { backup.hub.as_deref().unwrap_or("?") };
        table.row([backup.id.as_str().into(), made.into(), backup.machine.as_str().into(), hub.into()]);
    }
    world.printer.table(&table)?;
    Ok(Exit::Done)
}

pub(super) fn status(world: &mut World) -> Result<Exit> {
    let wanted = config::read(&world.paths.config_file())?.config.backup;
    let record = Record::load(&world.paths)?;
    let problem = backup::problem(&wanted, record.as_ref(), world.now);
    let exit = if problem.is_some() { Exit::Failed } else { Exit::Done };
    let repository = wanted.repository.as_ref().map(ToString::to_string);
    if world.printer.json {
        let (record, problem) = (record.as_ref(), problem.as_ref());
        world.printer.json(&Status { repository, enabled: wanted.enabled, record, problem })?;
        return Ok(exit);
    }
    let unfinished = Progress::load(&world.paths)?
        .map(|progress| format!("{0} was interrupted; to continue: sudo hubctl backup restore {0}", progress.snapshot));
    let Some(repository) = repository else {
        world.printer.say("No backups are made. To begin: sudo hubctl backup init /mnt/disk/hubd")?;
        if let Some(unfinished) = unfinished {
            world.printer.warn(&format!("The restore of {unfinished}"))?;
        }
        return Ok(exit);
    };
    let mut table = Table::default();
    let label = |text: &str| Cell::new(text, Tone::Faint);
    table.row([label("repository"), repository.into()]);
    let when = if wanted.enabled { format!("every day at {}", wanted.at) } else { "only when asked for".to_owned() };
    table.row([label("made"), when.into()]);
    let told = |attempt: &Attempt| moment(&attempt.began.to_string(), world.now, &world.zone);
    if let Some(latest) = record.as_ref().and_then(|record| record.success.as_ref()) {
        let size = format!("{}, {} with {}", told(latest), files(latest.files), format_bytes(latest.bytes));
        table.row([label("latest"), size.into()]);
    }
    if let Some(last) = record.as_ref().and_then(|record| record.last.as_ref()).filter(|last| last.ended.is_none()) {
        table.row([label("under way"), format!("since {}", told(last)).into()]);
    }
    let lacking = record.as_ref().and_then(|record| record.success.as_ref()).map_or(&[][..], |latest| &latest.lacking);
    for one in lacking {
        table.row([label("not in it"), one.to_string().into()]);
    }
    if let Some(unfinished) = &unfinished {
        table.row([label("restore"), Cell::new(unfinished, Tone::Bad)]);
    }
    if let Some(problem) = &problem {
        table.row([label("problem"), Cell::new(&problem.what, Tone::Bad)]);
    }
    world.printer.table(&table)?;
    if let Some(problem) = &problem {
        world.printer.say(&format!("hint: {}", problem.hint))?;
    }
    Ok(exit)
}

pub(super) fn check(world: &mut World, read_data: bool, from: &From) -> Result<Exit> {
    let place = Place::find(world, from)?;
    place.restic.check(read_data)?;
    if !world.printer.json {
        world.printer.line(&format!("The backups in {} are intact.", place.repository))?;
    }
    Ok(Exit::Done)
}

/// Tells what came of an attempt.
pub(super) fn conclude(world: &mut World, attempt: &Attempt) -> Result<Exit> {
    if world.printer.json {
        world.printer.json(attempt)?;
    }
    if let Some(problem) = &attempt.problem {
        world.printer.error(&problem.what, Some(&problem.hint))?;
        return Ok(Exit::Failed);
    }
    if !world.printer.json {
        let (name, added) = (attempt.snapshot.as_deref().unwrap_or("?"), format_bytes(attempt.added));
        world.printer.line(&format!(
            "Backup {name}: {} with {}, of which {added} are new.",
            files(attempt.files),
            format_bytes(attempt.bytes)
        ))?;
    }
    for one in &attempt.lacking {
        world.printer.warn(&format!("warning: not in it: {one}"))?;
    }
    if attempt.unread > 0 {
        let text =
            format!("warning: {} could not be read and are not in it: journalctl --unit hubd-backup", files(attempt.unread));
        world.printer.warn(&text)?;
    }
    Ok(Exit::Done)
}
