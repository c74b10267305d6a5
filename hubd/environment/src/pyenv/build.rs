//! Building a generation: sweep what an earlier run left, find versions, build without rights, seal, prove, give it its
//! number. Each step of the build runs in a unit of its own; nothing of one outlives it.

mod conda;
mod download;
mod downloads;
mod files;
mod install;
mod request;
mod run;
mod sweep;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::syncfs;

use self::files::{directory, hinted, network_input, own, readable, untrusted};
pub use self::request::{BuildRequest, CondaRequest, Locks, Resolution};
use self::run::run;
pub use self::sweep::has_unfinished;
use hub_core::config;
use hub_core::generation::SHARED;
use hub_core::packages::Conda;
use hub_core::packages::Installed;
use hub_core::packages::requirement::Requirement;
use hub_core::paths::Paths;
use hub_system::command::Command;
use hub_system::lock::{LockGuard, try_lock};
use hub_system::tree;

use self::sweep::sweep;
use super::progress::{BuildEvent, ProgressSink};
use super::seal::{Sealed, Sealing};
use super::unit::{self, Places};
use super::workplace::{CACHE, LOCK_FILE};
use super::{BASE, Generation, Python, generation, kernel, lock, overlay, trial};
use crate::pyenv::conda::{self as provider, Program};

/// Free bytes that a build of what the hub needs takes below `/opt`, with a little to spare: 532 MB were seen, and then 19 MB of
/// compressed files.
pub(super) const DISK_BYTES: u64 = 570 << 20;
/// What is the build's own affair, or root's, and stays behind.
const LEFT_OUT: &[&str] = &[CACHE, LOCK_FILE, provider::RECORDS_FILE, SHARED, ".lock"];
const COMPILE: &str = include_str!("assets/compile.py");
const EXCLUDES: &str = include_str!("assets/lock/excludes.txt");
const SYSTEMCTL: &str = "/usr/bin/systemctl";
const STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// Builds generations on this machine. Needs root and systemd.
#[derive(Debug, Clone)]
pub struct Builder {
    paths: Paths,
    service: Option<&'static str>,
}

/// The one place where environments are built, held by whoever builds.
#[derive(Debug)]
pub struct Workshop {
    paths: Paths,
    service: Option<&'static str>,
    _lock: LockGuard,
}

/// A generation that is sealed but has no number yet.
#[derive(Debug)]
pub struct Candidate {
    number: u32,
    path: PathBuf,
    contents: Contents,
    sealed: Sealed,
}

/// What a candidate is made of.
#[derive(Debug)]
enum Contents {
    /// Packages of the index, on the machine's Python.
    Packages(Python),
    /// Conda's packages, and what the second lock names.
    Conda { lock: provider::Lock, packages: String, asked: Conda },
}

impl Candidate {
    /// Bytes in its files.
    pub fn bytes(&self) -> u64 {
        self.sealed.bytes
    }

    /// Bytes of files that it does not share with the generation before.
    pub fn own_bytes(&self) -> u64 {
        self.sealed.own_bytes
    }

    /// The packages in it, by name.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn installed(&self) -> Result<Vec<Installed>> {
        match &self.contents {
            Contents::Packages(python) => generation::installed(&self.path, python),
            Contents::Conda { lock, packages, .. } => generation::installed_with_conda(&self.path, lock, packages),
        }
    }
}

impl Builder {
    /// For the machine at `paths`.
    pub fn new(paths: Paths) -> Self {
        Self { paths, service: None }
    }

    /// As [`Builder::new`], for the process of the systemd service `service`, without which its builds end.
    pub fn for_service(paths: Paths, service: &'static str) -> Self {
        Self { paths, service: Some(service) }
    }

    /// Takes the workshop and sweeps it. `None`: somebody else builds.
    ///
    /// # Errors
    /// When it can't be swept.
    pub fn enter(&self) -> Result<Option<Workshop>> {
        directory(&self.paths.of_everybody().environments())?;
        directory(&self.paths.environment_mount())?;
        // One build at a time, whatever for: they share a unit and its account.
        let Some(lock) = try_lock(&self.paths.workshop_lock())? else { return Ok(None) };
        let workshop = Workshop { paths: self.paths.clone(), service: self.service, _lock: lock };
        workshop.clear()?;
        Ok(Some(workshop))
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
        self.build_with(request, false, progress)
    }

    /// As [`Builder::build`], with versions that are found first: those of the request's lock where they fit.
    ///
    /// # Errors
    /// As [`Builder::build`], and when no versions go together.
    pub fn resolve_and_build(&self, request: &BuildRequest<'_>, progress: &mut (dyn FnMut(&str) + Send)) -> Result<Generation> {
        self.build_with(request, true, progress)
    }

