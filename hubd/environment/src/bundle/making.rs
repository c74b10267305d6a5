//! Making a bundle of this hub: what its environments are made of is downloaded once more, by hash.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Seek;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::config::Environment;
use hub_core::packages::PackageName;
use hub_core::packages::{Asked, KernelName, Requirement};
use hub_core::paths::Paths;
use hub_core::programs;
use hub_system::command::Command;
use hub_system::digest;
use hub_system::distribution::{PYTHON, needed_packages};
use hub_system::scratch::Scratch;
use serde::Serialize;

use super::opened::files;
use super::{
    BOOTSTRAP, CONDA, FORMAT, LOCK, LeftOut, MANIFEST, Machine, Manifest, PACKAGES, PROGRAMS, SUMS, UV, VERSION, WHEELS, channel,
    debian, store,
};
use crate::pyenv::{
    self, BuildEvent, BuildRequest, Builder, Generation, NetworkSettings, ProgressSink, Resolution, Workshop, conda, lock, uv,
};

const PACK_DEADLINE: Duration = Duration::from_secs(3600);

/// What a bundle is to be made of.
#[derive(Debug)]
pub struct Making<'a> {
    /// The machine with the hub.
    pub paths: &'a Paths,
    /// The version of the hub.
    pub version: &'a str,
    /// The text of `bootstrap.sh`.
    pub bootstrap: &'a str,
    /// When, for people.
    pub now: String,
    /// The administrator's mirrors, proxies and certificates.
    pub network: &'a NetworkSettings,
    /// Packages that are not installed here, to be installed from the bundle later.
    pub more: &'a [Requirement],
    /// Whether the packages of the distribution come along that an install needs.
    pub has_packages: bool,
    /// What the configuration asks for.
    pub asked: &'a Environment,
    /// Whether the packages of the distribution come along that it asks for.
    pub has_apt: bool,
}

/// What was asked for in everybody's environment and in kernels of their own.
#[derive(Default)]
struct Held {
    packages: Vec<Requirement>,
    kernels: BTreeMap<KernelName, Vec<Requirement>>,
    conda_kernels: BTreeMap<KernelName, Asked>,
}

/// A bundle that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Where it is.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: String,
    /// How many wheels are in it.
    pub wheels: usize,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Making<'_> {
    /// Writes it into `target`, an empty file that can be read, too, and that people know as `name`.
    ///
    /// # Errors
    /// When a package has no wheel, a download fails or the disk is full.
    pub fn make(&self, mut target: &File, name: &Path, progress: ProgressSink<'_>) -> Result<Made> {
        // Not where the bundle goes: sticks are slow with many files.
        let scratch = Scratch::new(&self.paths.large_temporary(), "hubd-bundle-")?;
        let root = scratch.path();
        let place = |name: &str| root.join(name);
        for directory in [PROGRAMS, WHEELS] {
            fs_err::create_dir_all(place(directory))?;
        }
        progress(BuildEvent::Phase("copying the programs"));
        for program in programs::names() {
            fs_err::copy(self.paths.binaries().join(program), place(PROGRAMS).join(program))?;
        }
        fs_err::copy(self.paths.uv(), place(UV))?;
        fs_err::write(place(VERSION), format!("{}\n", self.version))?;
        fs_err::write(place(BOOTSTRAP), self.bootstrap)?;
        fs_err::set_permissions(place(BOOTSTRAP), PermissionsExt::from_mode(0o755))?;
        let Held { packages, kernels, conda_kernels } = self.environments(root, progress)?;
        let needed = if self.has_packages { needed_packages() } else { Vec::new() };
        let (apt, left_out) = if self.has_apt { (&self.asked.apt[..], &[][..]) } else { (&[][..], &self.asked.apt[..]) };
        let names: Vec<&str> = needed.iter().copied().chain(apt.iter().map(PackageName::as_str)).collect();
        if !names.is_empty() {
            progress(BuildEvent::Phase("downloading packages of the distribution"));
            debian::fetch(&names, &place(PACKAGES), &self.network.for_apt(), store::archive(self.paths).as_ref())?;
        }
        let is_built = |name: &&KernelName| kernels.contains_key(*name) || conda_kernels.contains_key(*name);
        let left_out = LeftOut {
            apt: left_out.to_vec(),
            kernels: self.asked.kernels.keys().filter(|name| !is_built(name)).cloned().collect(),
        };
        let manifest = Manifest {
            format: FORMAT,
            version: self.version.to_owned(),
            made: self.now.clone(),
            machine: Machine::probe(self.paths)?,
            uv: uv::VERSION.to_owned(),
            packages,
            kernels,
            more: self.more.to_vec(),
            distribution_packages: needed.into_iter().map(str::to_owned).collect(),
            conda_kernels,
            apt: apt.to_vec(),
            left_out,
        };
        fs_err::write(place(MANIFEST), serde_json::to_string_pretty(&manifest)?)?;
        progress(BuildEvent::Phase("packing"));
        let wheels = files(root, &place(WHEELS))?.len();
        pack(self.paths, root, target).with_context(|| format!("writing `{}`", name.display()))?;
        target.rewind()?;
        let (bytes, sha256) = (target.metadata()?.len(), digest::of_stream(target)?);
        Ok(Made { file: name.to_owned(), bytes, sha256, wheels, manifest })
    }

    /// Everybody's environment, every kernel, and what is wanted beside: locks, wheels, conda packages.
    fn environments(&self, root: &Path, progress: ProgressSink<'_>) -> Result<Held> {
        let (uv, own) = (self.paths.uv(), self.paths.environment_wheels());
        let places = (uv.as_path(), own.as_path());
        let Some(workshop) = Builder::new(self.paths.of_everybody()).enter()? else {
            bail!("an environment is being built right now\nhint: hubctl env status says which; make the bundle after it");
        };
        let everybodys = current(&self.paths.of_everybody())?.context("there is no Python environment yet")?;
        let text = everybodys.lock()?;
        fs_err::write(root.join(LOCK), &text)?;
        let mut held = Held { packages: everybodys.manifest().asked.clone(), ..Held::default() };
        let (mut locks, mut of_conda) = (vec![text.clone()], Vec::new());
        for name in pyenv::kernels(self.paths)? {
            if let Some(generation) = current(&self.paths.of_kernel(&name))? {
                let packages = generation.lock()?;
                match generation.conda_lock()? {
                    Some(lock) => {
                        held.conda_kernels.insert(name, generation.manifest().wanted());
                        of_conda.push((lock, packages));
                    }
                    None => {
                        held.kernels.insert(name, generation.manifest().asked.clone());
                        locks.push(packages);
                    }
                }
            }
        }
        if !of_conda.is_empty() {
            locks.push(conda::tool_lock());
        }
        if !self.more.is_empty() {
            locks.push(self.resolve(&workshop, &everybodys, places, &text, progress)?);
        }
        progress(BuildEvent::Phase("downloading wheels"));
        for lock in lock::distinct(&locks).iter().filter(|lock| !lock.is_empty()) {
            workshop.download(&self.request(&everybodys, places, lock, &[]), None, &root.join(WHEELS), progress)?;
        }
        for (lock, packages) in &of_conda {
            progress(BuildEvent::Phase("downloading conda packages"));
            let channel = root.join(CONDA);
            workshop.download_conda(&self.request(&everybodys, places, "", &[]), lock, &channel, progress)?;
            channel::describe(&channel, lock)?;
            if !lock::parse(packages)?.is_empty() {
                let python = lock.version("python");
                workshop.download(&self.request(&everybodys, places, packages, &[]), python, &root.join(WHEELS), progress)?;
            }
        }
        Ok(held)
    }

    /// A lock of everybody's environment together with what is wanted beside.
    fn resolve(
        &self,
        workshop: &Workshop,
        base: &Generation,
        places: (&Path, &Path),
        text: &str,
        progress: ProgressSink<'_>,
    ) -> Result<String> {
        let mut asked = base.manifest().asked.clone();
        asked.retain(|one| !self.more.iter().any(|more| more.name() == one.name()));
        asked.extend_from_slice(self.more);
        let request = self.request(base, places, text, &asked);
        let resolution = Resolution { build: &request, upgrade: &[], upgrade_conda: &[], everything: false };
        Ok(workshop.resolve(&resolution, progress)?.packages)
    }

    fn request<'a>(
        &'a self,
        base: &'a Generation,
        (uv, own): (&'a Path, &'a Path),
        lock: &'a str,
        asked: &'a [Requirement],
    ) -> BuildRequest<'a> {
        BuildRequest {
            generation: 0,
            uv,
            python: Path::new(PYTHON),
            lock,
            network: self.network,
            asked,
            conda: None,
            previous: Some(base),
            wheels: Some(own),
        }
    }
}

