//! One connection to systemd, and who on it waits for which job.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use zbus::Connection;

use super::proxy::{JobRemovedStream, ManagerProxy};

/// Ends of jobs that are remembered although nobody waits for them yet: systemd may announce the end of a job before we
/// have read the reply that names it. Other people's jobs pass through here too.
const REMEMBERED_JOBS: usize = 1024;

/// Units that are looked at at the same time, nine questions each.
pub(super) const LOOKS_AT_ONCE: usize = 8;

/// A live connection. Dropping it ends the task that listens on it.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) manager: ManagerProxy<'static>,
    pub(super) jobs: Arc<Jobs>,
    pub(super) looks: Semaphore,
    listener: JoinHandle<()>,
}

impl Link {
    pub(super) async fn over(connection: Connection) -> zbus::Result<Self> {
        let manager = ManagerProxy::builder(&connection).cache_properties(zbus::proxy::CacheProperties::No).build().await?;
        let ends = manager.receive_job_removed().await?;
        manager.subscribe().await?;
        let jobs = Arc::new(Jobs::default());
        let listener = tokio::spawn(listen(ends, connection.clone(), Arc::clone(&jobs)));
        Ok(Self { connection, manager, jobs, looks: Semaphore::new(LOOKS_AT_ONCE), listener })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// A stream of zbus must be read all the time, or the whole connection stalls: so one task reads it, and waiting for a
/// job never means holding a stream.
async fn listen(mut ends: JobRemovedStream, connection: Connection, jobs: Arc<Jobs>) {
    loop {
        let signal = tokio::select! {
            signal = ends.next() => signal,
            () = connection.closed() => None,
        };
        let Some(signal) = signal else { break };
        match signal.args() {
            Ok(end) => jobs.ended(end.job.as_str(), end.result()),
            Err(error) => tracing::debug!(%error, "systemd announced the end of a job in a way we can't read"),
        }
    }
    jobs.close();
}

/// Who waits for which job.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Ledger>);

#[derive(Default)]
struct Ledger {
    waiting: HashMap<String, oneshot::Sender<String>>,
    ended: VecDeque<(String, String)>,
    closed: bool,
}

impl Jobs {
    /// Resolves to the result of `job`; to an error when the connection ends first.
    pub(super) fn result_of(&self, job: &str) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        let mut ledger = self.ledger();
        if let Some(place) = ledger.ended.iter().position(|(path, _)| path == job) {
            if let Some((_, result)) = ledger.ended.remove(place) {
                // The receiver is in our hands, so this can't be refused.
                drop(sender.send(result));
            }
        } else if !ledger.closed {
            ledger.waiting.insert(job.to_owned(), sender);
        }
        receiver
    }

    fn ended(&self, job: &str, result: &str) {
        let mut ledger = self.ledger();
        if let Some(sender) = ledger.waiting.remove(job) {
            // Whoever waited may have given up at its deadline.
            drop(sender.send(result.to_owned()));
            return;
        }
        if ledger.ended.len() == REMEMBERED_JOBS {
            ledger.ended.pop_front();
        }
        ledger.ended.push_back((job.to_owned(), result.to_owned()));
    }

    fn close(&self) {
        let mut ledger = self.ledger();
        ledger.closed = true;
        ledger.waiting.clear();
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_ended_before_it_was_named_is_not_missed() {
        let jobs = Jobs::default();
        jobs.ended("/job/1", "done");
        assert_eq!(jobs.result_of("/job/1").await.unwrap(), "done");
    }

    #[tokio::test]
    async fn each_waiter_gets_its_own_job() {
        let jobs = Jobs::default();
        let (first, second) = (jobs.result_of("/job/1"), jobs.result_of("/job/2"));
        jobs.ended("/job/2", "failed");
        jobs.ended("/job/1", "done");
        assert_eq!((first.await.unwrap(), second.await.unwrap()), ("done".to_owned(), "failed".to_owned()));
    }

    #[tokio::test]
    async fn nobody_waits_on_a_dead_connection() {
        let jobs = Jobs::default();
        let before = jobs.result_of("/job/1");
        jobs.close();
        assert!(before.await.is_err());
        assert!(jobs.result_of("/job/2").await.is_err());
    }

    #[test]
    fn memory_of_other_peoples_jobs_is_bounded() {
        let jobs = Jobs::default();
        for number in 0..3 * REMEMBERED_JOBS {
            jobs.ended(&format!("/job/{number}"), "done");
        }
        assert_eq!(jobs.ledger().ended.len(), REMEMBERED_JOBS);
    }
}
