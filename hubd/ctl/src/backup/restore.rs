//! `hubctl backup restore`: shows and asks, then everything is fetched, then it takes its place.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hub_backup::identity::Identity;
use hub_backup::manifest::Parts;
use hub_backup::restore::Progress;
use hub_backup::{Lost, Problem, Snapshot, create, place, repository, restore, switch};
use hub_core::backup::Record;
use hub_core::config::history::How;
use hub_core::config::{self, Config};
use hub_core::control::environment::BuildState;
use hub_core::control::{self, Reply, Request};
use hub_core::paths::Paths;
use hub_core::upgrade::Version;
use serde::Serialize;

use super::{Place, rights};
use crate::World;
use crate::arguments::backup::RestoreArguments;
use crate::config::put_in_force;
use crate::connect;
use crate::env;
use crate::failure::{Cause, Exit, Failure};
use crate::text::{counted, moment};

/// From started to answering.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// What `hubctl backup restore --json` prints.
#[derive(Debug, Serialize)]
struct Restored {
    backup: String,
    dry_run: bool,
    people: usize,
    homes: usize,
    /// What was there, and where it is now.
    aside: Vec<String>,
}

pub(super) fn restore(world: &mut World, what: &RestoreArguments) -> Result<Exit> {
    let _alone = create::alone(&world.paths)?;
    drop(switch::alone(&world.paths)?);
    refuse_beside_others(&world.paths)?;
    let place = Place::find(world, &what.from)?;
    let before = Progress::load(&world.paths)?;
    if let Some(before) = &before {
        place.restic.end_what_was_left()?;
        if !before.configured {
            // Killed while the configuration was put in force, the hub may be stopped, and is to go back to its own first.
            switch::start_hub(&world.paths)?;
        }
    }
    let named = what.snapshot.as_deref().or(before.as_ref().map(|before| before.snapshot.as_str()));
    let chosen = place.choose(world, named, false)?;
    if let Some(unfinished) = before.as_ref().filter(|before| before.snapshot != chosen.id) {
        let hint = format!("finish that first: sudo hubctl backup restore {}", unfinished.snapshot);
        let what = format!("restoring backup {} was interrupted, and half of it may be here", unfinished.snapshot);
        return Err(Failure::new(Cause::Busy, what, hint).into());
    }
    let is_new = before.is_none();
    let mut progress = before.unwrap_or_else(|| Progress::begin(&chosen.id, world.now));
    let parts = match progress.fetched {
        true => restore::parts_fetched_before(&world.paths)?,
        false => {
            let (parts, lost) = restore::fetch_parts(&world.paths, &place.restic, &chosen.id)?;
            tell_lost(world, &lost)?;
            progress.lost = lost.count;
            parts
        }
    };
    let config = understood(&parts)?;
    let target = match what.keep_config || progress.configured {
        true => config::read(&world.paths.config_file())?.config,
        false => config.clone(),
    };
    // They were fetched to where the other configuration has them; what is not where it is looked for would be left out.
    progress.fetched &= target.accounts.homes == config.accounts.homes || progress.configured;
    if !progress.placed {
        show(world, &parts, &chosen, &target, what.keep_config)?;
    }
    if what.dry_run {
        world.printer.say("Nothing was changed: this was a dry run.")?;
        tell(world, &parts, &chosen.id, true, &[])?;
        if is_new {
            Progress::end(&world.paths)?;
        }
        return Ok(Exit::Done);
    }
    if !what.yes && !progress.placed {
        world.confirm("Bring this back?")?;
    }
    progress.save(&world.paths)?;
    if !progress.fetched {
        fetch(world, what, &place, &parts, &target, &mut progress)?;
    }
    if !progress.configured {
        place::certificates(&world.paths, &progress.begun)?;
        for file in place::own_files(&world.paths, &parts, &config.backup.password_file)? {
            world.printer.say(&format!("`{}` is back.", file.display()))?;
        }
        if !what.keep_config {
            configure(world, &parts)?;
        }
        // Where the configuration says that it is, so that backups go on.
        if !target.backup.password_file.exists() && target.backup.repository.is_some() {
            repository::keep_password(&target.backup.password_file, &fs_err::read_to_string(place.password.path())?)?;
        }
        progress.configured = true;
    }
    if !progress.placed {
        progress.problem = None;
        progress.save(&world.paths)?;
        let placed = switch::start(&world.paths);
        progress = placed.context("it was interrupted; run the same command again to continue")?;
    }
    wait_for_hub(&world.paths)?;
    for path in &progress.aside {
        world.printer.say(&format!("What was there before is now in `{}`.", path.display()))?;
    }
    if Record::load(&world.paths)?.is_none() {
        Record::new(world.now).save(&world.paths)?;
    }
    Identity::of(&world.paths)?.follow(&chosen, &world.paths)?;
    let exit = packages(world, &parts)?;
    tell(world, &parts, &chosen.id, false, &progress.aside)?;
    Progress::end(&world.paths)?;
    if !target.environment.apt.is_empty() {
        world.printer.say(
            "Packages of the distribution that everybody had: sudo hubctl env apt install, with the names in environment.apt",
        )?;
    }
    if progress.lost > 0 {
        let what = format!("{} could not be brought back", counted_files(progress.lost));
        world.printer.error(&what, Some("they were named before; another backup may have them: sudo hubctl backup list"))?;
        return Ok(Exit::Failed);
    }
    Ok(exit)
}

