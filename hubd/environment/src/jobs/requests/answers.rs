//! What is answered about environments, kernels and jobs: nothing here changes anything.

use std::collections::BTreeSet;

use hub_core::control::environment::{
    ASKED, BuildState, EnvironmentReply, EnvironmentStatus, GenerationInfo, KernelInfo, Record, ServersOf,
};
use hub_core::packages::KernelName;
use hub_core::packages::PackageName;
use hub_core::packages::compare;

use crate::pyenv::{self, Generation, Python};

use crate::jobs::requests::{Answer, Requests, conda, interrupted, refused};
use crate::jobs::{apt, settings};

impl Requests {
    pub(super) fn status(&self, servers: Option<Vec<ServersOf>>) -> Answer {
        let current = self.current()?;
        let asked = settings::asked(&settings::read(&self.paths)?, self.paths.kernel())?;
        let building = match self.store.job()? {
            Some(job) => self.store.record(job.number)?.filter(|record| !record.is_over()),
            None => None,
        };
        Ok(EnvironmentReply::Status(EnvironmentStatus {
            current: current.as_ref().map(Generation::number),
            python: current.as_ref().map(conda::stands_on).transpose()?,
            is_of_this_version: self.paths.kernel().is_some() || current.as_ref().is_none_or(Generation::is_of_this_version),
            is_as_asked: current.is_some_and(|generation| generation.manifest().wanted() == asked),
            asked: asked.packages,
            conda: asked.conda,
            building,
            servers,
        }))
    }

    /// What is configured, built, or both.
    pub(super) fn kernels(&self) -> Answer {
        let config = settings::read(&self.paths)?;
        let mut names: BTreeSet<KernelName> = config.environment.kernels.keys().cloned().collect();
        names.extend(pyenv::kernels(&self.paths)?);
        let mut kernels = Vec::new();
        for name in names {
            let current = self.of_kernel(&name).current()?;
            let asked = match config.environment.kernels.contains_key(&name) {
                true => Some(settings::asked(&config, Some(&name))?),
                false => None,
            };
            // What was removed and is still in use is nobody's kernel.
            if current.is_some() || asked.is_some() {
                let is_as_asked = current.as_ref().map(|generation| generation.manifest().wanted()) == asked;
                let is_outdated = self.of_kernel(&name).is_python_replaced_under(current.as_ref())?;
                let current = current.map(|generation| generation.number());
                let conda = asked.as_ref().and_then(|asked| asked.conda.clone());
                let asked = asked.map(|asked| asked.packages);
                kernels.push(KernelInfo { name, current, asked, conda, is_as_asked, is_outdated });
            }
        }
        Ok(EnvironmentReply::Kernels { kernels })
    }

    pub(super) fn list(&self) -> Answer {
        let current = pyenv::current(&self.paths)?;
        let records = self.store.records()?;
        let mut generations = Vec::new();
        for generation in pyenv::all(&self.paths)? {
            let number = generation.number();
            let record = records.iter().find(|record| record.number == number);
            generations.push(GenerationInfo {
                number,
                is_current: current == Some(number),
                packages: generation.installed()?.len(),
                asked: generation.manifest().asked.clone(),
                conda: generation.manifest().conda.clone(),
                when: record.map(|record| record.when.clone()),
                who: record.map(|record| record.who.clone()),
            });
        }
        Ok(EnvironmentReply::Generations { generations })
    }

    pub(super) fn show(&self, number: Option<u32>) -> Answer {
        let generation = self.generation(number)?;
        let (asked, conda) = (generation.manifest().asked.clone(), generation.manifest().conda.clone());
        Ok(EnvironmentReply::Packages { number: generation.number(), asked, conda, packages: generation.installed()? })
    }

    pub(super) fn export(&self, number: Option<u32>, explicit: bool) -> Answer {
        let generation = self.generation(number)?;
        let text = match generation.conda_lock()? {
            Some(lock) if explicit => lock.explicit(),
            Some(lock) => conda::file(self.paths.kernel(), &generation, &lock)?,
            None if explicit => {
                return Err(refused("there are no conda packages in it", Some("hubctl env export prints its lock")));
            }
            None => locked(&generation)?,
        };
        Ok(EnvironmentReply::Lock { number: generation.number(), text })
    }

    pub(super) fn diff(&self, from: Option<u32>, to: Option<u32>) -> Answer {
        let to = self.generation(to)?;
        let from = match from {
            Some(from) => self.generation(Some(from))?,
            None => self.before(to.number())?,
        };
        let changes = compare(&from.installed()?, &to.installed()?);
        Ok(EnvironmentReply::Diff { from: from.number(), to: to.number(), changes })
    }

    pub(super) fn history(&self) -> Answer {
        let job = self.store.job()?.map(|job| job.number);
        let settle = |record: Record| if record.is_over() || job == Some(record.number) { record } else { interrupted(record) };
        // A plan that was made is part of what comes of it.
        let records = self.store.records()?.into_iter().filter(|record| record.state != BuildState::Planned);
        let records = records.filter(|record| self.paths.kernel().is_none() || record.kernel.as_ref() == self.paths.kernel());
        Ok(EnvironmentReply::History { records: records.map(settle).collect() })
    }

    pub(super) fn progress(&self, number: u32, after: u64) -> Answer {
        // The job first: it is put away after its record is whole.
        let job = self.store.job()?.map(|job| job.number);
        let Some(record) = self.store.record(number)? else {
            return Err(refused(format!("there is no record {number}"), Some("hubctl env history lists those there are")));
        };
        let record = if record.is_over() || job == Some(number) { record } else { interrupted(record) };
        let (log, known) = self.store.read_log(number, after)?;
        Ok(EnvironmentReply::Progress { record, log, known })
    }

    pub(super) fn check(&self) -> Answer {
        let mut problems = Vec::new();
        let generation = self.generation(None)?;
        if let Some(python) = &generation.manifest().python {
            match Python::probe(&python.interpreter) {
                Ok(found) if found == *python => {}
                Ok(found) => problems
                    .push(format!("it was built with {python}, but the machine has {found}: hubctl env apply rebuilds it")),
                Err(error) => problems.push(format!("its Python does not run: {error:#}")),
            }
        }
        let missing = if self.paths.kernel().is_none() { apt::missing(&self.paths)? } else { Vec::new() };
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(PackageName::as_str).collect();
            let names = names.join(", ");
            problems.push(format!("distribution packages are missing: {names}: hubctl env apt apply installs them"));
        }
        let asked = settings::asked(&settings::read(&self.paths)?, self.paths.kernel())?;
        if generation.manifest().wanted() != asked {
            problems.push("the configuration asks for other packages than it has: hubctl env apply builds those".to_owned());
        }
        if self.paths.kernel().is_none() && !generation.is_of_this_version() {
            problems.push(
                "another version of hubd built it, and it lacks what came since (kernels of their own, a library of R): hubctl \
                 env apply rebuilds it"
                    .to_owned(),
            );
        }
        problems.extend(generation.strangers()?);
        Ok(EnvironmentReply::Checked { problems })
    }
}

/// The lock of a generation, with what was asked for above it.
fn locked(generation: &Generation) -> anyhow::Result<String> {
    let mut asked: String = generation.manifest().asked.iter().map(|one| format!("{ASKED}{one}\n")).collect();
    if asked.is_empty() {
        asked = format!("{ASKED}\n");
    }
    Ok(format!("{asked}{}", generation.lock()?))
}
