//! What the hub says of itself, and its database.

use anyhow::{Result, bail};
use hub_core::control::{self, Reply, Request};
use hub_core::health::{self, Finding};
use hub_core::upgrade;

use crate::look::Look;

pub(super) fn status(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    match &look.hub {
        Ok(status) => {
            let of_disks = |finding: &Finding| ["disk-space", "disk-files"].contains(&&*finding.id);
            // Disks are looked at here, too, and more of them.
            found.extend(health::of_status(status).into_iter().filter(|finding| !of_disks(finding)));
            if status.version != env!("CARGO_PKG_VERSION") {
                let what = format!("the running hub is version {}, installed is {}", status.version, env!("CARGO_PKG_VERSION"));
                let why = "what changed with the newer version is not in force";
                found.push(Finding::warning("version", what).because(why).command("sudo systemctl restart hubd.service"));
            }
        }
        Err(_) if upgrade::is_half_installed(look.paths) => {}
        Err(error) => found.push(
            Finding::problem("hub", format!("the hub does not answer: {error}"))
                .because("nobody can log in; servers that run go on")
                .remedy("its log says why; --fix starts what is stopped")
                .command("sudo hubctl status"),
        ),
    }
    Ok(())
}

/// The hub looks at it: root opens no file that the hub writes.
pub(super) fn database(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    if look.hub.is_err() {
        return Ok(());
    }
    match control::call(&look.paths.control_socket(), &Request::CheckDatabase)? {
        Reply::Database { problem: None } => {}
        Reply::Database { problem: Some(problem) } => found.push(
            Finding::problem("database", format!("the database is damaged: {problem}"))
                .because("people, passwords and roles in it may be lost")
                .remedy(format!(
                    "bring back a backup (hubctl backup restore), or a copy of `{}` made while hubd.service was stopped; homes are not in it",
                    look.paths.database().display()
                ))
                .command("sudo hubctl backup list"),
        ),
        Reply::Refused(refusal) => bail!("{refusal}"),
        other => bail!("unexpected answer of the hub: {other:?}"),
    }
    Ok(())
}
