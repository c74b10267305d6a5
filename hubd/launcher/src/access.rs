//! Who may ask what: decided by the peer's uid, which the kernel vouches for. Pure.

use hub_core::control::environment::Asker;

use hub_core::launcher::protocol::Request;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Root,
    /// `hubd serve`.
    Hub,
    Other,
}

impl Peer {
    pub(super) fn new(uid: u32, hub_uid: u32) -> Self {
        match uid {
            0 => Self::Root,
            uid if uid == hub_uid => Self::Hub,
            _ => Self::Other,
        }
    }

    pub(super) fn may(self, request: &Request) -> bool {
        match self {
            Self::Root => true,
            // Listed one by one: a new request is not the hub's before somebody decided so.
            Self::Hub => match request {
                Request::Ping
                | Request::Ensure { .. }
                | Request::Start { .. }
                | Request::StartPlain { .. }
                | Request::Restart { .. }
                | Request::Stop { .. }
                | Request::Expel { .. }
                | Request::State { .. }
                | Request::List { .. }
                | Request::Logs { .. }
                | Request::MoveAside { .. }
                | Request::WhoIs { .. }
                // Root's configuration is asked whether whoever asks may; see `Launcher::configure`.
                | Request::Configure { .. } => true,
                // The configuration is asked whether that is one; see `Launcher::environment`.
                Request::Environment { asker, .. } | Request::Upgrade { asker, .. } => {
                    matches!(asker, Asker::Admin { .. } | Asker::Operator { .. })
                }
                Request::Apply | Request::Remove { .. } => false,
            },
            Self::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use hub_core::control::change::{ChangeVerb, KeyChange, Manner, Requester};
    use hub_core::control::environment::EnvironmentRequest;
    use hub_core::upgrade::UpgradeRequest;

    use super::*;

    fn every_request() -> Vec<Request> {
        let name = || "ada".parse().unwrap();
        vec![
            Request::Ping,
            Request::Ensure { name: name() },
            Request::Start { name: name(), app: None },
            Request::StartPlain { name: name() },
            Request::Restart { name: name(), plain: true, app: None },
            Request::Stop { name: name(), app: Some("refine".parse().unwrap()) },
            Request::Expel { name: name() },
            Request::State { name: name(), app: None },
            Request::List { app: None },
            Request::Logs { name: name(), lines: 5, app: None },
            Request::MoveAside { name: name(), settings: true },
            Request::WhoIs { uid: 20_000 },
            Request::Environment { asker: Asker::Admin { name: name() }, ask: EnvironmentRequest::Status },
            Request::Environment { asker: Asker::Host { account: None }, ask: EnvironmentRequest::Status },
            Request::Upgrade { asker: Asker::Admin { name: name() }, ask: UpgradeRequest::Progress { after: 0 } },
            Request::Upgrade { asker: Asker::Host { account: None }, ask: UpgradeRequest::Progress { after: 0 } },
            Request::Configure {
                requester: Requester::Person(name()),
                change: KeyChange {
                    verb: ChangeVerb::Set,
                    key: vec!["limits".to_owned(), "memory".to_owned()],
                    values: vec!["2G".to_owned()],
                    manner: Manner::default(),
                },
            },
            Request::Apply,
            Request::Remove { name: name(), home: true },
        ]
    }

    #[test]
    fn only_root_and_the_hub_are_heard() {
        assert_eq!(Peer::new(0, 990), Peer::Root);
        assert_eq!(Peer::new(990, 990), Peer::Hub);
        assert_eq!(Peer::new(20_000, 990), Peer::Other);
        for request in every_request() {
            assert!(!Peer::Other.may(&request), "{request:?}");
            assert!(Peer::Root.may(&request), "{request:?}");
        }
    }

    #[test]
    fn the_hub_may_do_everything_but_delete_decide_and_speak_for_the_host() {
        let refused: Vec<Request> = every_request().into_iter().filter(|request| !Peer::Hub.may(request)).collect();
        let as_the_host = Request::Environment { asker: Asker::Host { account: None }, ask: EnvironmentRequest::Status };
        let upgrade = Request::Upgrade { asker: Asker::Host { account: None }, ask: UpgradeRequest::Progress { after: 0 } };
        assert_eq!(refused, [as_the_host, upgrade, Request::Apply, Request::Remove { name: "ada".parse().unwrap(), home: true }]);
    }
}
