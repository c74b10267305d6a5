//! Building a generation: sweep what an earlier run left, build without rights, seal, give it its number.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::{User, syncfs};
use sha2::{Digest, Sha256};

use super::unit::{self, Places, Step};
use super::{Generation, Manifest, NetworkSettings, Python, network, overlay, seal, uv};
use crate::paths::Paths;
use crate::sys::atomic::{self, Access};
use crate::sys::command::Command;
use crate::sys::lock;

/// Free bytes that a build of the shipped lock needs below `/opt`, with room to spare.
pub const DISK_BYTES: u64 = 450 << 20;
pub(super) const CACHE: &str = ".cache";
pub(super) const NETWORK_FILE: &str = "network.env";
const COMPILE: &str = include_str!("assets/compile.py");
const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
const STOP_TIMEOUT: Duration = Duration::from_secs(120);
/// systemd ends a step at its deadline by itself; this only covers systemd not answering.
const GRACE: Duration = Duration::from_secs(60);

/// Builds generations on this machine. Needs root and systemd.
#[derive(Debug, Clone)]
pub struct Builder {
    paths: Paths,
}

/// What to build.
#[derive(Debug)]
pub struct BuildRequest<'a> {
    /// The number it gets.
    pub generation: u32,
    /// The program `uv`.
    pub uv: &'a Path,
    /// The interpreter to build on, for example `/usr/bin/python3`.
    pub python: &'a Path,
    /// Requirements with hashes; [`super::LOCK`] is the one we ship.
    pub lock: &'a str,
    /// The administrator's mirrors, proxies and certificates.
    pub network: &'a NetworkSettings,
}

impl Builder {
    /// For the machine at `paths`.
    pub fn new(paths: Paths) -> Self {
        Self { paths }
    }

    /// Makes sure that the generation exists, and returns it; one that exists is left as it is. `progress` hears what is
    /// being done, in words for people.
    ///
    /// Safe to be killed at any point: the next run sweeps up and builds anew.
    ///
    /// # Errors
    /// When another build is running, a download fails, the disk is full, or the result is not what it must be. Nothing
    /// but the parent directory is left behind then.
    pub fn build(&self, request: &BuildRequest<'_>, progress: &mut (dyn FnMut(&str) + Send)) -> Result<Generation> {
        let environments = self.paths.environments();
        directory(&environments)?;
        directory(&self.paths.environment_mount())?;
        let lock_path = environments.join(".lock");
        let Some(_lock) = lock::try_lock(&lock_path)? else {
            bail!("another build holds `{}`\nhint: wait for it to end, then run this again", lock_path.display());
        };
        // A build whose starter was killed goes on under systemd.
        self.stop()?;
        self.sweep()?;
        if let Some(generation) = Generation::open(&self.paths, request.generation)? {
            return Ok(generation);
        }
        let built = self.build_new(request, progress);
        let built = built.with_context(|| format!("building environment {}", request.generation));
        if let Err(error) = built {
            self.stop().and_then(|()| self.sweep()).with_context(|| format!("tidying up after: {error:#}"))?;
            return Err(error);
        }
        self.sweep()?;
        Generation::open(&self.paths, request.generation)?.context("the environment is gone again")
    }

