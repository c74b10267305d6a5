//! `hubd-upgrade.service`: gets a release, verifies it, shows what it would change, and upgrades to it. The program of the
//! installed version is in charge from beginning to end, because it is known to work and knows the way back; the steps
//! themselves are the new version's own install.

mod before;
mod download;
mod index;
mod stage;
mod swap;
mod trust;

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use hub_core::paths::Paths;
use hub_core::upgrade::{Record, Source, State, Task, Version, Way, way};
use hub_system::command::Command;
use hub_system::config_store::ConfigStore;
use hub_system::lock::try_lock;
use hub_system::upgrade::JobStore;
use serde_json::Value;

pub use before::keep_database;

use crate::progress;
use crate::receipt::{self, Receipt};
use stage::{Installed, Staged};

/// Looking at a machine takes a second or two, and asking a package index as long as that takes.
const PLAN_DEADLINE: Duration = Duration::from_secs(180);

/// Why nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
struct Refusal {
    reason: String,
    hint: String,
}

fn refusal(reason: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Refusal { reason: reason.into(), hint: hint.into() }.into()
}

/// Does what was asked for, until there is nothing more. What a kill or a power cut interrupted is taken back first.
///
/// # Errors
/// When jobs can't be read or put away. What goes wrong with an upgrade is in its record.
pub fn work(paths: &Paths) -> Result<()> {
    let Some(_turn) = try_lock(&paths.upgrade_turn())? else { return Ok(()) };
    let store = JobStore::new(paths);
    if paths.upgrade_pending().exists() {
        let mut work = Work { paths, store: &store, record: store.record()?.context("there is no record of an upgrade")? };
        work.say("The upgrade was interrupted.");
        work.go_back("it was interrupted before the new version was known to be well".to_owned());
        store.save(&work.record)?;
        store.clear_job(work.record.number)?;
    }
    while let Some(job) = store.job()? {
        if let Some(record) = store.record()?.filter(|record| record.number == job.number && !record.is_over()) {
            let mut work = Work { paths, store: &store, record };
            work.run(&job.task)?;
            store.save(&work.record)?;
        }
        store.clear_job(job.number)?;
    }
    Ok(())
}

/// One job.
struct Work<'a> {
    paths: &'a Paths,
    store: &'a JobStore,
    record: Record,
}

impl Work<'_> {
    /// Tells whoever follows, and the journal.
    fn say(&self, line: &str) {
        progress::say(line);
        if let Err(error) = self.store.log(line) {
            progress::say(&format!("{error:#}"));
        }
    }

    fn run(&mut self, task: &Task) -> Result<()> {
        if self.record.state == State::Running {
            self.refuse(&refusal("it was interrupted before anything was changed", "ask for it again"));
            return Ok(());
        }
        self.record.state = State::Running;
        self.store.save(&self.record)?;
        let done = match task {
            Task::Prepare(source) => self.fetch(source).and_then(|staged| match staged {
                Some(staged) => self.prepare(&staged),
                None => self.leave(),
            }),
            Task::Perform(version) => self.perform(version),
        };
        if let Err(error) = done {
            self.refuse(&error);
        }
        Ok(())
    }

    fn refuse(&mut self, error: &anyhow::Error) {
        let refusal = error.downcast_ref::<Refusal>();
        self.record.state = State::Refused;
        self.record.reason = Some(refusal.map_or_else(|| format!("{error:#}"), |refusal| refusal.reason.clone()));
        self.record.hint = refusal.map(|refusal| refusal.hint.clone());
    }

    fn fetch(&self, source: &Source) -> Result<Option<Staged>> {
        let (_, version) = installed(self.paths)?;
        let failed = self.store.outcome()?.filter(|outcome| outcome.state != State::Upgraded);
        let installed = Installed { version, taken_back: failed.and_then(|outcome| outcome.to) };
        stage::fetch(self.paths, source, &installed, &|line| self.say(line))
    }

    /// What is installed is as new as can be.
    fn leave(&mut self) -> Result<()> {
        let (_, version) = installed(self.paths)?;
        (self.record.from, self.record.to) = (Some(version.clone()), Some(version));
        self.record.state = State::Unchanged;
        Ok(())
    }

    /// Finds out what an upgrade to `staged` would change.
    fn prepare(&mut self, staged: &Staged) -> Result<()> {
        let (receipt, from) = installed(self.paths)?;
        self.record.from = Some(from.clone());
        self.record.to = Some(staged.version.clone());
        self.say(&format!("hubd {} is genuine.", staged.version));
        match way(&from, &staged.version) {
            Way::There => {
                self.record.state = State::Unchanged;
                return Ok(());
            }
            Way::Open => {}
            Way::Closed { reason, hint } => return Err(refusal(reason, hint)),
        }
        if !receipt.complete {
            return Err(refusal("the install of this hub did not come to its end", "sudo /opt/hubd/bin/hub-installer install"));
        }
        let plan = Command::new(staged.programs.join("hub-installer"), PLAN_DEADLINE).args(["plan", "--json", "--quiet"]);
        let output = plan.output()?;
        let report: Value = serde_json::from_str(&output.stdout)
            .map_err(|_| anyhow!("the new version could not list what it would change: {}", output.stderr.trim_end()))?;
        let texts = |list: &str, key: &str| -> Vec<String> {
            let items = report[list].as_array().into_iter().flatten();
            items.filter_map(|item| Some(item[key].as_str()?.to_owned())).collect()
        };
        let blockers = texts("blockers", "what");
        if !output.success() || !blockers.is_empty() {
            let hints = texts("blockers", "remedy").join("; ");
            return Err(refusal(format!("the new version can't be installed here: {}", blockers.join("; ")), hints));
        }
        self.record.plan = texts("steps", "title");
        self.record.state = State::Prepared;
        Ok(())
    }

    fn perform(&mut self, version: &Version) -> Result<()> {
        let staged = stage::staged(self.paths, version)?;
        self.prepare(&staged)?;
        if self.record.state != State::Prepared {
            return Ok(());
        }
        self.record.state = State::Running;
        self.store.save(&self.record)?;
        let _turn = match ConfigStore::new(self.paths).try_turn(None)? {
            Ok(turn) => turn,
            Err(busy) => return Err(refusal(busy.to_string(), "wait until that is done, then ask for it again")),
        };
        let (receipt, _) = installed(self.paths)?;
        swap::begin(self.paths, &receipt)?;
        match swap::forth(self, &staged) {
            Ok(()) => {
                swap::end(self.paths)?;
                stage::clear(&self.paths.upgrade_stage())?;
                self.record.state = State::Upgraded;
            }
            Err(error) => self.go_back(format!("{error:#}")),
        }
        Ok(())
    }

    /// Back to the version before.
    fn go_back(&mut self, reason: String) {
        self.say("Going back to the version before.");
        self.record.reason = Some(reason);
        match swap::back(self.paths) {
            Ok(()) => self.record.state = State::RolledBack,
            Err(error) => {
                self.record.state = State::Failed;
                self.say(&format!("{error:#}"));
                self.record.hint = Some(format!(
                    "going back did not work either: {error:#}. What was there before lies in `{}`; \
                     `systemctl start hubd-upgrade` tries it once more",
                    self.paths.upgrade_before().display()
                ));
            }
        }
    }
}

/// What is installed now.
fn installed(paths: &Paths) -> Result<(Receipt, Version)> {
    let receipt = receipt::load(paths)?.context("no hub is installed on this machine")?;
    let version = receipt.product.parse().map_err(|problem: String| anyhow!("reading the installed version: {problem}"))?;
    Ok((receipt, version))
}

#[cfg(test)]
mod tests;
