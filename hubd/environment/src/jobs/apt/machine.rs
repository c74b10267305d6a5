//! apt and dpkg: asked here, in this sandbox, and put to work in a unit of their own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use hub_core::config::format_bytes;
use hub_core::packages::VersionChange;
use hub_core::paths::Paths;
use hub_system::apt;
use hub_system::command::{Command, Output};
use hub_system::transient::{Attachment, TransientRun};

use crate::apt::{Simulation, held_by, sizes};
use crate::bundle::{Archive, store};
use crate::pyenv::BuildEvent;
use anyhow::{Context, Result, anyhow, bail};
use nix::sys::statvfs::statvfs;

use crate::jobs::journal::Journal;

const APT_GET: &str = "/usr/bin/apt-get";
const APT_CACHE: &str = "/usr/bin/apt-cache";
const DPKG: &str = "/usr/bin/dpkg";
const DPKG_QUERY: &str = "/usr/bin/dpkg-query";
/// Where packages put what is in them.
const SYSTEM: &str = "usr";
/// The one of its kind: dpkg's own lock allows no second one.
const UNIT: &str = "hubd-apt.service";
const ASK_DEADLINE: Duration = Duration::from_secs(120);
/// How long a script of a package may take; a machine that updates itself may take as long before.
const STEP_DEADLINE: Duration = Duration::from_secs(3600);
/// systemd ends a step at its deadline by itself; this only covers systemd not answering.
const GRACE: Duration = Duration::from_secs(300);
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Names in one question, whose answer is kept whole.
const AT_ONCE: usize = 40;
/// Bytes and lines of the log that tell what went wrong.
const MOST_SAID: u64 = 64 << 10;
const LAST_LINES: usize = 30;
/// What to do about a package that is not there.
const IN_NO_ARCHIVE: &str = "apt-cache search WORD finds packages";
const IN_NO_BUNDLE: &str = "this machine gets distribution packages only from bundles (hubctl bundle show); on a hub with \
                            internet install it, hubctl env apt install PACKAGE, make another bundle, hubctl bundle create FILE \
                            --apt, and add it here: hubctl bundle add FILE";

/// A package that is installed.
pub(super) struct Package {
    pub(super) version: String,
    bytes: u64,
}

/// What of `names` is installed, whole.
pub(super) fn installed<'a>(names: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, Package>> {
    let (names, mut found): (Vec<&str>, _) = (names.collect(), BTreeMap::new());
    for names in names.chunks(AT_ONCE) {
        let format = "--showformat=${Package}\\t${db:Status-Status}\\t${Version}\\t${Installed-Size}\\n";
        // Unknown names make it exit with 1, and are what was asked about.
        let output = ask(DPKG_QUERY).args(["--show", format, "--"]).args(names.iter().copied()).output()?;
        for line in output.stdout.lines() {
            if let [name, "installed", version, kibibytes] = line.split('\t').collect::<Vec<_>>()[..] {
                let bytes = kibibytes.parse::<u64>().unwrap_or(0) << 10;
                found.insert(name.to_owned(), Package { version: version.to_owned(), bytes });
            }
        }
    }
    Ok(found)
}

/// Bytes that packages may take.
pub(super) fn free_bytes(paths: &Paths) -> Result<u64> {
    let disk = statvfs(&paths.below(SYSTEM)).context("looking at the disk of `/usr`")?;
    Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

fn ask(program: &str) -> Command {
    Command::new(program, ASK_DEADLINE).env("LC_ALL", "C.UTF-8")
}

/// apt on this machine, with the log that it writes to.
pub(super) struct Apt<'a> {
    paths: &'a Paths,
    log: PathBuf,
    /// Packages of a bundle, in place of the machine's own sources.
    bundle: Option<Archive>,
}

impl<'a> Apt<'a> {
    pub(super) fn new(paths: &'a Paths, log: PathBuf) -> Self {
        Self { paths, log, bundle: store::archive(paths) }
    }

    /// What `apt-get` would do with `arguments`.
    pub(super) fn simulate(&self, arguments: &[&str], names: &[String]) -> Result<Simulation> {
        let output = ask(APT_GET)
            .args(["--simulate", "--yes", "--no-install-recommends"])
            .args(self.sources())
            .args(arguments.iter().copied())
            .arg("--")
            .args(names.iter().cloned())
            .output()?;
        let hint = if self.bundle.is_some() { IN_NO_BUNDLE } else { IN_NO_ARCHIVE };
        if output.success() { Ok(Simulation::parse(&output.stdout)) } else { Err(refusal(&output, hint)) }
    }

