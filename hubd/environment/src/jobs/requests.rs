//! Where questions about the environment are answered and jobs are taken. Whether somebody may ask was decided before;
//! what is asked for is judged here once more.

mod answers;
mod conda;
mod upkeep;

use hub_core::control::environment::apt::AptRequest;
use hub_core::control::environment::{Asker, BuildState, Change, EnvironmentReply, EnvironmentRequest, Record, ServersOf};
use hub_core::control::{Refusal, RefusalKind};
use hub_core::packages::{KernelName, Requirement};
use hub_core::paths::Paths;
use hub_system::jobs;

use crate::pyenv::{self, Builder, Generation, lock};
use anyhow::Result;
use jiff::Timestamp;

use crate::jobs::store::{Job, JobStore, Task};
use crate::jobs::{apt, settings, transaction, worker};

/// More packages than any class asks for.
const MOST_PACKAGES: usize = 500;

/// Takes questions and jobs for the machine at `paths`.
#[derive(Debug, Clone)]
pub struct Requests {
    paths: Paths,
    store: JobStore,
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Refused(Refusal),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

type Answer = Result<EnvironmentReply, Problem>;

impl Requests {
    /// What works on the files at `paths`.
    pub fn new(paths: Paths) -> Self {
        Self { store: JobStore::new(&paths), paths }
    }

    /// The same, for the kernel `name` in place of everybody's environment.
    fn of_kernel(&self, name: &KernelName) -> Self {
        Self::new(self.paths.of_kernel(name))
    }

    /// Answers. `servers` says who runs on which generation, where that is known.
    pub fn answer(&self, asker: &Asker, request: &EnvironmentRequest, servers: Option<Vec<ServersOf>>) -> EnvironmentReply {
        let answer = match request {
            EnvironmentRequest::Kernel { name, about } => return self.of_kernel(name).answer(asker, about, servers),
            EnvironmentRequest::Kernels => self.kernels(),
            EnvironmentRequest::Status => self.status(servers),
            EnvironmentRequest::List => self.list(),
            EnvironmentRequest::Show { number } => self.show(*number),
            EnvironmentRequest::Export { number, explicit } => self.export(*number, *explicit),
            EnvironmentRequest::Diff { from, to } => self.diff(*from, *to),
            EnvironmentRequest::History => self.history(),
            EnvironmentRequest::Progress { number, after } => self.progress(*number, *after),
            EnvironmentRequest::Check => self.check(),
            EnvironmentRequest::Apt { about: AptRequest::List } => apt::list(&self.paths).map_err(Problem::from),
            EnvironmentRequest::Build { .. }
            | EnvironmentRequest::Rollback { .. }
            | EnvironmentRequest::Collect
            | EnvironmentRequest::RemoveKernel
            | EnvironmentRequest::Apt { .. } => self
                .allow(asker, request)
                .and_then(|()| self.task(request))
                .and_then(|(what, task)| self.submit(asker, what, task)),
        };
        reply(answer)
    }

    /// Does at once, in this process, what needs no build: for root of the host, also when nothing of the hub runs.
    pub fn act_here(&self, asker: &Asker, request: &EnvironmentRequest) -> EnvironmentReply {
        if let EnvironmentRequest::Kernel { name, about } = request {
            return self.of_kernel(name).act_here(asker, about);
        }
        let act = || -> Answer {
            let (what, task) = self.task(request)?;
            let _lock = self.store.lock()?;
            self.refuse_when_busy()?;
            let record = self.store.begin(asker, what, Timestamp::now())?;
            let (number, builder) = (record.number, Builder::new(self.paths.clone()));
            transaction::perform(&self.paths, &self.store, &builder, &task, record, &worker::in_use);
            Ok(EnvironmentReply::Started { number })
        };
        reply(act())
    }

    /// What runs scripts as root is the host's, unless the configuration says otherwise.
    fn allow(&self, asker: &Asker, request: &EnvironmentRequest) -> Result<(), Problem> {
        let is_apt = matches!(request, EnvironmentRequest::Apt { .. });
        let is_root = matches!(asker, Asker::Host { .. } | Asker::Timer);
        if is_apt && !is_root && !settings::read(&self.paths)?.environment.apt_by_admins {
            let message = "distribution packages run scripts as root, so they need full root on the machine";
            let hint = "an account with full sudo can: sudo hubctl env apt; or let administrators and operators, which makes them \
                        mightier: sudo hubctl config set environment.apt_by_admins true";
            return Err(Problem::Refused(Refusal::new(RefusalKind::NotAllowed, message).hint(hint)));
        }
        Ok(())
    }

