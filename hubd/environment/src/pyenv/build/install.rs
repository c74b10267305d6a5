//! The build of an environment of the index's packages: what is not taken over from the generation before is installed, from
//! wheels where all of it has some, so that no code of a package runs; then root seals it and adds what is taken over.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use hub_system::tree;
use sha2::{Digest, Sha256};

use super::files::readable;
use super::run::run;
use super::{BuildEvent, BuildRequest, Candidate, Contents, ProgressSink, Workshop};
use crate::pyenv::inherit::{self, Inheritance};
use crate::pyenv::unit::{self, Packages};
use crate::pyenv::{Generation, Manifest, Python, lock, share, uv};

impl Workshop {
    pub(super) fn build_of_index(&self, request: &BuildRequest<'_>, progress: ProgressSink<'_>) -> Result<Candidate> {
        let python = Python::probe(request.python)?;
        let is_same = |previous: &&Generation| previous.manifest().python.as_ref() == Some(&python);
        let previous = request.previous.filter(is_same);
        let is_same_place = self.paths.kernel().is_none();
        let inheritance = previous.map(|previous| Inheritance::of(previous, &python, request.lock, is_same_place));
        let inheritance = inheritance.transpose()?.unwrap_or_default();
        if let Some(candidate) = self.build_with(request, &python, previous, &inheritance, progress)? {
            return Ok(candidate);
        }
        progress(BuildEvent::Phase("the new packages do not fit with the old ones, so everything is rebuilt"));
        self.clear()?;
        let candidate = self.build_with(request, &python, previous, &Inheritance::default(), progress)?;
        candidate.context("nothing is taken over, and still something is in its way")
    }

    /// `None`: what is taken over and what was installed do not fit beside each other.
    fn build_with(
        &self,
        request: &BuildRequest<'_>,
        python: &Python,
        previous: Option<&Generation>,
        inheritance: &Inheritance,
        progress: ProgressSink<'_>,
    ) -> Result<Option<Candidate>> {
        let (new, input) = (self.unfinished(request.generation, "new"), self.unfinished(request.generation, "input"));
        // While versions were found code of packages may have run there.
        let found = self.unfinished(request.generation, "old");
        if new.exists() {
            fs_err::rename(&new, &found)?;
        }
        self.prepare(request, Some(python))?;
        let rest = lock::without(request.lock, &inheritance.names)?;
        readable(&input.join("requirements.txt"), &rest)?;
        tracing::info!(taken_over = inheritance.names.len(), "building environment {}", request.generation);
        let mut packages = Packages::Wheels;
        let mut installed = self.install(request, python, previous, packages, progress);
        if installed.as_ref().is_err_and(unit::lacks_wheel) {
            packages = Packages::Any;
            // What was built to find versions is needed now.
            tree::remove(&new)?;
            if found.exists() {
                fs_err::rename(&found, &new)?;
            }
            self.prepare(request, Some(python))?;
            readable(&input.join("requirements.txt"), &rest)?;
            installed = self.install(request, python, previous, packages, progress);
        }
        let ours = installed?;
        let tag = python.bytecode_tag();
        let bytecode = previous.map(|_| tag.as_str());
        let (path, mut sealed) = self.seal(request, bytecode, Some(&python.interpreter), progress)?;
        let mut proven = match packages {
            Packages::Wheels => inherit::proven(&path, python, &ours)?,
            Packages::Any => BTreeSet::new(),
        };
        let sealing = self.sealing(request, &new, &path, bytecode, Some(&python.interpreter))?;
        let Some(losers) = sealing.inherit(&inheritance.files, &ours, &mut sealed)? else { return Ok(None) };
        if !losers.is_empty() {
            tracing::info!(?losers, "what is new has files of other packages, which are installed again next time");
        }
        proven.extend(inheritance.names.iter().cloned());
        proven.retain(|name| !losers.contains(name));
        if self.paths.kernel().is_none() {
            let shared = share::share(&path, python, previous.map(Generation::path))?;
            sealed.bytes += shared;
            sealed.own_bytes += shared;
        }
        let digest = uv::hexadecimal(&Sha256::digest(request.lock.as_bytes()));
        let manifest =
            Manifest { proven, ..Manifest::new(request.generation, Some(python.clone()), digest, request.asked.to_vec()) };
        manifest.write(&path, request.lock, None)?;
        Ok(Some(Candidate { number: request.generation, path, contents: Contents::Packages(python.clone()), sealed }))
    }

    /// Returns the files that are no package's.
    fn install(
        &self,
        request: &BuildRequest<'_>,
        python: &Python,
        previous: Option<&Generation>,
        packages: Packages,
        progress: ProgressSink<'_>,
    ) -> Result<BTreeSet<PathBuf>> {
        let (new, input) = (self.unfinished(request.generation, "new"), self.unfinished(request.generation, "input"));
        let environment = self.paths.environment_at_work(request.generation);
        let places = self.places(request, &input, &environment);
        let mut step = |step: unit::Step| {
            progress(BuildEvent::Phase(&step.title));
            run(&step, &places, &new, progress).with_context(|| step.title.clone())
        };
        step(unit::making(&places, python))?;
        let mut ours = inherit::files(&new)?;
        ours.extend(inherit::files(&input.join("overlay"))?);
        if fs_err::metadata(input.join("requirements.txt"))?.len() > 0 {
            step(unit::installing(&places, packages))?;
        }
        step(unit::adding_ours(&places))?;
        step(unit::compiling(&places, python, previous.map(Generation::path)))?;
        Ok(ours)
    }
}
