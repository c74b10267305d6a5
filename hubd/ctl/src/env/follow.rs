//! Following something that is done elsewhere, to its end. It goes on when nobody follows.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use hub_core::config::format_bytes;
use hub_core::control::environment::{BuildState, EnvironmentReply, EnvironmentRequest, Record};

use super::ask::{ask, unexpected};
use super::download::Shown;
use super::show::change_line;
use crate::World;
use crate::failure::Exit;
use crate::text::counted;

const LOOK_INTERVAL: Duration = Duration::from_millis(150);
/// How long the hub may be away, as when it is restarted or upgraded meanwhile.
const ABSENCE_PATIENCE: Duration = Duration::from_secs(60);
/// Lines of changes that a terminal has room for.
const MOST_CHANGES: usize = 20;

/// Prints what is done until it is done, and what came of it.
pub(super) fn follow(world: &mut World, number: u32) -> Result<Exit> {
    let record = wait(world, number)?;
    conclude(world, &record)
}

/// Prints what is done until it is done.
pub(super) fn wait(world: &mut World, number: u32) -> Result<Record> {
    let (mut after, mut answered) = (0, Instant::now());
    let mut download = Shown::new(&world.printer);
    loop {
        match ask(world, &EnvironmentRequest::Progress { number, after }) {
            Ok(EnvironmentReply::Progress { record, log, known }) => {
                (after, answered) = (known, Instant::now());
                if !log.is_empty() {
                    download.clear();
                }
                if !world.printer.json {
                    // Lines with a time are what is done; what programs said meanwhile is for the log. How it ended is
                    // told below.
                    for line in log.lines().filter(|line| line.starts_with('[') && !line.contains("] failed: ")) {
                        world.printer.say(&crate::text::printable(line))?;
                    }
                }
                if record.is_over() {
                    download.clear();
                    return Ok(record);
                }
                download.show(&mut world.printer, record.download.as_ref())?;
            }
            Ok(other) => return Err(unexpected(&other).into()),
            Err(error) if answered.elapsed() > ABSENCE_PATIENCE => {
                return Err(error.context("it continues, but this hubctl has lost contact with it"));
            }
            Err(error) => tracing::debug!("asking how it goes: {error:#}"),
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

/// Tells what came of it.
pub(super) fn conclude(world: &mut World, record: &Record) -> Result<Exit> {
    if world.printer.json {
        world.printer.json(record)?;
    }
    if record.state == BuildState::Failed {
        let reason = record.reason.as_deref().unwrap_or("it did not work");
        // What packages of the distribution do is everybody's at once.
        let nobody = if record.apt.is_some() { "" } else { "Nobody is affected. " };
        world.printer.error(&format!("{reason}\n{nobody}The whole log: {}", record.log.display()), record.hint.as_deref())?;
        return Ok(Exit::Failed);
    }
    if !world.printer.json {
        tell(world, record)?;
    }
    Ok(Exit::Done)
}

fn tell(world: &mut World, record: &Record) -> Result<()> {
    let seconds = record.seconds.map_or(String::new(), |seconds| format!(" ({seconds:.1} s)"));
    match (record.state, record.to) {
        (BuildState::Unchanged, _) => {
            world.printer.line("Nothing to change: everything asked for is installed.")?;
        }
        _ if record.apt.is_some() => tell_of_apt(world, record)?,
        (_, Some(to)) => {
            for change in record.changes.iter().take(MOST_CHANGES) {
                world.printer.line(&change_line(change))?;
            }
            if record.changes.len() > MOST_CHANGES {
                let more = record.changes.len() - MOST_CHANGES;
                world.printer.line(&format!("  and {}: hubctl env diff", counted(more, "more change", "more changes")))?;
            }
            let size =
                record.own_bytes.map_or(String::new(), |bytes| format!(" It takes {} more on the disk.", format_bytes(bytes)));
            if let Some(name) = &record.kernel {
                world.printer.line(&format!("Kernel {name} is environment {to} in every server from now on{seconds}.{size}"))?;
                let text = format!("Running kernels keep theirs. To go back: hubctl env --kernel {name} rollback");
                world.printer.say(&text)?;
                return Ok(());
            }
            world.printer.line(&format!("New servers get environment {to} from now on{seconds}.{size}"))?;
            world.printer.say("Running servers keep theirs until they are restarted. To go back: hubctl env rollback")?;
        }
        _ if record.deleted.is_empty() => world.printer.line("Nothing to delete.")?,
        _ => {
            let numbers: Vec<String> = record.deleted.iter().map(u32::to_string).collect();
            world.printer.line(&format!("Deleted: {}", numbers.join(", ")))?;
        }
    }
    Ok(())
}

/// The same of packages of the distribution.
fn tell_of_apt(world: &mut World, record: &Record) -> Result<()> {
    let seconds = record.seconds.map_or(String::new(), |seconds| format!(" ({seconds:.1} s)"));
    Ok(world.printer.line(&format!(
        "Done{seconds}: {}. Servers that run have it, too.",
        counted(record.changes.len(), "package changed", "packages changed")
    ))?)
}
