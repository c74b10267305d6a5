//! `hubctl backup restore`: shows and asks, then everything is fetched, then it takes its place.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hub_backup::manifest::Parts;
use hub_backup::restore::Progress;
use hub_backup::{Problem, create, place, repository, restore};
use hub_core::backup::Record;
use hub_core::config::history::How;
use hub_core::config::{self, Config};
use hub_core::control::environment::BuildState;
use hub_core::control::{self, Reply, Request};
use hub_core::paths::Paths;
use hub_core::units::{LAUNCHER, SERVE, SERVE_SOCKETS};
use hub_core::upgrade::Version;
use hub_system::systemctl::Systemctl;
use serde::Serialize;

use super::Place;
use crate::World;
use crate::arguments::backup::RestoreArguments;
use crate::config::put_in_force;
use crate::env;
use crate::failure::{Cause, Exit, Failure};
use crate::text::{counted, moment};

/// From started to answering.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
const LAUNCHER_SOCKET: &str = "hubd-launcher.socket";
/// Everybody's servers and apps.
const SERVERS: &str = "hubd-user-*.service";

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
    refuse_beside_others(&world.paths)?;
    let place = Place::find(world, &what.from)?;
    let before = Progress::load(&world.paths)?;
    let chosen = place.choose(what.snapshot.as_deref().or(before.as_ref().map(|before| before.snapshot.as_str())))?;
    if let Some(unfinished) = before.as_ref().filter(|before| before.snapshot != chosen) {
        let hint = format!("finish that first: sudo hubctl backup restore {}", unfinished.snapshot);
        let what = format!("restoring backup {} was interrupted, and half of it may be here", unfinished.snapshot);
        return Err(Failure::new(Cause::Busy, what, hint).into());
    }
    let mut progress = match before.filter(|before| before.snapshot == chosen) {
        Some(before) => before,
        None => Progress::begin(&chosen, world.now),
    };
    let parts = match progress.fetched {
        true => restore::parts_fetched_before(&world.paths)?,
        false => restore::fetch_parts(&world.paths, &place.restic, &chosen)?,
    };
    let config = understood(&parts)?;
    let target = if what.keep_config { config::read(&world.paths.config_file())?.config } else { config.clone() };
    // They were fetched to where the other configuration has them; what is not where it is looked for would be left out.
    progress.fetched &= target.accounts.homes == config.accounts.homes;
    show(world, &parts, &chosen, &target, what.keep_config)?;
    if what.dry_run {
        world.printer.say("Nothing was changed: this was a dry run.")?;
        tell(world, &parts, &chosen, true, Vec::new())?;
        if !progress.fetched {
            Progress::end(&world.paths)?;
        }
        return Ok(Exit::Done);
    }
    if !what.yes {
        world.confirm("Bring this back?")?;
    }
    progress.save(&world.paths)?;
    let accounts = match progress.fetched {
        true => restore::accounts(&world.paths, &parts, &target)?,
        false => {
            world.printer.say("Fetching homes and the class folder; nothing of the hub changes yet.")?;
            restore::fetch_files(&world.paths, &place.restic, &chosen, &parts, &target)?
        }
    };
    progress.fetched = true;
    progress.save(&world.paths)?;

    let begun = progress.begun.clone();
    place::certificates(&world.paths, &begun)?;
    for file in place::own_files(&world.paths, &parts, &config.backup.password_file)? {
        world.printer.say(&format!("`{}` is back.", file.display()))?;
    }
    if !what.keep_config {
        configure(world, &parts)?;
    }
    // Where the configuration says that it is, so that backups go on.
    if !target.backup.password_file.exists() && target.backup.repository.is_some() {
        repository::keep_password(&target.backup.password_file, &fs_err::read_to_string(&place.password.path)?)?;
    }
    let systemctl = Systemctl::new(&world.paths);
    stop(&systemctl)?;
    let placed = (|| -> Result<Vec<String>> {
        place::database(&world.paths, &parts, &begun)?;
        let mut aside = place::homes(&world.paths, &parts, &accounts, &target, &begun)?;
        aside.extend(place::class_folder(&world.paths, &parts, &target, &begun)?);
        Ok(aside.iter().map(|path| path.display().to_string()).collect())
    })();
    // Whatever came of it, nobody is kept out.
    start(&systemctl)?;
    let aside = placed.context("it was interrupted; run the same command again to continue")?;
    wait_for_hub(&world.paths)?;
    for path in &aside {
        world.printer.say(&format!("What was there before is now in `{path}`."))?;
    }
    if Record::load(&world.paths)?.is_none() {
        Record::new(world.now).save(&world.paths)?;
    }
    let exit = packages(world, &parts)?;
    tell(world, &parts, &chosen, false, aside)?;
    Progress::end(&world.paths)?;
    if !target.environment.apt.is_empty() {
        world.printer.say(
            "Packages of the distribution that everybody had: sudo hubctl env apt install, with the names in environment.apt",
        )?;
    }
    Ok(exit)
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

fn show(world: &mut World, parts: &Parts, chosen: &str, target: &Config, keep_config: bool) -> Result<()> {
    let manifest = &parts.manifest;
    let made = moment(&manifest.made.to_string(), world.now, &world.zone);
    let of = manifest.url.as_deref().map(|url| format!(", of {url}")).unwrap_or_default();
    let people = parts.table()?.records().count();
    world.printer.say(&format!("Backup {chosen}, made {made} by hubd {}{of}:", manifest.version))?;
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

fn stop(systemctl: &Systemctl) -> Result<()> {
    let units = SERVE_SOCKETS.into_iter().chain([SERVE, LAUNCHER_SOCKET, LAUNCHER, SERVERS]);
    systemctl.job(std::iter::once("stop").chain(units)).context("stopping the hub and everybody's servers")
}

fn start(systemctl: &Systemctl) -> Result<()> {
    let units = std::iter::once(LAUNCHER_SOCKET).chain(SERVE_SOCKETS).chain([LAUNCHER, SERVE]);
    systemctl.job(std::iter::once("start").chain(units)).context("starting the hub again")
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

fn tell(world: &mut World, parts: &Parts, chosen: &str, dry_run: bool, aside: Vec<String>) -> Result<Exit> {
    let (people, homes) = (parts.table()?.records().count(), parts.manifest.homes.len());
    if world.printer.json {
        world.printer.json(&Restored { backup: chosen.to_owned(), dry_run, people, homes, aside })?;
    } else if !dry_run {
        world.printer.line(&format!("Backup {chosen} is back: {} of people.", counted(homes, "home", "homes")))?;
        world.printer.say("People log in with the passwords they had. How the hub is: sudo hubctl status")?;
    }
    Ok(Exit::Done)
}
