//! A change of the configuration that the launcher leaves, `hubd-config.service` does and the launcher hands on. Root's alone.

use anyhow::{Context, Result};
use hub_core::control::change::{Ended, KeyChange, Requester};
use hub_core::paths::Paths;
use serde::{Deserialize, Serialize};

use crate::jobs;
use crate::systemctl::Systemctl;

/// Does what was left, with a sandbox of its own.
const SERVICE: &str = "hubd-config.service";
/// The files in `Paths::config_change`.
const REQUEST: &str = "request.json";
const RESULT: &str = "result.json";

/// What is left for the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Who wants it.
    pub requester: Requester,
    /// What.
    pub change: KeyChange,
}

impl Asked {
    /// Leaves this, lets the service do it, and reads what it said.
    ///
    /// # Errors
    /// When it was cut short.
    pub fn perform(&self, paths: &Paths) -> Result<Ended> {
        let directory = paths.config_change();
        jobs::make_directory(&directory)?;
        jobs::put_away(&directory.join(RESULT))?;
        jobs::write(&directory.join(REQUEST), self)?;
        let started = Systemctl::new(paths).job(["start", SERVICE]);
        jobs::put_away(&directory.join(REQUEST))?;
        let cut_short = || {
            format!(
                "{SERVICE} was cut short; the configuration is whole, with the change or without it\nhint: hubctl config get says \
                 which; on the host: systemctl status {SERVICE}"
            )
        };
        started.with_context(cut_short)?;
        let ended = jobs::read(&directory.join(RESULT))?.with_context(cut_short)?;
        jobs::put_away(&directory.join(RESULT))?;
        Ok(ended)
    }

    /// The request that the launcher left.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub fn read(paths: &Paths) -> Result<Self> {
        jobs::read(&paths.config_change().join(REQUEST))?.context("nobody has left a change")
    }

    /// Leaves what came of it for the launcher.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn answer(paths: &Paths, ended: &Ended) -> Result<()> {
        jobs::write(&paths.config_change().join(RESULT), ended)
    }
}
