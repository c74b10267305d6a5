//! `[login.NAME]` of the type "pam": whoever the machine itself lets log in, by whatever its PAM asks. Pure.

use serde::Serialize;

use super::logins::{KeptOut, LoginName};

/// Groups whose members have root or can get it, or read what only root should.
pub const PRIVILEGED_GROUPS: [&str; 15] = [
    "root",
    "sudo",
    "wheel",
    "admin",
    "google-sudoers",
    "docker",
    "lxd",
    "incus",
    "incus-admin",
    "libvirt",
    "disk",
    "shadow",
    "adm",
    "kvm",
    "systemd-journal",
];

/// A login by the machine's PAM. There is at most one: the machine has one service file for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pam {
    /// Its name in the configuration.
    pub login: LoginName,
    /// What people call it.
    pub title: String,
    /// Who gets in: people in one of these unix groups; `None`: all.
    pub allow_groups: Option<Vec<String>>,
    /// Whether people whom the rule lets in are enrolled when they first come.
    pub enrol: bool,
    /// Accounts that have rights on the machine and may log in to the hub all the same.
    pub allow_privileged: Vec<String>,
}

impl Pam {
    /// Whose word it is, where an account of it is somebody here.
    pub const ISSUER: &str = "pam";

    /// Whether the rule lets in somebody who is in these unix groups.
    ///
    /// # Errors
    /// [`KeptOut::Group`].
    pub fn admits(&self, groups: &[String]) -> Result<(), KeptOut> {
        match &self.allow_groups {
            Some(allowed) if !allowed.iter().any(|group| groups.contains(group)) => Err(KeptOut::Group),
            _ => Ok(()),
        }
    }
}
