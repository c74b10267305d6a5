//! How the hub is, and its https.

use serde::{Deserialize, Serialize};

use super::servers::ServerInfo;
use super::usage::Shortage;

/// How the hub is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubStatus {
    /// Version of the running `hubd serve`.
    pub version: String,
    /// The hub's public address, where known.
    pub url: Option<String>,
    /// Seconds since `hubd serve` started.
    pub uptime_seconds: u64,
    /// Version of the running launcher; `None`: it does not answer.
    pub launcher_version: Option<String>,
    /// What is wrong with the launcher, for people; `None`: it answers.
    pub launcher_problem: Option<String>,
    /// Number of the environment new servers get.
    pub environment: Option<u32>,
    /// People enrolled.
    pub users: u64,
    /// People with a live session.
    pub sessions: u64,
    /// Memory of all servers together; `None`: systemd does not tell.
    pub memory: Option<Memory>,
    /// Servers that are not stopped.
    pub servers: Vec<ServerInfo>,
    /// What is short on the machine, for teachers and administrators; nothing for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
    /// What is wrong with https, for people; `None`: nothing, or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https_problem: Option<String>,
    /// Why somebody was refused an account, for people; `None`: nobody was, or that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts_problem: Option<String>,
    /// What is wrong with backups, for people; `None`: nothing, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_problem: Option<crate::backup::Problem>,
    /// When the latest backup was made, RFC 3339, UTC; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// Where the hub should listen and does not, for people; `None`: it listens everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_problem: Option<String>,
}

/// How https is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpsStatus {
    /// Where the certificate comes from: "files", "acme", "lan"; "off" without https.
    pub method: String,
    /// The certificate that browsers get; `None`: there is none.
    pub certificate: Option<CertificateInfo>,
    /// What is wrong, for people.
    pub problem: Option<String>,
    /// How often in a row the hub tried in vain to get a certificate.
    pub failures: u32,
    /// When the next certificate is asked for, RFC 3339, UTC; `None`: not by the hub.
    pub next: Option<String>,
    /// The SHA-256 fingerprint of the local authority that people have to trust, with "lan".
    pub authority: Option<String>,
    /// What the running hub answers at `/.well-known/acme-challenge/hubd-check`.
    pub check: String,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateInfo {
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// The moment it begins to be good, RFC 3339, UTC.
    pub not_before: String,
    /// The moment it stops being good, RFC 3339, UTC.
    pub not_after: String,
    /// Whole days until then; negative: it has stopped.
    pub days_left: i64,
    /// SHA-256, in hexadecimal pairs with colons.
    pub fingerprint: String,
}

/// Memory of all servers together, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// In use.
    pub used_bytes: u64,
    /// Allowed; `None`: no limit is set.
    pub allowed_bytes: Option<u64>,
}