    /// The change that record `number` planned.
    fn planned(&self, number: u32) -> Result<Task, Problem> {
        let record = self.store.record(number)?.filter(|record| record.state == BuildState::Planned);
        let plan = record.and_then(|record| Some((record.apt?, record.changes)));
        let Some((plan, changes)) = plan else {
            return Err(refused(format!("{number} is no plan"), Some("hubctl env apt install makes one and shows it")));
        };
        Ok(Task::Apt { change: plan.change, confirmed: Some(changes) })
    }

    fn task(&self, request: &EnvironmentRequest) -> Result<(String, Task), Problem> {
        let task = match request {
            EnvironmentRequest::Build { change } => {
                self.validate(change)?;
                Task::Build { change: change.clone() }
            }
            EnvironmentRequest::Rollback { to } => Task::Rollback { to: self.rollback_target(*to)? },
            EnvironmentRequest::RemoveKernel => {
                self.known_kernel()?;
                Task::RemoveKernel
            }
            EnvironmentRequest::Apt { about } if self.paths.kernel().is_none() => match about {
                AptRequest::Plan { change } => Task::PlanApt { change: change.clone() },
                AptRequest::Perform { plan } => self.planned(*plan)?,
                AptRequest::List => return Err(refused("there is nothing to do with a list", None)),
            },
            EnvironmentRequest::Apt { .. } => return Err(refused("distribution packages do not belong to a kernel", None)),
            _ => Task::Collect,
        };
        let what = match &task {
            Task::PlanApt { change } | Task::Apt { change, .. } => change.to_string(),
            Task::Rollback { to } => format!("rollback {to}"),
            _ => request.act().unwrap_or_default(),
        };
        let about = self.paths.kernel().map_or(String::new(), |name| format!("--kernel {name} "));
        Ok((format!("{about}{what}"), task))
    }

    fn validate(&self, change: &Change) -> Result<(), Problem> {
        if let Change::Configured = change
            && let Some(name) = self.paths.kernel()
            && !settings::read(&self.paths)?.environment.kernels.contains_key(name)
        {
            return Err(refused(
                format!("the configuration has no [environment.kernels.{name}]"),
                Some("hubctl env --kernel NAME install PACKAGE makes it"),
            ));
        }
        if conda::validate(self, change)? {
            return Ok(());
        }
        let (Change::Install { packages }
        | Change::Remove { packages }
        | Change::Upgrade { packages }
        | Change::Set { packages, .. }) = change
        else {
            return Ok(());
        };
        if packages.len() > MOST_PACKAGES {
            return Err(refused(format!("{} packages at once; at most {MOST_PACKAGES} are possible", packages.len()), None));
        }
        if let Change::Set { lock: Some(text), .. } = change
            && let Err(error) = lock::parse(text)
        {
            return Err(refused(format!("the lock can't be used: {error:#}"), None));
        }
        if matches!(change, Change::Install { .. } | Change::Remove { .. }) && packages.is_empty() {
            return Err(refused("no package is named", None));
        }
        if let Change::Remove { .. } = change {
            let asked = settings::asked(&settings::read(&self.paths)?, self.paths.kernel())?;
            let is_asked = |package: &&Requirement| asked.packages.iter().any(|one| one.name() == package.name());
            if let Some(unknown) = packages.iter().find(|package| !is_asked(package)) {
                return Err(refused(
                    format!("`{}` was not asked for, so it can't be removed", unknown.name()),
                    Some("what was asked for: hubctl env show; other packages are there because these, or the hub, need them"),
                ));
            }
        }
        if let Change::Upgrade { packages } = change
            && !packages.is_empty()
        {
            let installed = self.generation(None)?.installed()?;
            if let Some(unknown) = packages.iter().find(|package| !installed.iter().any(|one| one.name == package.name())) {
                return Err(refused(
                    format!("`{}` is not installed", unknown.name()),
                    Some("hubctl env show lists what is; hubctl env install adds"),
                ));
            }
        }
        Ok(())
    }

