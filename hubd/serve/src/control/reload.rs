//! Reading the configuration again: everything in this process follows, and what was taken away ends.

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::config::{self, Config, Role};
use hub_core::control::{RefusalKind, Reloaded, Reply, ServerPhase};

use super::{ControlContext, Refusal};

/// Reads the file, judges it, and puts it in force. What people lose is gone when this answers, but for their servers,
/// which are on their way down.
pub(super) async fn reload(context: &ControlContext) -> Result<Reply, Refusal> {
    let _turn = context.reloading.lock().await;
    let new = read(context).map_err(|error| Refusal::new(RefusalKind::Invalid, format!("{error:#}")))?;
    let restart_needed = sockets_differ(&context.initial, &new);
    let blocked = new.roles.blocked.clone();
    let old = context.config.replace(new);
    let stored = |error| Refusal::from(crate::auth::PeopleError::from(error));
    let demoted = demoted(&old, &context.config.get());
    for name in &demoted {
        context.people.log_out_everywhere(name).await.map_err(stored)?;
    }
    let promoted = promoted(&old, &context.config.get());
    if let Err(error) = context.people.revoke_grants().await {
        tracing::warn!(%error, "taking links and passwords back; they don't work as long as this configuration is in force");
    }
    let need_link = context.people.without_valid_password().await.map_err(stored)?;
    let mut stopping = Vec::new();
    // Something may run in it that waits for the higher role: whoever gave the password may have left it there.
    let risen = promoted.iter().filter(|name| old.role_of(name) > Role::Student);
    for name in blocked.iter().chain(&demoted).chain(risen) {
        context.apps.stop(name);
        if !stopping.contains(name) && context.servers.watch(name).borrow().phase != ServerPhase::Stopped {
            context.servers.stop(name);
            stopping.push(name.clone());
        }
    }
    // The sessions of those who are kept out have ended in memory; this is for the next process.
    context.people.save().await.map_err(stored)?;
    tracing::info!(?demoted, ?promoted, ?blocked, "the configuration was read again");
    Ok(Reply::Reloaded(Reloaded { demoted, promoted, need_link, blocked, stopping, restart_needed }))
}

fn read(context: &ControlContext) -> Result<Config> {
    Ok(config::read(&context.paths.config_file())?.config)
}

/// Who was an administrator or a teacher and is less now. A helper's server has nothing that outlives the role: the admin
/// socket asks at each request.
fn demoted(old: &Config, new: &Config) -> Vec<Username> {
    let mut names: Vec<Username> = old.roles.admins.iter().chain(&old.roles.teachers).cloned().collect();
    names.retain(|name| new.role_of(name) < old.role_of(name));
    names.sort();
    names.dedup();
    names
}

/// Who is more than before: their sessions have ended, since somebody else may be in them.
fn promoted(old: &Config, new: &Config) -> Vec<Username> {
    let roles = &new.roles;
    let mut names: Vec<Username> = roles.admins.iter().chain(&roles.teachers).chain(&roles.helpers).cloned().collect();
    names.retain(|name| new.role_of(name) > old.role_of(name));
    names.sort();
    names.dedup();
    names
}

/// Whether this process listens elsewhere, or below another path, than the configuration wants by now: systemd hands out sockets, and what each is
/// for, to a new process only. Where the certificate comes from can change under way.
fn sockets_differ(initial: &Config, new: &Config) -> bool {
    let encrypted = |config: &Config| config.https.as_ref().map(|https| https.listen.clone());
    let listens = |config: &Config| (config.http.clone(), encrypted(config), config.hub.base().to_owned());
    listens(initial) != listens(new)
}
