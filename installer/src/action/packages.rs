//! Distribution packages, with apt: at once, or begun early and waited for later.

use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use hub_environment::bundle::{Archive, Opened};
use hub_system::apt;
use hub_system::command::Command;
use hub_system::distribution;

use super::{Check, World};
use crate::network::Network;
use crate::undo::Undo;

const APT_GET: &str = "/usr/bin/apt-get";
const APT_MARK: &str = "/usr/bin/apt-mark";
/// It reads what is installed, and writes a file.
const MARK_DEADLINE: Duration = Duration::from_secs(60);
const DPKG: &str = "/usr/bin/dpkg";
/// Fetching and unpacking a few packages over a slow line.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// A machine that has just booted for the first time often updates itself.
const LOCK_SECONDS: u32 = 300;

/// An install that is under way in a thread of its own.
#[derive(Debug)]
pub struct Ahead {
    names: Vec<String>,
    thread: JoinHandle<Result<Option<String>>>,
}

impl Ahead {
    /// Waits for its end. Whoever has begun one waits for it, whatever else goes wrong: dpkg is not to be cut short. Returns
    /// what is worth telling.
    ///
    /// # Errors
    /// When the packages could not be installed.
    pub fn finish(self) -> Result<Option<String>> {
        self.thread.join().unwrap_or_else(|_| Err(anyhow!("the thread that ran apt-get panicked")))
    }
}

pub(super) fn check(names: &[String]) -> Check {
    let missing: Vec<String> = distribution::missing_packages().into_iter().filter(|name| names.contains(name)).collect();
    if missing.is_empty() {
        return Check::Satisfied(None);
    }
    Check::Needed { exists: false, undo: Some(Undo::Packages { names: missing }) }
}

pub(super) fn begin(world: &mut World<'_>, names: &[String]) {
    let job = Job::new(world, names);
    world.ahead = Some(Ahead { names: names.to_vec(), thread: thread::spawn(move || job.run(&mut |_| ())) });
}

/// Waits for an install of these that is under way, or does it now. Returns what is worth telling.
pub(super) fn install(world: &mut World<'_>, names: &[String]) -> Result<Option<String>> {
    match world.ahead.take() {
        Some(ahead) if ahead.names == names => {
            (world.progress)(&format!("waiting for apt to install {}", names.join(", ")));
            ahead.finish()
        }
        other => {
            world.ahead = other;
            Job::new(world, names).run(&mut |text| (world.progress)(text))
        }
    }
}

struct Job {
    names: Vec<String>,
    network: Network,
    /// In place of the machine's own sources.
    archive: Option<Archive>,
}

impl Job {
    fn new(world: &World<'_>, names: &[String]) -> Self {
        let archive = world.bundle.and_then(Opened::packages).map(Archive::new);
        Self { names: names.to_vec(), network: world.network.clone(), archive }
    }

    fn run(&self, progress: &mut dyn FnMut(&str)) -> Result<Option<String>> {
        progress(&format!("installing {}", self.names.join(", ")));
        if let Some(archive) = &self.archive {
            archive.prepare()?;
            self.apt().arg("update").run().context("reading the packages of the bundle")?;
        }
        let install = || self.apt().args(["install", "--yes", "--no-install-recommends"]).args(self.names.iter()).run();
        let Err(error) = install() else { return Ok(None) };
        // The usual reason is a package list that is absent or old.
        tracing::debug!(error = format!("{error:#}"), "installing packages at the first attempt");
        // Or an install that was cut short, by a power cut above all. What it lacks may be what apt brings next.
        if let Err(error) = self.environment(Command::new(DPKG, DEADLINE)).args(["--configure", "--pending"]).run() {
            tracing::warn!("completing what was cut short: {error:#}");
        }
        progress("fetching the list of packages");
        let mut run = |arguments: &[&str]| self.apt().args(arguments.iter().copied()).run().map(drop);
        let mut waiting = || tracing::info!("waiting for another program that works on packages");
        let problem = apt::update(&mut run, &mut waiting);
        progress(&format!("installing {}", self.names.join(", ")));
        let installed = install().with_context(|| format!("installing {} with apt-get", self.names.join(", ")));
        outcome(installed.map(drop), problem.as_deref())
    }