    /// Leaves the job and waits until it is begun.
    fn submit(&self, asker: &Asker, what: String, task: Task) -> Answer {
        let number = {
            let _lock = self.store.lock()?;
            self.refuse_when_busy()?;
            let record = self.store.begin(asker, what, Timestamp::now())?;
            self.store.submit(&Job { number: record.number, kernel: self.paths.kernel().cloned(), task })?;
            record.number
        };
        let has_begun = || Ok(self.store.record(number)?.is_some_and(|record| record.state != BuildState::Waiting));
        jobs::wake(&self.paths, worker::SERVICE, has_begun)?;
        Ok(EnvironmentReply::Started { number })
    }

    /// One thing at a time. The lock is held. A job that nobody works on any more is put away.
    fn refuse_when_busy(&self) -> Result<(), Problem> {
        let Some(job) = self.store.job()? else { return Ok(()) };
        let record = self.store.record(job.number)?.filter(|record| !record.is_over());
        if let Some(record) = record {
            if jobs::is_active(&self.paths, worker::SERVICE)? {
                let message =
                    format!("`{}` is under way, asked for by {} at {}: {}", record.what, record.who, record.when, record.phase);
                let hint = "hubctl env status shows how it goes; one thing is done at a time";
                return Err(Problem::Refused(Refusal::new(RefusalKind::Busy, message).hint(hint)));
            }
            self.store.save(&interrupted(record))?;
        }
        Ok(self.store.clear_job()?)
    }

    /// Somebody asked for it, or it is there.
    fn known_kernel(&self) -> Result<(), Problem> {
        let Some(name) = self.paths.kernel() else { return Err(refused("no kernel is named", None)) };
        let is_known = self.current()?.is_some() || settings::read(&self.paths)?.environment.kernels.contains_key(name);
        is_known.then_some(()).ok_or_else(|| no_kernel(name))
    }

    fn current(&self) -> Result<Option<Generation>> {
        let number = pyenv::current(&self.paths)?;
        Ok(number.map(|number| Generation::open(&self.paths, number)).transpose()?.flatten())
    }

    fn generation(&self, number: Option<u32>) -> Result<Generation, Problem> {
        match number {
            Some(number) => Generation::open(&self.paths, number)?.ok_or_else(|| {
                refused(format!("there is no environment {number}"), Some("hubctl env list shows those that are kept"))
            }),
            None => self.current()?.ok_or_else(|| match self.paths.kernel() {
                Some(name) => no_kernel(name),
                None => refused(
                    "there is no Python environment yet",
                    Some("on the host: run hub-installer install again, it completes it"),
                ),
            }),
        }
    }

    /// The newest that is older than `number`.
    fn before(&self, number: u32) -> Result<Generation, Problem> {
        let older = pyenv::all(&self.paths)?.into_iter().rev().find(|generation| generation.number() < number);
        older.ok_or_else(|| {
            refused(format!("no environment older than {number} is kept"), Some("hubctl env list shows those that are"))
        })
    }

    fn rollback_target(&self, to: Option<u32>) -> Result<u32, Problem> {
        let current = pyenv::current(&self.paths)?;
        let target = match (to, current) {
            (Some(to), _) => self.generation(Some(to))?,
            (None, Some(current)) => self.before(current)?,
            (None, None) => self.generation(None)?,
        };
        if current == Some(target.number()) {
            return Err(refused(format!("environment {} is what new servers get already", target.number()), None));
        }
        Ok(target.number())
    }
}

fn no_kernel(name: &KernelName) -> Problem {
    refused(
        format!("there is no kernel `{name}`"),
        Some("hubctl env kernels lists them; hubctl env --kernel NAME install makes one"),
    )
}

/// A record that nobody works on any more.
fn interrupted(record: Record) -> Record {
    let reason = "it was interrupted, by a power cut or a kill; the environment has not changed".to_owned();
    Record { state: BuildState::Failed, reason: Some(reason), hint: Some("ask for it again".to_owned()), ..record }
}

fn refused(message: impl Into<String>, hint: Option<&str>) -> Problem {
    Problem::Refused(Refusal { kind: RefusalKind::Invalid, message: message.into(), hint: hint.map(str::to_owned) })
}

fn reply(answer: Answer) -> EnvironmentReply {
    match answer {
        Ok(reply) => reply,
        Err(Problem::Refused(refusal)) => EnvironmentReply::Refused(refusal),
        Err(Problem::Other(error)) => EnvironmentReply::Refused(Refusal::from_text(RefusalKind::Failed, &format!("{error:#}"))),
    }
}

/// Only names count where packages are to go or to become newer.
pub fn only_names(packages: &[Requirement]) -> bool {
    packages.iter().all(|package| package.as_str().chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)))
}

#[cfg(test)]
mod tests;
