//! restic, started in its unit and waited for.

use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::config::Repository;
use hub_core::paths::Paths;
use hub_core::sys::room::Room;
use hub_system::command::Command;
use hub_system::transient::{Attachment, TransientRun};

use crate::Problem;
use crate::said::{self, Ended, Lost, Snapshot, Summary, TAG_OF_HUB};
use crate::unit::{self, Access};

/// The first backup of large homes over a slow line takes days.
const DEADLINE: Duration = Duration::from_secs(4 * 24 * 3600);
/// For restic to end when it is told to.
const STOP_DEADLINE: Duration = Duration::from_secs(120);
/// Whose backups they are, in a repository that others use as well.
const TAG: &str = "hubd";

/// A disk with less has nothing.
const FULL: u64 = 16 << 20;

/// What is not to be in a backup.
#[derive(Debug)]
pub(crate) struct Excluded {
    /// In restic's words.
    pub(crate) patterns: Vec<String>,
    /// A file of more of them, which is among what is backed up.
    pub(crate) file: PathBuf,
    /// Files of more bytes.
    pub(crate) larger_than: u64,
}

/// restic with one repository.
#[derive(Debug, Clone)]
pub struct Restic {
    paths: Paths,
    repository: Repository,
    password: PathBuf,
    /// The service that does not outlive it.
    service: Option<String>,
}

impl Restic {
    /// With the repository, and the file with its password.
    ///
    /// # Errors
    /// When restic is not installed, with what to do.
    pub fn new(paths: &Paths, repository: &Repository, password: &Path) -> Result<Self> {
        if !paths.restic().exists() {
            let hint = "sudo apt-get install restic";
            return Err(Problem::new("backups are made by restic, which is not installed", hint).into());
        }
        let (paths, repository, password) = (paths.clone(), repository.clone(), password.to_owned());
        Ok(Self { paths, repository, password, service: None })
    }

    /// The same; it ends with the service called `name`.
    #[must_use]
    pub fn within(self, name: &str) -> Self {
        Self { service: Some(name.to_owned()), ..self }
    }

    /// Makes the repository.
    ///
    /// # Errors
    /// When it can't be made, as when there is one.
    pub fn init(&self) -> Result<()> {
        self.done(&Access::default(), &["init"])
    }

