//! What is known about a machine, kept on the host so that any process can enter or end it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_core::sys::atomic::{self, Access};
use serde::{Deserialize, Serialize};

use super::overlay::Disk;
use super::process::Process;
use super::release::Release;
use super::{MACHINES_DIRECTORY, STATE_DIRECTORY};

const VERSION: u32 = 1;
const LONGEST_NAME: usize = 40;

/// One machine, running or stopped.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    pub(super) name: String,
    pub(super) release: Release,
    pub(super) base: PathBuf,
    /// Variables every process that is sent into the machine gets; may hold passwords of proxies.
    pub(super) environment: Vec<(String, String)>,
    /// Whether it has a network of its own, with nothing in it.
    #[serde(default)]
    pub(super) private_network: bool,
    pub(super) running: Option<Running>,
}

/// The processes of a machine that runs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Running {
    /// The systemd-nspawn that watches over it.
    pub(super) supervisor: Process,
    /// Its PID 1, as the host sees it.
    pub(super) leader: Process,
}

impl Record {
    pub(super) fn new(name: &str, release: Release, base: &Path, environment: Vec<(String, String)>) -> Self {
        Self {
            version: VERSION,
            name: name.to_owned(),
            release,
            base: base.to_owned(),
            environment,
            private_network: false,
            running: None,
        }
    }

    pub(super) fn disk(&self) -> Disk {
        disk(&self.name)
    }

    pub(super) fn save(&self) -> Result<()> {
        atomic::replace(&file(&self.name), &serde_json::to_vec_pretty(self)?, Access::mode(0o600))
    }

    /// `None` when there is no machine of this name.
    pub(super) fn load(name: &str) -> Result<Option<Self>> {
        check_name(name)?;
        let path = file(name);
        if !path.exists() {
            return Ok(None);
        }
        let record: Self =
            serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading machine record `{}`", path.display()))?;
        if record.version != VERSION {
            bail!("machine record `{}` has version {}, expected {VERSION}", path.display(), record.version);
        }
        Ok(Some(record))
    }

    /// The names of all machines.
    pub(super) fn names() -> Result<Vec<String>> {
        if !Path::new(STATE_DIRECTORY).exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(STATE_DIRECTORY)? {
            let path = entry?.path();
            if let (Some("json"), Some(name)) =
                (path.extension().and_then(|text| text.to_str()), path.file_stem().and_then(|text| text.to_str()))
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Where the disk of a machine of this name is or will be.
pub(super) fn disk(name: &str) -> Disk {
    Disk::new(Path::new(MACHINES_DIRECTORY).join(name))
}

pub(super) fn file(name: &str) -> PathBuf {
    Path::new(STATE_DIRECTORY).join(format!("{name}.json"))
}

/// The lock that whoever boots or ends a machine of this name holds.
pub(super) fn lock_file(name: &str) -> PathBuf {
    Path::new(STATE_DIRECTORY).join(format!("{name}.lock"))
}

/// Names become directories, control groups and host names.
pub(super) fn check_name(name: &str) -> Result<()> {
    let valid = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !valid {
        bail!("machine name `{name}`: expected up to {LONGEST_NAME} of a-z, 0-9 and inner `-`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_are_no_host_names() {
        for name in ["", "-a", "a-", "a/b", "..", "A", "a_b", &"a".repeat(41)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        check_name("install-2").unwrap();
    }
}
