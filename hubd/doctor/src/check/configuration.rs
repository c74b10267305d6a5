//! The configuration: whether it is valid, in force, and true of this machine; and how the latest changes and upgrades ended.

use anyhow::Result;
use hub_core::config;
use hub_core::config::history::{Entry, History, State};
use hub_core::control::{self, Reply, Request};
use hub_core::health::Finding;
use hub_core::paths::Paths;
use hub_core::upgrade;
use hub_system::upgrade::JobStore;

use crate::look::Look;
use crate::machine;

pub(super) fn check(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    found.extend(kept(look.paths));
    match &look.config {
        Err(problem) => found.push(
            Finding::problem("config-invalid", format!("the configuration is not valid:\n{problem}"))
                .because("a hub that restarts does not start")
                .remedy("sudo hubctl config edit shows each problem; sudo hubctl config rollback brings back the last version in force")
                .command("sudo hubctl config check"),
        ),
        Ok(_) => found.extend(unapplied(look.paths)?),
    }
    Ok(())
}

/// A file that somebody changed by other means than `hubctl`, and that is not in force.
fn unapplied(paths: &Paths) -> Result<Option<Finding>> {
    let history = History::open(paths);
    let Some(last) = history.last_healthy()? else { return Ok(None) };
    if history.text(last.number)? == config::read(&paths.config_file())?.text {
        return Ok(None);
    }
    let what = format!("`{}` was changed since version {} was put in force", paths.config_file().display(), last.number);
    Ok(Some(
        Finding::warning("config-not-applied", what)
            .because("parts of it are in force and others are not")
            .remedy("sudo hubctl config diff shows the changes; sudo hubctl config rollback undoes them")
            .command("sudo hubctl config apply"),
    ))
}

/// What the machine keeps about earlier changes and upgrades, and what the configuration says that is not so here. Only root
/// can look.
pub fn kept(paths: &Paths) -> Vec<Finding> {
    let mut found = Vec::new();
    if upgrade::is_half_installed(paths) {
        found.push(
            Finding::problem("install-interrupted", "an install, upgrade or uninstall of the hub was interrupted")
                .because("the machine may be between two versions")
                .remedy("the same command again continues it")
                .command("sudo /opt/hubd/bin/hub-installer install"),
        );
    }
    match History::open(paths).entries() {
        Ok(entries) => found.extend(entries.last().and_then(ended)),
        Err(error) => found.push(
            Finding::problem("config-history", format!("the history of the configuration can't be read: {error:#}"))
                .because("a change that goes wrong could not be rolled back"),
        ),
    }
    match JobStore::new(paths).outcome() {
        Ok(outcome) => found.extend(outcome.as_ref().and_then(upgraded)),
        Err(error) => {
            found.push(Finding::problem("upgrade", format!("how the latest upgrade ended can't be read: {error:#}")));
        }
    }
    // A file that is no configuration is told of elsewhere.
    if let Ok(loaded) = config::read(&paths.config_file()) {
        let people = match control::call(&paths.control_socket(), &Request::UserList) {
            Ok(Reply::Users { users }) => Some(users),
            _ => None,
        };
        found.extend(machine::findings(paths, &loaded.config, people.as_deref()).iter().map(untrue));
    }
    found
}

/// Of a version of the configuration that is not known to work.
fn ended(last: &Entry) -> Option<Finding> {
    let reason = last.reason.as_deref().unwrap_or_default();
    let (id, what) = match last.state {
        State::Healthy => return None,
        State::RolledBack => {
            ("config-rolled-back", format!("version {} of the configuration was rolled back: {reason}", last.number))
        }
        State::Pending => {
            ("config-unconfirmed", format!("version {} of the configuration is not confirmed: {reason}", last.number))
        }
    };
    let finding = Finding::warning(id, what).because("what somebody changed may not be in force");
    Some(
        finding
            .remedy("any change that works takes this away, as does: sudo hubctl config apply")
            .command("sudo hubctl config history"),
    )
}

fn upgraded(outcome: &upgrade::Record) -> Option<Finding> {
    let finding = match outcome.state {
        upgrade::State::RolledBack => Finding::warning("upgrade", outcome.describe()),
        upgrade::State::Failed => Finding::problem("upgrade", outcome.describe()),
        _ => return None,
    };
    Some(finding.because("the hub is not the version that somebody wanted").command("sudo hubctl upgrade --status"))
}

/// Something the configuration says that is not so.
fn untrue(finding: &config::Finding) -> Finding {
    let line = finding.line.map_or_else(String::new, |line| format!(" (line {line})"));
    let what = format!("`{}`{line}: {}", finding.key, finding.what);
    let told = if finding.is_fatal { Finding::problem("config", what) } else { Finding::warning("config", what) };
    told.about(&finding.key).remedy(&finding.remedy).command("sudo hubctl config edit")
}