    /// Every backup of a hub, the oldest first.
    ///
    /// # Errors
    /// When they can't be listed.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        // Each names every path in it, so the list of a large class is longer than what is kept of a program's output.
        let mut list = tempfile::tempfile_in(self.paths.large_temporary()).context("making a temporary file")?;
        let to = list.try_clone().context("handing over a file")?;
        let ended = self.run(&Access::default(), &["snapshots", "--tag", TAG].map(str::to_owned), Some(to))?;
        list.rewind().context("reading the list of backups")?;
        Ok(said::snapshots(&ended, list, said::LONGEST_LIST, &self.place())?)
    }

    /// Makes a backup of `what` for `hub`, and leaves out `excluded`. `unread` hears what could not be read.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn backup(
        &self,
        hub: &str,
        what: &[PathBuf],
        excluded: &Excluded,
        unread: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Summary> {
        let access = Access { reads: what.to_vec(), writes: Vec::new() };
        let mut arguments: Vec<String> = ["backup", "--tag", TAG, "--tag"].map(str::to_owned).into();
        arguments.extend([format!("{TAG_OF_HUB}{hub}"), "--exclude-caches".to_owned()]);
        arguments.extend(excluded.patterns.iter().map(|pattern| format!("--exclude={pattern}")));
        arguments.push(format!("--exclude-file={}", excluded.file.display()));
        arguments.push(format!("--exclude-larger-than={}", excluded.larger_than));
        arguments.push("--".to_owned());
        arguments.extend(what.iter().map(|path| path.display().to_string()));
        let ended = self.run_with(&access, &arguments, None, |line| {
            tracing::info!("restic: {line}");
            if let Some(path) = said::unread(line) {
                unread(&path);
            }
        })?;
        Ok(said::summary(&ended, &self.place())?)
    }

    /// Lets backups of `hub` go that are older than what is to be kept: days, weeks, months.
    ///
    /// # Errors
    /// When it can't.
    pub(crate) fn forget(&self, hub: &str, keep: [u64; 3]) -> Result<()> {
        let [daily, weekly, monthly] = keep.map(|count| count.to_string());
        let keep = ["--keep-daily", &daily, "--keep-weekly", &weekly, "--keep-monthly", &monthly, "--keep-last", "1"];
        // Not by the name of the machine, which another one may have as well.
        let both = format!("{TAG},{TAG_OF_HUB}{hub}");
        let of = ["forget", "--prune", "--tag", &both, "--group-by", "tags"];
        self.done(&Access::default(), &[&of[..], &keep[..]].concat())
    }

    /// Takes away locks that nobody holds any more, as after a power cut.
    ///
    /// # Errors
    /// When it can't.
    pub(crate) fn unlock(&self) -> Result<()> {
        self.done(&Access::default(), &["unlock"])
    }

    /// Whether all is there and sound; with `data`, every byte is read.
    ///
    /// # Errors
    /// What is damaged.
    pub fn check(&self, data: bool) -> Result<()> {
        let mut arguments = vec!["check"];
        arguments.extend(data.then_some("--read-data"));
        self.done(&Access::default(), &arguments)
    }

    /// Brings `what` of a backup back into `directory`, which is there and root's alone. What is not in it is left out; what could not be
    /// brought back is said.
    ///
    /// # Errors
    /// When the disk is full, or nothing could be brought back.
    pub(crate) fn restore(&self, snapshot: &str, what: &[PathBuf], directory: &Path) -> Result<Lost> {
        let mut arguments = vec!["restore".to_owned(), format!("--target={}", directory.display())];
        arguments.extend(what.iter().map(|path| format!("--include={}", said::pattern(path))));
        arguments.extend(["--".to_owned(), snapshot.to_owned()]);
        let access = Access { reads: Vec::new(), writes: vec![directory.to_owned()] };
        let mut lost = Lost::default();
        let ended = self.run_with(&access, &arguments, None, |line| lost.hear(line))?;
        // The disk itself is asked: words like these may be names of files.
        let is_full = Room::of(directory).is_some_and(|room| room.free_bytes < FULL || (room.files > 0 && room.free_files < 64));
        if ended.code != Some(0) && is_full {
            let what = format!("there is no room left in `{}`", directory.display());
            return Err(Problem::new(what, "make room there, then run the same command again").into());
        }
        if ended.code == Some(0) || said::is_partial(&ended) {
            Ok(lost)
        } else {
            Err(said::problem(&ended, &self.place()).into())
        }
    }

    /// Writes one file of a backup to `to`.
    ///
    /// # Errors
    /// When there is no such file in it.
    pub(crate) fn dump(&self, snapshot: &str, path: &str, to: File) -> Result<()> {
        let arguments = ["dump", "--", snapshot, path].map(str::to_owned);
        let ended = self.run(&Access::default(), &arguments, Some(to))?;
        Ok(said::done(&ended, &self.place())?)
    }

    /// Ends what a program that was killed has left at work; nobody else may be.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub fn end_what_was_left(&self) -> Result<()> {
        // It says so when there is nothing, which is as well.
        let stopped =
            Command::new(self.paths.systemctl(), STOP_DEADLINE).args(["--no-ask-password", "stop", unit::UNIT]).output()?;
        tracing::debug!(said = stopped.stderr, "ending what was left");
        Ok(())
    }

    fn place(&self) -> String {
        self.repository.to_string()
    }

    fn done(&self, access: &Access, arguments: &[&str]) -> Result<()> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Ok(said::done(&self.run(access, &arguments, None)?, &self.place())?)
    }

    fn run(&self, access: &Access, arguments: &[String], output: Option<File>) -> Result<Ended> {
        self.run_with(access, arguments, output, |_| ())
    }

    /// The same; `line` hears what it complains about, line by line.
    fn run_with(
        &self,
        access: &Access,
        arguments: &[String],
        output: Option<File>,
        line: impl FnMut(&str) + Send,
    ) -> Result<Ended> {
        if let Some(path) = self.repository.directory()
            && !path.exists()
        {
            let hint = "is its disk connected and mounted? To begin: sudo hubctl backup init";
            return Err(Problem::new(format!("there is no directory `{}`", path.display()), hint).into());
        }
        if !self.password.exists() {
            let what = format!("there is no file `{}` with the password of the backups", self.password.display());
            return Err(Problem::new(what, "give the password with --password-file, or put it there, for root alone").into());
        }
        if self.repository.directory().is_none() {
            fs_err::create_dir_all(self.paths.backup_cache())?;
        }
        let unit = TransientRun::new(Attachment::Piped, "hubd: backups")
            .unit(unit::UNIT)
            .env("LC_ALL", "C")
            .env("HOME", "/root")
            // Not `After=`: the service has only started when it is done.
            .properties(self.service.iter().map(|service| format!("BindsTo={service}")))
            .properties(unit::properties(&self.paths, &self.repository, &self.password, access));
        let cache = match self.repository {
            Repository::Directory(_) => "--no-cache".to_owned(),
            _ => format!("--cache-dir={}", self.paths.backup_cache().display()),
        };
        let mut all = vec!["--json".to_owned(), cache, format!("--password-file={}", self.password.display())];
        all.push(format!("--repo={}", self.repository));
        all.extend_from_slice(arguments);
        let mut command = unit.command(DEADLINE, &self.paths.restic(), all);
        if let Some(file) = output {
            command = command.output_file(file);
        }
        let output = command.output_with(line).context("running restic")?;
        Ok(Ended { code: output.code, stdout: output.stdout, stderr: output.stderr })
    }
}