/// Fetches everything; what could not be is told, and whether to go on without it is asked.
fn fetch(
    world: &mut World,
    what: &RestoreArguments,
    place: &Place,
    parts: &Parts,
    target: &Config,
    progress: &mut Progress,
) -> Result<()> {
    world.printer.say("Fetching homes and the class folder; nothing of the hub changes yet.")?;
    let lost = restore::fetch_files(&world.paths, &place.restic, &progress.snapshot, parts, target)?;
    tell_lost(world, &lost)?;
    if lost.count > 0 && !what.yes {
        world.confirm("Go on without these?")?;
    }
    progress.lost += lost.count;
    progress.fetched = true;
    progress.save(&world.paths)
}

fn counted_files(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "file", "files")
}

/// What could not be brought back.
fn tell_lost(world: &mut World, lost: &Lost) -> Result<()> {
    for one in &lost.first {
        world.printer.warn(&format!("can't be brought back: {one}"))?;
    }
    let more = lost.count.saturating_sub(lost.first.len() as u64);
    if more > 0 {
        world.printer.warn(&format!("can't be brought back: {} more", counted_files(more)))?;
    }
    Ok(())
}

/// Nothing may change what is being replaced.
fn refuse_beside_others(paths: &Paths) -> Result<()> {
    for (job, what) in [(paths.upgrade_job(), "an upgrade"), (paths.environment_job(), "a change of the packages")] {
        if job.exists() {
            let hint = "wait until it is done: hubctl upgrade --status; hubctl env status".to_owned();
            return Err(Failure::new(Cause::Busy, format!("{what} is under way"), hint).into());
        }
    }
    Ok(())
}

/// The configuration of the backup, if this version understands it and the rest.
fn understood(parts: &Parts) -> Result<Config> {
    let version = |text: &str| text.parse::<Version>().map_err(|error| anyhow!(error));
    let (own, theirs) = (version(env!("CARGO_PKG_VERSION"))?, version(&parts.manifest.version)?);
    if theirs > own {
        let what = format!("hubd {theirs} made this backup, and hubd {own} is installed here");
        return Err(Problem::new(what, format!("upgrade first: sudo hubctl upgrade {theirs}")).into());
    }
    let text = parts.config()?;
    Ok(config::parse(&text, "the configuration of the backup").map_err(|problems| {
        Problem::new(format!("its configuration can't be used: {problems}"), "--keep-config keeps that of this machine")
    })?)
}

