//! What root found wrong with the hub and its machine, for administrators.

use hub_core::config::Role;
use hub_core::health::{Finding, Record};
use jiff::Timestamp;

use super::Hub;
use super::state::in_words;

/// What is shown of it; nothing where all is well, and to everybody else.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) findings: Vec<Finding>,
    /// How long ago it was looked.
    pub(super) ago: String,
}

impl Health {
    /// What somebody with `role` is told.
    pub(super) async fn of(hub: &Hub, role: Role) -> Self {
        if role < Role::Admin {
            return Self::default();
        }
        let paths = hub.control.paths.clone();
        let record = match tokio::task::spawn_blocking(move || Record::load(&paths)).await {
            Ok(Ok(record)) => record,
            Ok(Err(error)) => {
                tracing::warn!("reading what the doctor found: {error:#}");
                None
            }
            Err(error) => {
                tracing::error!(%error, "reading what the doctor found");
                None
            }
        };
        let Some(record) = record else { return Self::default() };
        let ago = std::time::Duration::try_from(Timestamp::now().duration_since(record.when)).unwrap_or_default();
        Self { findings: record.findings, ago: in_words(ago) }
    }
}
