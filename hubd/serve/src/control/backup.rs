//! What the hub has to do with backups: it leaves a copy of its database, and says how they are doing.

use hub_core::backup::{self, Problem, Record};
use hub_core::control::usage::{Resource, Shortage};
use hub_core::control::{RefusalKind, Reply};
use jiff::Timestamp;

use super::access::{self, Actor};
use super::{ControlContext, Refusal};

/// How backups are doing.
pub(super) struct Backups {
    pub(super) problem: Option<Problem>,
    /// When the latest one was made.
    pub(super) latest: Option<String>,
}

/// Looks at the record that root keeps.
pub(super) async fn look(context: &ControlContext) -> Backups {
    let wanted = context.config.get().backup.clone();
    if wanted.repository.is_none() {
        return Backups { problem: None, latest: None };
    }
    let paths = context.paths.clone();
    let record = match tokio::task::spawn_blocking(move || Record::load(&paths)).await {
        Ok(Ok(record)) => record,
        Ok(Err(error)) => {
            let what = format!("how backups are doing can't be read: {error:#}");
            return Backups { problem: Some(Problem::new(what, "on the machine: sudo hubctl backup create")), latest: None };
        }
        Err(error) => {
            tracing::error!(%error, "reading how backups are doing");
            None
        }
    };
    let latest = record.as_ref().and_then(|record| record.success.as_ref()).map(|success| success.began.to_string());
    Backups { problem: backup::problem_of_hub(&wanted, record.as_ref(), Timestamp::now(), context.started.elapsed()), latest }
}

/// What is short on the machine, and for administrators whether backups are.
pub(super) async fn with_shortage(context: &ControlContext, actor: &Actor) -> Vec<Shortage> {
    let mut shortages = context.usage.shortages();
    let problem = if access::is_administrator(actor) { look(context).await.problem } else { None };
    if let Some(Problem { what, hint }) = problem {
        let (what, remedy) = (format!("Backups: {what}"), format!("What helps, {hint}."));
        shortages.push(Shortage { of: Resource::Backups, is_severe: true, what, who: Vec::new(), remedy });
    }
    shortages
}

/// Leaves a copy for root.
pub(super) async fn copy_database(context: &ControlContext) -> Result<Reply, Refusal> {
    context.people.copy_database(&context.paths.database_copies()).await.map_err(|error| {
        Refusal::new(RefusalKind::Failed, format!("copying the database: {error}"))
            .hint("if the disk is full, make room below /var/lib")
    })?;
    Ok(Reply::Done)
}