fn show(world: &mut World, parts: &Parts, chosen: &Snapshot, target: &Config, keep_config: bool) -> Result<()> {
    let (manifest, id) = (&parts.manifest, &chosen.id);
    let made = moment(&manifest.made.to_string(), world.now, &world.zone);
    let of = manifest.url.as_deref().map(|url| format!(", of {url}")).unwrap_or_default();
    let people = parts.table()?.records().count();
    world.printer.say(&format!("Backup {id}, made {made} by hubd {}{of}:", manifest.version))?;
    let homes = counted(manifest.homes.len(), "home", "homes");
    let accounts = counted(people, "account", "accounts");
    world
        .printer
        .say(&format!("  {homes} of {accounts}, to {}; a home that is there is put aside", target.accounts.homes.display()))?;
    world.printer.say("  people and passwords in place of those here; nobody stays logged in")?;
    world.printer.say("  the class folder; what is in it now is put aside")?;
    world.printer.say("  certificates that the hub had got, and files beside the configuration that are not here")?;
    world.printer.say(match keep_config {
        true => "  not the configuration (--keep-config)",
        false => "  the configuration; the present one stays in its history",
    })?;
    world.printer.say("  packages, built anew from their lock")?;
    let is_same_hub = Identity::of(&world.paths)?.knows(chosen);
    match connect::people(world) {
        Some(now) => {
            for line in rights::gained(&manifest.people, &now, is_same_hub, !keep_config) {
                world.printer.warn(&format!("  {line}"))?;
            }
        }
        None => world.printer.warn("  who gets in or rises again can't be told: the hub does not answer")?,
    }
    for file in place::missing_files(&world.paths, parts, target) {
        let file = file.display();
        world
            .printer
            .warn(&format!("  `{file}`, which the configuration names, is neither in the backup nor here: put it there"))?;
    }
    world.printer.say("Everybody's servers are stopped meanwhile.")?;
    Ok(())
}

/// Puts the configuration in force; a hub that is not well with it keeps its own, and nothing else is brought back.
fn configure(world: &mut World, parts: &Parts) -> Result<()> {
    let text = parts.config()?;
    // What comes of it is part of one answer.
    let json = std::mem::replace(&mut world.printer.json, false);
    let exit = put_in_force(world, How::Apply, |_| Ok(text));
    world.printer.json = json;
    let exit = exit?;
    if matches!(exit, Exit::Done | Exit::NotApplied) {
        return Ok(());
    }
    let hint = "make it fit this machine: sudo hubctl config edit; then bring back the rest with --keep-config".to_owned();
    Err(Failure::new(Cause::Failed, "the configuration of the backup does not work on this machine", hint).into())
}

fn wait_for_hub(paths: &Paths) -> Result<()> {
    let end = Instant::now() + ANSWER_DEADLINE;
    loop {
        let problem = match control::call(&paths.control_socket(), &Request::Status) {
            Ok(Reply::Status(status)) if status.launcher_problem.is_none() => return Ok(()),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        };
        if Instant::now() > end {
            let hint = "systemctl status hubd; what was there before is in /var/lib/hubd-backup/before".to_owned();
            return Err(Failure::new(Cause::Failed, format!("the hub does not answer: {problem}"), hint).into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Builds the environment as it was. Without it, people have what this machine has, so it is no reason to give up.
fn packages(world: &mut World, parts: &Parts) -> Result<Exit> {
    let Some(lock) = parts.lock()? else { return Ok(Exit::Done) };
    world.printer.say("Building the packages as they were.")?;
    let why = match env::build_from(world, &lock) {
        Ok(record) if record.state != BuildState::Failed => return Ok(Exit::Done),
        Ok(record) => record.reason.unwrap_or_else(|| "it did not work".to_owned()),
        Err(error) => format!("{error:#}"),
    };
    let hint =
        "people can log in and find their files, but with the packages of this machine; to try again: sudo hubctl env apply";
    world.printer.error(&format!("the packages could not be built as they were: {why}"), Some(hint))?;
    Ok(Exit::Failed)
}

fn tell(world: &mut World, parts: &Parts, chosen: &str, dry_run: bool, aside: &[PathBuf]) -> Result<Exit> {
    let (people, homes) = (parts.table()?.records().count(), parts.manifest.homes.len());
    if world.printer.json {
        let aside = aside.iter().map(|path| path.display().to_string()).collect();
        world.printer.json(&Restored { backup: chosen.to_owned(), dry_run, people, homes, aside })?;
    } else if !dry_run {
        world.printer.line(&format!("Backup {chosen} is back: {} of people.", counted(homes, "home", "homes")))?;
        world.printer.say("People log in with the passwords they had. How the hub is: sudo hubctl status")?;
    }
    Ok(Exit::Done)
}