    fn apt(&self) -> Command {
        let lock = format!("--option=DPkg::Lock::Timeout={LOCK_SECONDS}");
        let apt = self.environment(Command::new(APT_GET, DEADLINE)).args(["--quiet=2", &lock]);
        apt.args(self.archive.iter().flat_map(Archive::options))
    }

    fn environment(&self, command: Command) -> Command {
        let command = command.envs(apt::ENVIRONMENT);
        self.network.variables().fold(command, |command, (name, value)| command.env(name, value))
    }
}

/// What comes of an install after `problem` with the list of packages: what could be had nevertheless is enough.
fn outcome(installed: Result<()>, problem: Option<&str>) -> Result<Option<String>> {
    match (installed, problem) {
        (Ok(()), problem) => Ok(problem.map(unread)),
        (Err(error), None) => Err(error),
        (Err(error), Some(problem)) => Err(anyhow!("{error:#}\nhint: {}", unread(problem))),
    }
}

/// Which of `names` came along with others, so that apt would take them away with those.
fn automatic(names: &[String]) -> Result<Vec<String>> {
    if !Path::new(APT_MARK).exists() {
        return Ok(Vec::new());
    }
    let said = Command::new(APT_MARK, MARK_DEADLINE).env("LC_ALL", "C.UTF-8").arg("showauto").args(names.iter()).run()?;
    Ok(said.lines().map(str::to_owned).collect())
}

pub(super) fn check_kept(names: &[String]) -> Result<Check> {
    let names = automatic(names).context("asking apt what it would take away")?;
    let needed = |names| Check::Needed { exists: false, undo: Some(Undo::LetGo { names }) };
    Ok(if names.is_empty() { Check::Satisfied(None) } else { needed(names) })
}

pub(super) fn keep(names: &[String]) -> Result<()> {
    mark("manual", &automatic(names)?)
}

/// Takes [`keep`] back.
///
/// # Errors
/// When apt can't be told.
pub(super) fn let_go(names: &[String]) -> Result<()> {
    if Path::new(APT_MARK).exists() { mark("auto", names) } else { Ok(()) }
}

fn mark(how: &str, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let marking = || format!("telling apt about {}", names.join(", "));
    Command::new(APT_MARK, MARK_DEADLINE).arg(how).args(names.iter()).run().map(drop).with_context(marking)
}

/// About a list of packages that could not be fetched whole, in one line.
fn unread(problem: &str) -> String {
    let reasons = match apt::complaints(problem).as_slice() {
        [] => problem.lines().next().unwrap_or_default().to_owned(),
        reasons => reasons.join("; "),
    };
    format!(
        "not every package source of this machine could be read ({reasons}); correct those sources or take them out of \
         /etc/apt/sources.list.d, or this machine gets no updates from them"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_is_gone_stops_no_install_that_can_do_without_it() {
        let dead = "exit code 100\nE: The repository 'http://gone.example Release' does not have a Release file.";
        assert_eq!(outcome(Ok(()), None).unwrap(), None);
        let told = outcome(Ok(()), Some(dead)).unwrap().unwrap();
        assert!(told.contains("not every package source") && told.contains("http://gone.example Release"), "{told}");
        let failed = || Err(anyhow!("there is no package `git`"));
        assert_eq!(outcome(failed(), None).unwrap_err().to_string(), "there is no package `git`");
        let told = outcome(failed(), Some(dead)).unwrap_err().to_string();
        assert!(told.starts_with("there is no package `git`\nhint: not every package source") && told.contains("gone"), "{told}");
    }
}
