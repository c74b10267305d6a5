//! Numbers, places and the record of generations. One that lies under its number is whole: it gets that name last.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hub_core::packages::Conda;
use hub_core::packages::Installed;
use hub_core::packages::requirement::Requirement;
use hub_core::packages::{Asked, KernelName};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_system::tree;
use serde::{Deserialize, Serialize};

use super::conda::{self, Program};
use super::lock::{self};
use super::{LOCK, Python, kernel, overlay};

const MANIFEST: &str = "hubd-environment.json";
const LOCK_FILE: &str = "hubd-environment.lock";
const CONDA_LOCK_FILE: &str = "hubd-environment.conda.json";
const FORMAT: u32 = 1;

/// What a generation says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this record.
    pub format: u32,
    /// The generation's number.
    pub generation: u32,
    /// The interpreter it stands on, which stays the distribution's; `None`: what it needs it has from conda.
    #[serde(default)]
    pub python: Option<Python>,
    /// The `uv` that built it.
    pub uv: String,
    /// SHA-256 of the lock file.
    pub lock_sha256: String,
    /// What administrators asked for on top of what the hub needs.
    #[serde(default)]
    pub asked: Vec<Requirement>,
    /// What they asked for of conda's packages; `None`: it is not of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda: Option<Conda>,
    /// Packages that are what their wheels brought, which the next generation may take over.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub proven: BTreeSet<String>,
}

impl Manifest {
    pub(super) fn new(generation: u32, python: Option<Python>, lock_sha256: String, asked: Vec<Requirement>) -> Self {
        Self {
            format: FORMAT,
            generation,
            python,
            uv: super::uv::VERSION.to_owned(),
            lock_sha256,
            asked,
            conda: None,
            proven: BTreeSet::new(),
        }
    }

    /// What administrators asked for.
    pub fn wanted(&self) -> Asked {
        Asked { packages: self.asked.clone(), conda: self.conda.clone() }
    }

    pub(super) fn write(&self, directory: &Path, lock: &str, conda: Option<&conda::Lock>) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        atomic::replace(&directory.join(LOCK_FILE), lock.as_bytes(), Access::mode(0o644))?;
        if let Some(conda) = conda {
            atomic::replace(&directory.join(CONDA_LOCK_FILE), conda.to_text()?.as_bytes(), Access::mode(0o644))?;
        }
        atomic::replace(&directory.join(MANIFEST), format!("{text}\n").as_bytes(), Access::mode(0o644))
    }
}

/// A whole generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    path: PathBuf,
    manifest: Manifest,
}

impl Generation {
    /// The generation `number`, or `None` when there is none.
    ///
    /// # Errors
    /// When something lies there that is no generation.
    pub fn open(paths: &Paths, number: u32) -> Result<Option<Self>> {
        let path = paths.environment(number);
        if !path.try_exists().with_context(|| format!("looking for `{}`", path.display()))? {
            return Ok(None);
        }
        let read = || -> Result<Manifest> {
            let manifest: Manifest = serde_json::from_slice(&fs_err::read(path.join(MANIFEST))?)?;
            if (manifest.format, manifest.generation) != (FORMAT, number) {
                bail!(
                    "it is generation {} in format {}, expected {number} in format {FORMAT}",
                    manifest.generation,
                    manifest.format
                );
            }
            Ok(manifest)
        };
        let manifest = read().with_context(|| format!("reading environment `{}`", path.display()))?;
        Ok(Some(Self { path, manifest }))
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.manifest.generation
    }

    /// Its directory, to be bound to [`Paths::environment_mount`] read-only.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the hub's own files in it are those of this version: what came since is not in one that an earlier version made.
    pub fn is_of_this_version(&self) -> bool {
        self.manifest.python.as_ref().is_none_or(|python| overlay::is_current(&self.path, python))
    }

    /// The lock it was built from. The first ones did not keep theirs: it was the shipped one.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn lock(&self) -> Result<String> {
        match fs_err::read_to_string(self.path.join(LOCK_FILE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(LOCK.to_owned()),
            read => Ok(read?),
        }
    }