fn current(paths: &Paths) -> Result<Option<Generation>> {
    let number = pyenv::current(paths)?;
    Ok(number.map(|number| Generation::open(paths, number)).transpose()?.flatten())
}

/// Writes the list of files, and everything into one file, the list first.
fn pack(paths: &Paths, root: &Path, target: &File) -> Result<()> {
    let names: BTreeSet<String> = files(root, root)?;
    let mut sums = String::new();
    for name in &names {
        sums.push_str(&format!("{}  {name}\n", digest::of_file(&root.join(name))?));
    }
    fs_err::write(root.join(SUMS), sums)?;
    // What starts an install comes first, so that it is found without reading all of a slow stick.
    let first = [SUMS, MANIFEST, BOOTSTRAP, "release", UV, LOCK, WHEELS, CONDA, PACKAGES];
    Command::new(paths.tar(), PACK_DEADLINE)
        // Names of wheels are long.
        .args(["--create", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"])
        .arg("--file=-")
        .arg(format!("--directory={}", root.display()))
        .args(first.into_iter().filter(|name| root.join(name).exists()))
        .output_file(target.try_clone()?)
        .run()?;
    Ok(target.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Opened;
    use crate::bundle::manifest::tests::manifest;

    #[test]
    fn what_is_packed_is_opened_again_whatever_the_length_of_a_name() {
        let root = tempfile::tempdir().unwrap();
        let (content, file) = (root.path().join("content"), root.path().join("class.bundle"));
        let paths = Paths::under(root.path().join("machine"));
        for directory in [content.join(WHEELS), paths.below("opt"), paths.below("usr/bin")] {
            std::fs::create_dir_all(directory).unwrap();
        }
        std::os::unix::fs::symlink("/usr/bin/tar", paths.tar()).unwrap();
        let wheel = format!("{}-1.0-py3-none-any.whl", "long_".repeat(40));
        for name in [BOOTSTRAP, LOCK, UV, &format!("{WHEELS}/{wheel}")] {
            std::fs::write(content.join(name), name).unwrap();
        }
        std::fs::write(content.join(MANIFEST), serde_json::to_vec(&manifest()).unwrap()).unwrap();
        pack(&paths, &content, &File::create(&file).unwrap()).unwrap();
        store::add(&paths, &Opened::open(&paths, &File::open(&file).unwrap(), &file).unwrap()).unwrap();
        assert_eq!(store::names(&paths).unwrap(), [wheel]);
    }
}
