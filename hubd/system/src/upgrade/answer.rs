//! Upgrades are asked for in `hubctl` on the host, and in the launcher for administrators inside the hub. Whether somebody may
//! ask was decided before.

use hub_core::control::environment::Asker;
use hub_core::control::{Refusal, RefusalKind};
use hub_core::paths::Paths;
use hub_core::upgrade::{Source, Task, UpgradeReply, UpgradeRequest};
use jiff::Timestamp;

use super::{JobStore, Left};

/// Answers for `asker`.
pub fn answer(paths: &Paths, asker: &Asker, request: &UpgradeRequest) -> UpgradeReply {
    let store = JobStore::new(paths);
    let refused = |kind, message: String, hint: &str| UpgradeReply::Refused(Refusal::new(kind, message).hint(hint));
    let task = match request {
        UpgradeRequest::Progress { after } => {
            let read = || Ok((store.record()?.map(Box::new), store.outcome()?.map(Box::new), store.read_log(*after)?));
            return match read() {
                Ok((record, outcome, (log, known))) => UpgradeReply::Progress { record, outcome, log, known },
                Err(error) => failed(&error),
            };
        }
        UpgradeRequest::Prepare { source: Source::File(_) } if !matches!(asker, Asker::Host { .. } | Asker::Timer) => {
            let hint =
                "with full sudo on the machine: sudo hubctl upgrade FILE; hubctl upgrade takes releases from upgrade.source";
            return refused(RefusalKind::NotAllowed, "a release in a file needs full root".to_owned(), hint);
        }
        UpgradeRequest::Prepare { source } => Task::Prepare(source.clone()),
        UpgradeRequest::Perform { version } => Task::Perform(version.clone()),
    };
    let now = Timestamp::now();
    let when = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    match store.submit(asker.to_string(), when, task) {
        Ok(Left::Begun(number)) => UpgradeReply::Begun { number },
        Ok(Left::Busy(record)) => {
            let message = format!("an upgrade is under way, asked for by {} at {}", record.who, record.when);
            refused(RefusalKind::Busy, message, "hubctl upgrade --status shows how it went")
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> UpgradeReply {
    UpgradeReply::Refused(Refusal::from_text(RefusalKind::Failed, &format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_inside_the_hub_names_a_file() {
        let root = tempfile::tempdir().unwrap();
        let asker = Asker::Admin { name: "ada".parse().unwrap() };
        let request = UpgradeRequest::Prepare { source: Source::File("/home/ada/hubd.tar.gz".into()) };
        let answer = answer(&Paths::under(root.path()), &asker, &request);
        assert!(matches!(answer, UpgradeReply::Refused(Refusal { kind: RefusalKind::NotAllowed, .. })), "{answer:?}");
        assert!(root.path().read_dir().unwrap().next().is_none(), "something was left");
    }
}
