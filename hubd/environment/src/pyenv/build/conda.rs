//! The conda part of a build: the tool that does it, then conda's packages, then those of the index on top.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hub_core::packages::Installed;
use hub_core::packages::requirement::{Requirement, normalized};
use hub_system::tree;
use nix::unistd::syncfs;
use sha2::{Digest, Sha256};

use super::run::run;
use super::{
    BuildEvent, BuildRequest, Candidate, CondaRequest, Contents, LEFT_OUT, Locks, ProgressSink, Resolution, Workshop, directory,
    network_input, own, readable, untrusted,
};
use crate::pyenv::conda::{self as provider, Lock, Tool};
use crate::pyenv::seal::Sealing;
use crate::pyenv::unit::Places;
use crate::pyenv::{Generation, Manifest, Python, generation, lock, uv};

impl Workshop {
    pub(super) fn resolve_conda(
        &self,
        resolution: &Resolution<'_>,
        conda: &CondaRequest<'_>,
        progress: ProgressSink<'_>,
    ) -> Result<Locks> {
        let request = resolution.build;
        let tool = self.tool(request, progress)?;
        let new = self.prepare(request, None)?;
        let input = self.unfinished(request.generation, "input");
        let environment = self.paths.environment_at_work(request.generation);
        let places = self.places(request, &input, &environment);
        // Versions before stay only where they are conda's, too.
        let before = request.previous.filter(|previous| previous.manifest().conda.is_some()).map(Generation::path);
        let asked =
            provider::request(conda.asked, conda.channels, before, &resolution.upgrade(resolution.upgrade_conda.to_vec()));
        readable(&input.join(provider::REQUEST_FILE), &asked)?;
        readable(&input.join(provider::SCRIPT_FILE), provider::SCRIPT)?;
        let step = provider::solving(&places, request.python, &tool);
        progress(BuildEvent::Phase(&step.title));
        run(&step, &places, &new, progress)?;
        let reading = || -> Result<Lock> {
            let found = Lock::parse(&untrusted(&new.join(provider::RECORDS_FILE))?)?;
            found.check_channels(&conda.channels.addresses(conda.asked))?;
            Ok(found)
        };
        let found = reading().context("reading what the solver found")?;
        let packages = match request.asked {
            [] => String::new(),
            _ => {
                let python = python_for_packages(&found, &environment)?;
                self.install_conda(request, &found, progress)?;
                // What conda brought is conda's: it is not replaced by the index's.
                let here = generation::installed(&new, &python)?;
                refuse_twice(request.asked, &here)?;
                let excluded: String = here.iter().map(|one| format!("{}\n", one.name)).collect();
                self.resolve_packages(resolution, &python, &excluded, progress)?
            }
        };
        Ok(Locks { packages, conda: Some(found) })
    }

    pub(super) fn build_conda(
        &self,
        request: &BuildRequest<'_>,
        conda: &CondaRequest<'_>,
        progress: ProgressSink<'_>,
    ) -> Result<Candidate> {
        let locked = conda.lock.context("nobody has looked yet which conda packages go together")?;
        let new = self.prepare(request, None)?;
        // Nothing is downloaded or changed of what the resolver of the index has had put there already.
        self.install_conda(request, locked, progress)?;
        let input = self.unfinished(request.generation, "input");
        let environment = self.paths.environment_at_work(request.generation);
        let places = self.places(request, &input, &environment);
        let python = locked.python(&environment);
        let is_same = |previous: &&Generation| matches!(previous.conda_lock(), Ok(Some(before)) if before.version("python") == locked.version("python"));
        let previous = request.previous.filter(is_same).map(Generation::path);
        let packages = lock::parse(request.lock)?;
        if !packages.is_empty() {
            self.add_packages(&places, &packages, &new, progress)?;
        }
        if let Some(python) = &python {
            let step = provider::compiling(&places, python, previous);
            progress(BuildEvent::Phase(&step.title));
            run(&step, &places, &new, progress).with_context(|| step.title.clone())?;
        }
        let tag = python.as_ref().filter(|_| previous.is_some()).map(Python::bytecode_tag);
        let (path, sealed) = self.seal(request, tag.as_deref(), None, progress)?;
        let digest = uv::hexadecimal(&Sha256::digest(request.lock.as_bytes()));
        let mut manifest = Manifest::new(request.generation, None, digest, request.asked.to_vec());
        manifest.conda = Some(conda.asked.clone());
        manifest.write(&path, request.lock, Some(locked))?;
        let contents = Contents::Conda { lock: locked.clone(), packages: request.lock.to_owned(), asked: conda.asked.clone() };
        Ok(Candidate { number: request.generation, path, contents, sealed })
    }

    /// Packages of the index, which must go together with what conda brought.
    fn add_packages(&self, places: &Places<'_>, packages: &[lock::Locked], new: &Path, progress: ProgressSink<'_>) -> Result<()> {
        let adding = provider::adding_packages(places);
        progress(BuildEvent::Phase(&adding.title));
        run(&adding, places, new, progress).with_context(|| adding.title.clone())?;
        let checking = provider::checking_packages(places);
        progress(BuildEvent::Phase(&checking.title));
        let mut problems = Vec::new();
        let checked = run(&checking, places, new, &mut |said| {
            if let BuildEvent::Detail(line) = said {
                problems.extend(Some(line.to_owned()).filter(|line| is_about(line, packages)));
            }
            progress(said);
        });
        match (checked, &problems[..]) {
            (Ok(()), _) => Ok(()),
            // What conda's own packages say of each other is for conda to judge.
            (Err(error), []) => {
                tracing::debug!("conda's packages, in the words of the index: {error:#}");
                Ok(())
            }
            (Err(_), problems) => bail!(
                "the packages from the index do not fit with those from conda:\n{}\nhint: ask conda for other versions",
                problems.join("\n")
            ),
        }
    }