    fn build_with(
        &self,
        request: &BuildRequest<'_>,
        resolves: bool,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Generation> {
        let Some(workshop) = self.enter()? else {
            let lock = self.paths.workshop_lock();
            bail!("another build is running (it holds `{}`)\nhint: wait for it to end, then run this again", lock.display());
        };
        if let Some(generation) = Generation::open(&self.paths, request.generation)? {
            return Ok(generation);
        }
        let mut progress = |said: BuildEvent<'_>| match said {
            BuildEvent::Phase(text) | BuildEvent::Detail(text) => progress(text),
            BuildEvent::Downloading(download) => progress(&format!("downloading {download}")),
        };
        let found;
        let mut lock = request.lock;
        if resolves {
            let resolution = Resolution { build: request, upgrade: &[], upgrade_conda: &[], everything: false };
            found = workshop.resolve(&resolution, &mut progress)?.packages;
            lock = &found;
        }
        let request = BuildRequest { lock, ..*request };
        workshop.build(&request, &mut progress).and_then(|candidate| workshop.keep(candidate))
    }
}

impl Workshop {
    /// Ends a build whose starter was killed, and removes what it left.
    ///
    /// # Errors
    /// When it can't be ended or removed.
    pub fn clear(&self) -> Result<()> {
        let stopped = Command::new(SYSTEMCTL, STOP_TIMEOUT).args(["stop", "--quiet", unit::UNIT, trial::UNIT]).output()?;
        // 5: there is no such unit, as is usual.
        if !matches!(stopped.code, Some(0 | 5)) {
            bail!("stopping `{}`: {}", unit::UNIT, stopped.stderr.trim());
        }
        sweep(&self.paths)
    }

    /// Finds versions for what the hub needs and what is asked for; returns the lock.
    ///
    /// # Errors
    /// When nothing fits together (the error has the resolver's own explanation), or the index can't be reached.
    pub fn resolve(&self, resolution: &Resolution<'_>, progress: ProgressSink<'_>) -> Result<Locks> {
        self.tidied(resolution.build, || match &resolution.build.conda {
            Some(conda) => self.resolve_conda(resolution, conda, progress),
            None => {
                let python = Python::probe(resolution.build.python)?;
                self.prepare(resolution.build, Some(&python))?;
                let packages = self.resolve_packages(resolution, &python, EXCLUDES, progress)?;
                Ok(Locks { packages, conda: None })
            }
        })
    }

    /// Finds versions for `python`, of everything but `excluded`; what the build may write to is prepared.
    fn resolve_packages(
        &self,
        resolution: &Resolution<'_>,
        python: &Python,
        excluded: &str,
        progress: ProgressSink<'_>,
    ) -> Result<String> {
        let request = resolution.build;
        let (new, input) = (self.unfinished(request.generation, "new"), self.unfinished(request.generation, "input"));
        let asked: String = request.asked.iter().map(|requirement| format!("{requirement}\n")).collect();
        let base = if request.conda.is_some() { "" } else { self.base() };
        readable(&input.join("requirements.in"), &format!("{base}{asked}"))?;
        readable(&input.join("excludes.txt"), excluded)?;
        let upgrade = resolution.upgrade(resolution.upgrade.iter().map(|one| one.name().to_owned()).collect());
        let environment = self.paths.environment_at_work(request.generation);
        let places = self.places(request, &input, &environment);
        let step = unit::resolution(&places, python, &upgrade);
        progress(BuildEvent::Phase(&step.title));
        run(&step, &places, &new, progress)?;
        let found = untrusted(&new.join(LOCK_FILE)).context("reading what the resolver found")?;
        lock::parse(&found).context("reading what the resolver found")?;
        Ok(found)
    }

    /// Builds and seals. What it makes has no number before [`Workshop::keep`].
    ///
    /// # Errors
    /// When a download fails, the disk is full, or the result is not what it must be.
    pub fn build(&self, request: &BuildRequest<'_>, progress: ProgressSink<'_>) -> Result<Candidate> {
        self.tidied(request, || self.build_new(request, progress))
    }

    fn build_new(&self, request: &BuildRequest<'_>, progress: ProgressSink<'_>) -> Result<Candidate> {
        lock::parse(request.lock)?;
        if let Some(conda) = &request.conda {
            return self.build_conda(request, conda, progress);
        }
        self.build_of_index(request, progress)
    }

    /// Root's own copy of what was built. `bytecode` is the tag of the generation before, where that has the same Python;
    /// `interpreter` is where links may lead although it is outside.
    fn seal(
        &self,
        request: &BuildRequest<'_>,
        bytecode: Option<&str>,
        interpreter: Option<&Path>,
        progress: ProgressSink<'_>,
    ) -> Result<(PathBuf, Sealed)> {
        progress(BuildEvent::Phase("putting it in place"));
        let (new, target) = (self.unfinished(request.generation, "new"), self.unfinished(request.generation, "sealed"));
        let sealed = self.sealing(request, &new, &target, bytecode, interpreter)?.seal()?;
        tracing::info!(
            files = sealed.files,
            bytes = sealed.bytes,
            own_bytes = sealed.own_bytes,
            "sealed environment {}",
            request.generation
        );
        Ok((target, sealed))
    }

