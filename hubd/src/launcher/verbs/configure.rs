//! A change of the configuration for an operator or somebody inside the hub. The launcher asks root's file whether they may,
//! leaves the request where `hubd-config.service` finds it, and hands back what that said: it writes no configuration itself.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;

use anyhow::{Context, Result};
use hub_core::config::keys::inside;
use hub_core::control::change::{Ended, KeyChange, Requester};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_core::systemctl::Systemctl;
use serde::{Deserialize, Serialize};

use super::{Answer, Launcher, blocking, refusal};
use crate::launcher::accounts::Machine;
use crate::launcher::protocol::{RefusalKind, Reply};

/// Changes under way and waiting. Each takes seconds; whoever has taken over the hub could queue them without an end, and take
/// all the launcher's connections with them.
pub(super) const MOST_CHANGES: usize = 16;
/// Does what was left, with a sandbox of its own.
const SERVICE: &str = "hubd-config.service";
/// The files in `Paths::config_change`.
const REQUEST: &str = "request.json";
const RESULT: &str = "result.json";

/// What is left for the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) requester: Requester,
    pub(crate) change: KeyChange,
}

impl<M: Machine + 'static> Launcher<M> {
    pub(super) async fn configure(&self, requester: Requester, change: KeyChange) -> Answer {
        let config = self.config().await?;
        inside::granted(&config, &requester, &change.path()).map_err(|why| refusal(RefusalKind::NotAllowed, why))?;
        let Ok(_place) = self.changes.try_acquire() else {
            let why = format!("{MOST_CHANGES} changes of the configuration are waiting already\nhint: try again in a moment");
            return Err(refusal(RefusalKind::Busy, why));
        };
        let _turn = self.configuring.lock().await;
        let key = change.path();
        tracing::info!(%requester, %key, "configuration: `{key}` is changed for {requester}");
        let paths = self.paths.clone();
        let ended = blocking(move || Asked { requester, change }.perform(&paths)).await?;
        Ok(Reply::Configured { ended })
    }
}

impl Asked {
    /// Leaves this, lets the service do it, and reads what it said.
    fn perform(&self, paths: &Paths) -> Result<Ended> {
        let directory = paths.config_change();
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.with_context(|| format!("making directory `{}`", directory.display()))?;
        remove(paths, RESULT)?;
        atomic::replace(&directory.join(REQUEST), &serde_json::to_vec(self)?, Access::mode(0o600))?;
        let started = Systemctl::new(paths).job(["start", SERVICE]);
        remove(paths, REQUEST)?;
        let cut_short = || {
            format!(
                "{SERVICE} was cut short; the configuration is whole, with the change or without it\nhint: hubctl config get says \
                 which; on the host: systemctl status {SERVICE}"
            )
        };
        started.with_context(cut_short)?;
        let text = fs_err::read(directory.join(RESULT)).with_context(cut_short)?;
        let ended = serde_json::from_slice(&text).context("reading what came of it")?;
        remove(paths, RESULT)?;
        Ok(ended)
    }

    /// The request that the launcher left.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub(crate) fn read(paths: &Paths) -> Result<Self> {
        let path = paths.config_change().join(REQUEST);
        serde_json::from_slice(&fs_err::read(&path)?).with_context(|| format!("reading `{}`", path.display()))
    }

    /// Leaves what came of it for the launcher.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn answer(paths: &Paths, ended: &Ended) -> Result<()> {
        atomic::replace(&paths.config_change().join(RESULT), &serde_json::to_vec(ended)?, Access::mode(0o600))
    }
}

fn remove(paths: &Paths, file: &str) -> Result<()> {
    match fs_err::remove_file(paths.config_change().join(file)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