    fn build_new(&self, request: &BuildRequest<'_>, progress: &mut (dyn FnMut(&str) + Send)) -> Result<()> {
        let python = Python::probe(request.python)?;
        let Some(user) = User::from_name(unit::USER)? else {
            bail!("there is no user `{}`, expected the one that builds environments", unit::USER);
        };
        let (new, input) = (self.unfinished(request.generation, "new"), self.unfinished(request.generation, "input"));
        directory(&input)?;
        atomic::replace(&input.join("requirements.txt"), request.lock.as_bytes(), Access::mode(0o644))?;
        atomic::replace(&input.join("compile.py"), COMPILE.as_bytes(), Access::mode(0o644))?;
        overlay::write(&input.join("overlay"), &python)?;
        let certificates = request.network.visible_certificates(&input)?;
        let variables = network::environment_file(&request.network.for_build(certificates.as_deref()));
        atomic::replace(&input.join(NETWORK_FILE), variables.as_bytes(), Access::mode(0o600))?;
        directory(&new)?;
        std::os::unix::fs::chown(&new, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .with_context(|| format!("changing the owner of `{}`", new.display()))?;

        let mount = self.paths.environment_mount();
        let places = Places { input: &input, environment: &mount, uv: request.uv };
        for step in unit::steps(&places, &python) {
            progress(&step.title);
            run(&step, &places, &new, progress).with_context(|| step.title.clone())?;
        }

        progress("sealing");
        let cache = new.join(CACHE);
        if cache.symlink_metadata().is_ok() {
            fs_err::remove_dir_all(&cache)?;
        }
        let sealed = seal::seal(&new, &python.interpreter, Some((0, 0)))?;
        tracing::info!(files = sealed.files, bytes = sealed.bytes, "sealed environment {}", request.generation);
        let lock = uv::hexadecimal(&Sha256::digest(request.lock.as_bytes()));
        Manifest::new(request.generation, python, lock).write(&new)?;
        // The number vouches for the content, so the content must be on disk first.
        let parent = fs_err::File::open(self.paths.environments())?;
        syncfs(&parent).with_context(|| format!("writing `{}` to disk", new.display()))?;
        fs_err::rename(&new, self.paths.environment(request.generation))?;
        parent.sync_all()?;
        Ok(())
    }

    fn unfinished(&self, generation: u32, suffix: &str) -> PathBuf {
        self.paths.environments().join(format!("{generation}.{suffix}"))
    }

    /// Ends a build that is still running.
    fn stop(&self) -> Result<()> {
        let stopped = Command::new(SYSTEMCTL, STOP_TIMEOUT).args(["stop", "--quiet", unit::UNIT]).output()?;
        // 5: there is no such unit, as is usual.
        match stopped.code {
            Some(0 | 5) => Ok(()),
            _ => bail!("stopping `{}`: {}", unit::UNIT, stopped.stderr.trim()),
        }
    }

    /// Removes what an unfinished build left.
    fn sweep(&self) -> Result<()> {
        for entry in fs_err::read_dir(self.paths.environments())? {
            let path = entry?.path();
            if is_unfinished(&path) {
                fs_err::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }
}

fn run(step: &Step, places: &Places<'_>, new: &Path, progress: &mut (dyn FnMut(&str) + Send)) -> Result<()> {
    let mut command = Command::new(SYSTEMD_RUN, unit::STEP_TIMEOUT + GRACE)
        .args(["--quiet", "--wait", "--pipe", "--collect", "--service-type=exec"])
        .arg(format!("--unit={}", unit::UNIT))
        .arg(format!("--description=Python environment of the hub: {}", step.title));
    for (name, value) in unit::environment(places) {
        command = command.arg(format!("--setenv={name}={value}"));
    }
    for property in unit::properties(places, new, step.network) {
        command = command.arg("--property").arg(property);
    }
    let command = command.arg("--").args(step.arguments.iter().cloned());
    let output = command.output_with(|line| {
        // uv lists every package it installed; what counts is in the lock file.
        if !line.starts_with(" + ") {
            progress(line);
        }
    })?;
    if output.success() {
        return Ok(());
    }
    let said = format!("{}{}", output.stdout, output.stderr);
    let last: Vec<&str> = said.trim_end().lines().rev().take(12).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    let how = output.code.map_or("a signal ended it".to_owned(), |code| format!("exit code {code}"));
    let hint = unit::hint(&said).map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    bail!("`{}`: {how}\n{}{hint}", step.arguments.join(" "), last.join("\n"))
}

/// A directory of ours that everybody may read, whatever the caller's umask.
fn directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::create_dir_all(path)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Whether `path` has the name of a build's working directory: a number and a word.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(name.split_once('.'), Some((number, "new" | "input")) if number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_working_directories_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for name in ["1", "1.new", "2.input", "12.new", "x.new", "3.backup", "current.new"] {
            std::fs::create_dir_all(paths.environments().join(name)).unwrap();
        }
        Builder::new(paths.clone()).sweep().unwrap();
        let mut left: Vec<String> = std::fs::read_dir(paths.environments())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["1", "3.backup", "current.new", "x.new"]);
    }
}