    fn install_conda(&self, request: &BuildRequest<'_>, locked: &Lock, progress: ProgressSink<'_>) -> Result<()> {
        let (new, input) = (self.unfinished(request.generation, "new"), self.unfinished(request.generation, "input"));
        readable(&input.join(provider::RECORDS_FILE), &locked.to_text()?)?;
        readable(&input.join(provider::SCRIPT_FILE), provider::SCRIPT)?;
        let environment = self.paths.environment_at_work(request.generation);
        let places = self.places(request, &input, &environment);
        let step = provider::installing(&places, request.python, &Tool::new(&self.paths).directory);
        progress(BuildEvent::Phase(&step.title));
        run(&step, &places, &new, progress).with_context(|| step.title.clone())
    }

    /// Where the tool is; fetched and sealed when it is not there yet.
    pub(super) fn tool(&self, request: &BuildRequest<'_>, progress: ProgressSink<'_>) -> Result<PathBuf> {
        let tool = Tool::new(&self.paths);
        if tool.directory.is_dir() {
            return Ok(tool.directory);
        }
        let [input, new, sealed] = tool.workplaces();
        directory(&self.paths.tools())?;
        directory(&input)?;
        readable(&input.join("requirements.txt"), &Tool::requirement())?;
        network_input(request, &input)?;
        own(&new, "")?;
        let environment = self.paths.of_everybody().environment_mount();
        let places = Places {
            input: &input,
            environment: &environment,
            uv: request.uv,
            service: self.service,
            bundle: request.network.bundle(),
            is_bundle_only: request.network.only_bundle(),
            is_local: false,
            denied: hub_core::config::denied(&self.paths),
            beside: None,
        };
        let step = Tool::step(&places, request.python);
        progress(BuildEvent::Phase(&step.title));
        run(&step, &places, &new, progress).with_context(|| step.title.clone())?;
        let sealing = Sealing {
            source: &new,
            target: &sealed,
            previous: None,
            bytecode: None,
            interpreter: None,
            left_out: LEFT_OUT,
            builder: std::os::unix::fs::MetadataExt::uid(&fs_err::metadata(&new)?),
            owner: Some((0, 0)),
        };
        sealing.seal()?;
        let parent = fs_err::File::open(self.paths.tools())?;
        syncfs(&parent).with_context(|| format!("writing `{}` to disk", sealed.display()))?;
        fs_err::rename(&sealed, &tool.directory)?;
        for outdated in tool.outdated()? {
            tree::remove(&outdated)?;
        }
        Ok(tool.directory)
    }
}

/// The environment's Python, without which nothing of the index can be installed.
fn python_for_packages(found: &Lock, environment: &Path) -> Result<Python> {
    match found.python(environment) {
        Some(python) => Ok(python),
        None => bail!(
            "packages from the package index were asked for, but no conda package in it is Python\nhint: ask conda for python, too"
        ),
    }
}

/// Who asks the index for what conda has brought would wait in vain.
fn refuse_twice(asked: &[Requirement], here: &[Installed]) -> Result<()> {
    for requirement in asked {
        if let Some(found) = here.iter().find(|one| one.name == requirement.name()) {
            bail!(
                "`{requirement}` is asked for from the package index, and {} {} is there from conda\nhint: ask for it on one side \
                 only: with conda, or without",
                found.name,
                found.version
            );
        }
    }
    Ok(())
}

/// Whether uv says in `line` that one of `packages` lacks something.
fn is_about(line: &str, packages: &[lock::Locked]) -> bool {
    let name = line.strip_prefix("The package `").and_then(|rest| rest.split('`').next());
    name.is_some_and(|name| packages.iter().any(|package| package.name == normalized(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_added_is_judged() {
        let lock = format!("cowsay==6.1 \\\n    --hash=sha256:{}\n", "a".repeat(64));
        let packages = lock::parse(&lock).unwrap();
        for (line, expected) in [
            ("The package `cowsay` requires `numpy>=3`, but `2.1` is installed", true),
            ("The package `Cowsay` requires `numpy>=3`, but it's not installed", true),
            ("The package `ipykernel` requires `debugpy>=1.6.5`, but it's not installed", false),
            ("Found 2 incompatibilities", false),
        ] {
            assert_eq!(is_about(line, &packages), expected, "{line}");
        }
    }

    #[test]
    fn what_conda_brought_is_not_asked_of_the_index() {
        let here = [Installed { name: "numpy".to_owned(), version: "2.1".to_owned() }];
        let asked = |text: &str| [text.parse().unwrap()];
        refuse_twice(&asked("cowsay"), &here).unwrap();
        let error = refuse_twice(&asked("NumPy>=2"), &here).unwrap_err().to_string();
        assert!(error.contains("numpy 2.1 is there from conda"), "{error}");
    }
}