    /// Bytes to download, and bytes that the disk has less of afterwards.
    pub(super) fn sizes(&self, changes: &[VersionChange]) -> Result<(u64, i64)> {
        let (mut download, mut disk) = (0, 0);
        let count = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let before = installed(changes.iter().filter(|change| change.from.is_some()).map(|change| change.name.as_str()))?;
        disk -= before.values().map(|package| count(package.bytes)).sum::<i64>();
        let arrivals: Vec<String> =
            changes.iter().filter_map(|change| Some(format!("{}={}", change.name, change.to.as_ref()?))).collect();
        for names in arrivals.chunks(AT_ONCE) {
            let output = ask(APT_CACHE).args(self.sources()).args(["show", "--"]).args(names.iter().cloned()).output()?;
            let sizes = sizes(&output.stdout);
            download += sizes.download;
            disk += count(sizes.installed);
        }
        Ok((download, disk))
    }

    /// Waits for what an earlier run, which was killed, left at work, and completes what was cut short.
    pub(super) fn settle(&self, journal: &mut Journal<'_>) -> Result<()> {
        let end = Instant::now() + STEP_DEADLINE;
        if self.is_at_work()? {
            journal.hear(BuildEvent::Phase("waiting for what was begun before"));
        }
        while self.is_at_work()? {
            if Instant::now() >= end {
                bail!("`{UNIT}` has been at work for {} minutes\nhint: systemctl status {UNIT}", STEP_DEADLINE.as_secs() / 60);
            }
            thread::sleep(LOOK_INTERVAL);
        }
        if ask(DPKG).arg("--audit").output()?.stdout.trim().is_empty() {
            return Ok(());
        }
        journal.hear(BuildEvent::Phase("completing packages that are half installed"));
        // It waits for whoever is at work on them; what is complete then was cut short by nobody.
        let fixed = self.apt_get(&["--fix-broken", "install"], &[], journal);
        fixed.context("packages of this machine are half installed, and can't be completed")
    }

    /// Fetches the list of packages. Without it, what is known already has to do.
    pub(super) fn update(&self, journal: &mut Journal<'_>) {
        journal.hear(BuildEvent::Phase("fetching the list of packages"));
        let (sources, journal) = (self.sources(), std::cell::RefCell::new(journal));
        let mut run = |arguments: &[&str]| {
            let arguments: Vec<&str> =
                std::iter::once(APT_GET).chain(arguments.iter().copied()).chain(sources.iter().map(String::as_str)).collect();
            self.run(&arguments, &mut journal.borrow_mut())
        };
        let mut waiting = || journal.borrow_mut().hear(BuildEvent::Phase("waiting for another program that works on packages"));
        if let Some(problem) = apt::update(&mut run, &mut waiting) {
            journal.borrow_mut().note(&format!("going on with the list of packages that is here: {problem}"));
        }
    }

    /// Downloads and installs `names` and whatever they need.
    pub(super) fn install(&self, names: &[String], plan: (usize, u64), journal: &mut Journal<'_>) -> Result<()> {
        let packages = if plan.0 == 1 { "1 package".to_owned() } else { format!("{} packages", plan.0) };
        journal.hear(BuildEvent::Phase(&format!("downloading {packages} ({})", format_bytes(plan.1))));
        self.apt_get(&["--no-upgrade", "--download-only", "install"], names, journal)?;
        journal.hear(BuildEvent::Phase(&format!("installing {packages}")));
        self.apt_get(&["--no-upgrade", "install"], names, journal)
    }

    /// Removes `names` and nothing else.
    pub(super) fn remove(&self, names: &[String], journal: &mut Journal<'_>) -> Result<()> {
        self.removal(names)?;
        journal.hear(BuildEvent::Phase(&format!("removing {}", names.join(", "))));
        // Not with `--no-remove`; what would go was just looked at.
        self.run(&[&apt_get_options()[..], &["remove", "--"], &words(names)].concat(), journal)
    }

    /// What removing `names` takes, which must be nothing else.
    pub(super) fn removal(&self, names: &[String]) -> Result<Simulation> {
        let simulation = self.simulate(&["remove"], names)?;
        let others = simulation.unexpected_removals(names);
        if !others.is_empty() {
            bail!(
                "{} would be removed with it, and the hub did not install that\n\
                 hint: on the machine, where that is wanted: sudo apt-get remove {}",
                others.join(", "),
                others.join(" ")
            );
        }
        Ok(simulation)
    }