    /// Its conda packages; `None`: it is not of them.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn conda_lock(&self) -> Result<Option<conda::Lock>> {
        let file = self.path.join(CONDA_LOCK_FILE);
        match fs_err::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => conda::Lock::parse(&read?).with_context(|| format!("reading `{}`", file.display())).map(Some),
        }
    }

    /// What is started in it for a notebook, when it is the kernel `name`.
    pub(super) fn program(&self, paths: &Paths, name: &KernelName) -> Result<Program> {
        let place = paths.environment_at_work(self.number());
        match self.manifest.conda {
            Some(_) => Program::find(&self.path, &place, name),
            None => Ok(Program::python(&place)),
        }
    }

    /// What in it is not as it was sealed: files that belong to somebody else than root, or that somebody may write to.
    ///
    /// # Errors
    /// When a directory can't be read.
    pub fn strangers(&self) -> Result<Vec<String>> {
        const MOST: usize = 5;
        let (mut strangers, mut directories) = (Vec::new(), vec![self.path.clone()]);
        let owner = fs_err::metadata(&self.path)?.uid();
        while let Some(directory) = directories.pop() {
            for entry in fs_err::read_dir(&directory)? {
                let path = entry?.path();
                let metadata = fs_err::symlink_metadata(&path)?;
                if metadata.is_dir() {
                    directories.push(path.clone());
                }
                let is_open = !metadata.is_symlink() && metadata.mode() & 0o7022 != 0;
                if metadata.uid() != owner || is_open {
                    let (uid, mode) = (metadata.uid(), metadata.mode() & 0o7777);
                    strangers.push(format!("`{}` belongs to uid {uid} with mode {mode:o}, expected root's own", path.display()));
                }
                if strangers.len() == MOST {
                    return Ok(strangers);
                }
            }
        }
        Ok(strangers)
    }

    /// The packages in it, by name, as their own records say.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn installed(&self) -> Result<Vec<Installed>> {
        match (&self.manifest.python, self.conda_lock()?) {
            (_, Some(conda)) => installed_with_conda(&self.path, &conda, &self.lock()?),
            (Some(python), None) => installed(&self.path, python),
            (None, None) => Ok(Vec::new()),
        }
    }
}

/// Where the packages of the environment at `directory` are.
pub(super) fn packages(directory: &Path, python: &Python) -> PathBuf {
    directory.join("lib").join(python.directory()).join("site-packages")
}

/// The packages in the environment at `directory`, by name.
pub(super) fn installed(directory: &Path, python: &Python) -> Result<Vec<Installed>> {
    let packages = packages(directory, python);
    let mut installed = Vec::new();
    for entry in fs_err::read_dir(packages)? {
        installed.extend(entry?.file_name().to_str().and_then(Installed::from_directory));
    }
    installed.sort();
    Ok(installed)
}

/// As [`installed`], where conda brought most of it and the index what `packages` locks.
pub(super) fn installed_with_conda(directory: &Path, conda: &conda::Lock, packages: &str) -> Result<Vec<Installed>> {
    let mut all = conda.installed();
    if let Some(python) = conda.python(directory) {
        let added: Vec<String> = lock::parse(packages)?.into_iter().map(|package| package.name).collect();
        if !added.is_empty() {
            all.extend(installed(directory, &python)?.into_iter().filter(|one| added.contains(&one.name)));
        }
    }
    all.sort();
    Ok(all)
}

/// Every whole generation, by number. What lies there and is none is left out.
///
/// # Errors
/// When the directory of generations can't be read.
pub fn all(paths: &Paths) -> Result<Vec<Generation>> {
    let directory = paths.environments();
    let entries = match fs_err::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        // Only our own spelling counts: `03` is no generation.
        let number = name.to_str().and_then(|name| name.parse::<u32>().ok().filter(|number| number.to_string() == name));
        numbers.extend(number);
    }
    numbers.sort_unstable();
    let opened = numbers.into_iter().filter_map(|number| match Generation::open(paths, number) {
        Ok(generation) => generation,
        Err(error) => {
            tracing::warn!("this is no environment: {error:#}");
            None
        }
    });
    Ok(opened.collect())
}

/// Deletes a generation. It stops being one at once: what is left of it after a power cut is swept like an unfinished one.
///
/// # Errors
/// When it is the current one, or can't be deleted.
pub fn delete(paths: &Paths, generation: &Generation) -> Result<()> {
    let number = generation.number();
    if current(paths)? == Some(number) {
        bail!("environment {number} is the one that new servers get");
    }
    let doomed = paths.environments().join(format!("{number}.old"));
    fs_err::rename(&generation.path, &doomed)?;
    tree::remove(&doomed).map(drop)
}

/// The number of the generation that new servers, or new kernels, get, or `None` before the first.
///
/// # Errors
/// When the file can't be read or makes no sense.
pub fn current(paths: &Paths) -> Result<Option<u32>> {
    if paths.kernel().is_none() {
        return hub_core::generation::current(paths);
    }
    let file = paths.current_environment();
    let text = hub_core::generation::read(&file)?;
    text.map(|text| kernel::generation(&text)).transpose().with_context(|| format!("reading `{}`", file.display()))
}