    fn sealing<'a>(
        &self,
        request: &BuildRequest<'a>,
        new: &'a Path,
        target: &'a Path,
        bytecode: Option<&'a str>,
        interpreter: Option<&'a Path>,
    ) -> Result<Sealing<'a>> {
        Ok(Sealing {
            source: new,
            target,
            previous: request.previous.map(Generation::path),
            bytecode,
            interpreter,
            left_out: LEFT_OUT,
            builder: fs_err::metadata(new)?.uid(),
            owner: Some((0, 0)),
        })
    }

    /// Proves that a server starts, opens JupyterLab and runs a cell with the candidate, and that what was asked for can be
    /// imported.
    ///
    /// # Errors
    /// When one of it does not work, with what was said meanwhile.
    pub fn prove(&self, candidate: &Candidate, asked: &[Requirement], progress: ProgressSink<'_>) -> Result<()> {
        progress(BuildEvent::Phase("trying it out: a server, JupyterLab, a cell, the new packages"));
        let place = self.paths.environment_at_work(candidate.number);
        let (python, conda) = match &candidate.contents {
            Contents::Packages(python) => (Some(python.clone()), None),
            Contents::Conda { lock, asked, .. } => (lock.python(&place), Some(asked)),
        };
        let program = match (conda, self.paths.kernel()) {
            (Some(_), Some(name)) => Program::find(&candidate.path, &place, name)?,
            _ => Program::python(&place),
        };
        let trial = trial::Trial {
            paths: &self.paths,
            number: candidate.number,
            candidate: &candidate.path,
            packages: python.map_or_else(|| place.clone(), |python| generation::packages(&place, &python)),
            conda: conda.iter().flat_map(|conda| &conda.specs).map(|spec| spec.name().to_owned()).collect(),
            language: program.language(),
            service: self.service,
        };
        if let Some(name) = self.paths.kernel() {
            let specification = kernel::specification(&self.paths, name, candidate.number, &program, conda.is_some());
            readable(&self.unfinished(candidate.number, "input").join(trial::SPECIFICATION), &specification)?;
        }
        // Nobody needs what was copied; removing tens of thousands of names takes as long as a server's start.
        let left = self.unfinished(candidate.number, "new");
        let (removed, proven) = thread::scope(|scope| {
            let removing = scope.spawn(|| tree::remove(&left));
            let proven = trial::prove(&trial, asked, progress);
            (removing.join(), proven)
        });
        proven?;
        removed.map_err(|_| anyhow::anyhow!("removing `{}` panicked", left.display()))?.map(drop)
    }

    /// Gives the candidate its number: from then on it is a generation.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn keep(&self, candidate: Candidate) -> Result<Generation> {
        // The number vouches for the content, so the content must be on disk first.
        let parent = fs_err::File::open(self.paths.environments())?;
        syncfs(&parent).with_context(|| format!("writing `{}` to disk", candidate.path.display()))?;
        fs_err::rename(&candidate.path, self.paths.environment(candidate.number))?;
        parent.sync_all()?;
        sweep(&self.paths)?;
        Generation::open(&self.paths, candidate.number)?.context("the environment is gone again")
    }

    /// What the hub needs in what is built here, whatever is asked for.
    fn base(&self) -> &'static str {
        if self.paths.kernel().is_some() { kernel::BASE } else { BASE }
    }

    fn places<'a>(&self, request: &BuildRequest<'a>, input: &'a Path, environment: &'a Path) -> Places<'a> {
        let beside = self.paths.kernel().map(|_| [input].into_iter().chain(request.previous.map(Generation::path)).collect());
        let network = request.network;
        Places {
            input,
            environment,
            uv: request.uv,
            service: self.service,
            bundle: network.bundle(),
            is_bundle_only: network.only_bundle(),
            is_local: network.is_local(),
            denied: config::denied(&self.paths),
            beside,
        }
    }

    /// What the build's user may write to, and what it may read: our own files, the lock, the network settings.
    fn prepare(&self, request: &BuildRequest<'_>, python: Option<&Python>) -> Result<PathBuf> {
        let (new, input) = (self.unfinished(request.generation, "new"), self.unfinished(request.generation, "input"));
        if self.paths.kernel().is_some() {
            for parent in [self.paths.jupyter(), self.paths.kernels(), self.paths.environments()] {
                directory(&parent)?;
            }
        }
        directory(&input)?;
        readable(&input.join("requirements.txt"), request.lock)?;
        readable(&input.join("compile.py"), COMPILE)?;
        directory(&input.join("overlay"))?;
        // A kernel needs nothing of a server.
        if let (None, Some(python)) = (self.paths.kernel(), python) {
            overlay::write(&input.join("overlay"), python)?;
        }
        network_input(request, &input)?;
        if !new.exists() {
            own(&new, request.lock)?;
        }
        Ok(new)
    }

    /// Does `work`; when that fails, nothing of it is left.
    fn tidied<T>(&self, request: &BuildRequest<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let what = match request.generation {
            0 => "looking for packages".to_owned(),
            number => format!("building environment {number}"),
        };
        work().map_err(hinted).context(what).map_err(|error| match self.clear() {
            Ok(()) => error,
            Err(other) => other.context(format!("tidying up after: {error:#}")),
        })
    }

    fn unfinished(&self, generation: u32, suffix: &str) -> PathBuf {
        self.paths.environments().join(format!("{generation}.{suffix}"))
    }
}