    /// Takes away what came of `names` before it went wrong.
    pub(super) fn take_back(&self, names: &[String], journal: &mut Journal<'_>) -> Result<()> {
        let mut present = Vec::new();
        for names in names.chunks(AT_ONCE) {
            let format = "--showformat=${Package}\\t${db:Status-Status}\\n";
            let output = ask(DPKG_QUERY).args(["--show", format, "--"]).args(names.iter().cloned()).output()?;
            let there = output.stdout.lines().filter_map(|line| line.split_once('\t'));
            let there = there.filter(|(_, status)| !matches!(*status, "not-installed" | "config-files"));
            present.extend(there.map(|(name, _)| name.to_owned()));
        }
        if present.is_empty() { Ok(()) } else { self.remove(&present, journal) }
    }

    fn apt_get(&self, arguments: &[&str], names: &[String], journal: &mut Journal<'_>) -> Result<()> {
        let sources = self.sources();
        let arguments = [&apt_get_options()[..], &words(&sources), &["--no-remove"], arguments, &["--"], &words(names)].concat();
        match self.run(&arguments, journal) {
            Err(error) if format!("{error:#}").contains("dpkg was interrupted") => {
                if let Err(error) = self.run(&[DPKG, "--configure", "--pending"], journal) {
                    // What it lacks may be what apt brings next.
                    journal.note(&format!("completing what was cut short: {error:#}"));
                }
                self.run(&arguments, journal)
            }
            ran => ran,
        }
    }

    /// What apt is told about where packages come from, where that is not what it knows by itself.
    fn sources(&self) -> Vec<String> {
        self.bundle.as_ref().map_or(Vec::new(), Archive::options)
    }

    fn is_at_work(&self) -> Result<bool> {
        let output = Command::new(self.paths.systemctl(), ASK_DEADLINE).args(["is-active", UNIT]).output()?;
        Ok(matches!(output.stdout.trim(), "active" | "activating" | "deactivating"))
    }

    /// Runs a program as root, without a sandbox, in a unit that goes on when this process ends.
    fn run(&self, arguments: &[&str], journal: &mut Journal<'_>) -> Result<()> {
        let begin = fs_err::metadata(&self.log).map_or(0, |metadata| metadata.len());
        let unit = TransientRun::new(Attachment::Waited, "Packages of the distribution for the hub")
            .unit(UNIT)
            .properties(properties(self.paths, &self.log));
        let unit = apt::ENVIRONMENT.iter().fold(unit, |unit, (name, value)| unit.env(name, value));
        let (program, arguments) = arguments.split_first().context("nothing to run")?;
        let command = unit.command(STEP_DEADLINE + GRACE, Path::new(program), arguments);
        let mut holder = String::new();
        let output = thread::scope(|scope| {
            let running = scope.spawn(|| command.output());
            while !running.is_finished() {
                // A log that can't be read just now tells no less later.
                let said = said(&self.log, begin).unwrap_or_default();
                if let Some(name) = held_by(&said).filter(|name| *name != holder) {
                    holder = name.to_owned();
                    journal.hear(BuildEvent::Phase(&format!("waiting for {name}, which works on packages")));
                }
                thread::sleep(LOOK_INTERVAL);
            }
            running.join().map_err(|_| anyhow!("the thread that waits for `{UNIT}` panicked"))?
        })?;
        if output.success() { Ok(()) } else { Err(failure(&output, &said(&self.log, begin)?)) }
    }
}

fn properties(paths: &Paths, log: &Path) -> [String; 7] {
    [
        // Not through a pipe: whoever reads it may be killed, and dpkg must not be for that.
        format!("StandardOutput=append:{}", log.display()),
        format!("StandardError=append:{}", log.display()),
        format!("EnvironmentFile=-{}", paths.network_file().display()),
        format!("RuntimeMaxSec={}", STEP_DEADLINE.as_secs()),
        // At a shutdown dpkg comes to the end of what it is at where it can.
        "TimeoutStopSec=120".to_owned(),
        "CPUWeight=20".to_owned(),
        "IOWeight=20".to_owned(),
    ]
}