/// Gives new servers, or new kernels, `generation`; running ones keep theirs.
///
/// # Errors
/// When the file can't be written.
pub fn switch(paths: &Paths, generation: &Generation) -> Result<()> {
    if let Some(name) = paths.kernel() {
        let program = generation.program(paths, name)?;
        let is_conda = generation.manifest().conda.is_some();
        let text = kernel::specification(paths, name, generation.number(), &program, is_conda);
        return atomic::replace(&paths.current_environment(), text.as_bytes(), Access::mode(0o644));
    }
    atomic::replace(&paths.current_environment(), format!("{}\n", generation.number()).as_bytes(), Access::mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> (tempfile::TempDir, Paths) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.environments()).unwrap();
        (root, paths)
    }

    fn manifest(number: u32) -> Manifest {
        let python = Python { interpreter: "/usr/bin/python3.11".into(), version: "3.11.2".to_owned() };
        Manifest::new(number, Some(python), "00".to_owned(), Vec::new())
    }

    #[test]
    fn switches_to_a_whole_generation() {
        let (_root, paths) = machine();
        assert_eq!(current(&paths).unwrap(), None);
        assert_eq!(Generation::open(&paths, 3).unwrap(), None);
        std::fs::create_dir(paths.environment(3)).unwrap();
        manifest(3).write(&paths.environment(3), "# lock\n", None).unwrap();
        let generation = Generation::open(&paths, 3).unwrap().unwrap();
        assert_eq!((generation.number(), generation.path()), (3, paths.environment(3).as_path()));
        switch(&paths, &generation).unwrap();
        assert_eq!(current(&paths).unwrap(), Some(3));
        assert_eq!(generation.lock().unwrap(), "# lock\n");
        std::fs::remove_file(paths.environment(3).join(LOCK_FILE)).unwrap();
        assert_eq!(generation.lock().unwrap(), LOCK, "the first generations kept none");
    }

    #[test]
    fn lists_what_is_whole_and_deletes_all_but_the_current_one() {
        let (_root, paths) = machine();
        for number in [1, 2, 10] {
            let packages = paths.environment(number).join("lib/python3.11/site-packages");
            std::fs::create_dir_all(packages.join("Cow_Say-6.1.dist-info")).unwrap();
            std::fs::create_dir_all(packages.join("cowsay")).unwrap();
            manifest(number).write(&paths.environment(number), "", None).unwrap();
        }
        for name in ["03", "4.new", "x"] {
            std::fs::create_dir(paths.environments().join(name)).unwrap();
        }
        std::fs::create_dir(paths.environment(5)).unwrap();
        let found = all(&paths).unwrap();
        assert_eq!(found.iter().map(Generation::number).collect::<Vec<_>>(), [1, 2, 10]);
        assert_eq!(found[0].installed().unwrap(), [Installed { name: "cow-say".to_owned(), version: "6.1".to_owned() }]);
        switch(&paths, &found[2]).unwrap();
        delete(&paths, &found[0]).unwrap();
        assert!(!paths.environment(1).exists());
        let error = delete(&paths, &found[2]).unwrap_err().to_string();
        assert_eq!(error, "environment 10 is the one that new servers get");
    }

    #[test]
    fn a_directory_without_its_record_is_an_error_that_names_it() {
        let (_root, paths) = machine();
        std::fs::create_dir(paths.environment(1)).unwrap();
        let error = format!("{:#}", Generation::open(&paths, 1).unwrap_err());
        assert!(error.starts_with(&format!("reading environment `{}`", paths.environment(1).display())), "{error}");
        manifest(2).write(&paths.environment(1), "", None).unwrap();
        let error = format!("{:#}", Generation::open(&paths, 1).unwrap_err());
        assert!(error.ends_with("it is generation 2 in format 1, expected 1 in format 1"), "{error}");
    }

    #[test]
    fn a_damaged_number_is_an_error_that_shows_it() {
        let (_root, paths) = machine();
        std::fs::write(paths.current_environment(), "one\n").unwrap();
        let error = format!("{:#}", current(&paths).unwrap_err());
        assert!(error.contains("\"one\\n\" is no number"), "{error}");
    }

    #[test]
    fn reads_the_record_of_the_first_release() {
        let text = r#"{"format": 1, "generation": 1, "python": {"interpreter": "/usr/bin/python3.11", "version": "3.11.2"},
            "uv": "0.13.7", "lock_sha256": "00"}"#;
        assert_eq!(serde_json::from_str::<Manifest>(text).unwrap(), manifest(1));
    }
}