fn apt_get_options() -> Vec<&'static str> {
    vec![
        APT_GET,
        "--yes",
        "--quiet",
        "--no-install-recommends",
        "--option=DPkg::Lock::Timeout=900",
        "--option=DPkg::Use-Pty=0",
        // A configuration file that was changed stays; its package's own goes beside it.
        "--option=DPkg::Options::=--force-confdef",
        "--option=DPkg::Options::=--force-confold",
        "--option=APT::Keep-Downloaded-Packages=false",
        "--option=Acquire::Retries=2",
    ]
}

fn words(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// What the log says after the first `begin` bytes, or the last of it.
fn said(log: &Path, begin: u64) -> Result<String> {
    let mut file = File::open(log).with_context(|| format!("reading `{}`", log.display()))?;
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(begin.max(end.saturating_sub(MOST_SAID))))?;
    let mut bytes = Vec::new();
    file.take(MOST_SAID).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Why apt would not do something.
fn refusal(output: &Output, hint: &str) -> anyhow::Error {
    if let Some(name) = output.stderr.lines().find_map(|line| line.strip_prefix("E: Unable to locate package ")) {
        return anyhow!("the archives of this machine have no package `{name}`\nhint: {hint}");
    }
    let unmet = output.stdout.lines().skip_while(|line| !line.contains("unmet dependencies")).skip(1);
    let errors = output.stderr.lines().filter(|line| line.starts_with("E: ")).map(|line| line.trim_start_matches("E: "));
    let lines: Vec<&str> = errors.chain(unmet).map(str::trim_end).take(LAST_LINES).collect();
    anyhow!("apt can't do that: {}", lines.join("\n"))
}

/// What went wrong while something was done.
fn failure(output: &Output, said: &str) -> anyhow::Error {
    if said.contains("Could not get lock") || said.contains("frontend lock") {
        let holder = said.split('\n').rev().find_map(held_by).unwrap_or("another program");
        return anyhow!(
            "{holder} has been at work on packages for too long\nhint: ask again when it is done; \
             on the machine, sudo fuser -v /var/lib/dpkg/lock-frontend tells what it is ({})",
            said.lines().rev().find(|line| line.starts_with("E: ")).unwrap_or_default()
        );
    }
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let how = output.code.map_or("a signal ended it".to_owned(), |code| format!("exit code {code}"));
    anyhow!("apt failed ({how}):\n{}", lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(stdout: &str, stderr: &str) -> Output {
        Output { code: Some(100), stdout: stdout.to_owned(), stderr: stderr.to_owned() }
    }

    #[test]
    fn apt_is_never_allowed_to_remove_or_downgrade_by_the_way() {
        let options = apt_get_options();
        assert!(!options.iter().any(|option| option.contains("allow") || option.contains("force-yes")), "{options:?}");
        assert!(options.contains(&"--no-install-recommends"));
        let properties = properties(&Paths::default(), Path::new("/var/lib/x.log"));
        assert!(properties.contains(&"StandardOutput=append:/var/lib/x.log".to_owned()));
        assert!(
            !properties.iter().any(|property| property.starts_with("BindsTo=")),
            "dpkg would be killed with whoever asked for it"
        );
    }

    #[test]
    fn a_refusal_says_which_package_it_is_about() {
        let unknown = refusal(&output("", "E: Unable to locate package ffmpg\n"), IN_NO_ARCHIVE).to_string();
        assert!(unknown.starts_with("the archives of this machine have no package `ffmpg`\nhint: "), "{unknown}");
        let unmet = "Some packages\nThe following packages have unmet dependencies:\n a : Depends: b (>= 2)\n";
        let told =
            refusal(&output(unmet, "E: Unable to correct problems, you have held broken packages.\n"), IN_NO_BUNDLE).to_string();
        assert!(told.contains("held broken packages") && told.contains("a : Depends: b (>= 2)"), "{told}");
    }

    #[test]
    fn a_lock_that_was_not_let_go_of_names_its_holder() {
        let said = "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 8 (aptd)...\n\
                    E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 8 (aptd)\n";
        let told = failure(&output("", ""), said).to_string();
        assert!(told.starts_with("aptd has been at work on packages for too long\nhint: "), "{told}");
        let told = failure(&output("", ""), "Setting up x\ndpkg: error processing package x\n").to_string();
        assert!(told.contains("exit code 100") && told.ends_with("dpkg: error processing package x"), "{told}");
    }
}
