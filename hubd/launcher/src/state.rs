//! From systemd's view of a unit, and the kernel's of its memory, to the one that the hub gets.

use hub_core::launcher::protocol::{Active, Endpoint, UnitState};
use hub_core::paths::Paths;
use hub_environment::generation_of;
use hub_environment::pyenv::WITHOUT_OWN;
use hub_system::systemd::{Ended, UnitStatus};

use super::cgroup::Cgroup;
use super::which::Which;

/// How the server `which` is; `uid` is the account's number, `None` for the status: systemd knows nothing of it.
pub(super) fn state(which: Which<'_>, status: Option<&UnitStatus>, uid: Option<u32>, paths: &Paths) -> UnitState {
    let active = status.map_or(Active::Inactive, |status| active(&status.active_state));
    let is_up = active == Active::Active;
    let ended = status.and_then(|status| status.ended).filter(|_| !is_up);
    UnitState {
        name: which.name.clone(),
        unit: which.unit().to_string(),
        active,
        result: status.map_or("success", |status| status.result.as_str()).to_owned(),
        exit_status: ended.map(|(Ended::Exited(number) | Ended::Killed(number))| number),
        main_pid: status.and_then(|status| status.main_pid),
        memory_bytes: status.and_then(|status| status.memory_current),
        memory_limit_bytes: status.and_then(|status| status.memory_max),
        memory_kills: if is_up { Cgroup::of(paths, which).memory_kills() } else { 0 },
        started: status.and_then(|status| status.started),
        environment: status.and_then(|status| generation_of(status, paths)),
        without_own: status.is_some_and(runs_without_own),
        endpoint: uid.filter(|_| is_up).map(|uid| Endpoint { socket: which.socket(paths), uid }),
    }
}

fn active(state: &str) -> Active {
    match state {
        "active" | "reloading" | "refreshing" => Active::Active,
        "activating" => Active::Activating,
        "deactivating" => Active::Deactivating,
        "failed" => Active::Failed,
        _ => Active::Inactive,
    }
}

/// Whether what its owner installed and set is left out. The unit keeps what it was started with, so a running server tells,
/// whoever was restarted since.
fn runs_without_own(status: &UnitStatus) -> bool {
    status.variables.iter().any(|variable| variable.split_once('=').is_some_and(|(name, _)| name == WITHOUT_OWN))
}

#[cfg(test)]
mod tests {
    use hub_core::accounts::Username;

    use super::*;

    fn ada() -> Username {
        "ada".parse().unwrap()
    }

    fn status(active_state: &str) -> UnitStatus {
        UnitStatus {
            owner: ada(),
            active_state: active_state.to_owned(),
            has_job: false,
            result: "success".to_owned(),
            ended: None,
            main_pid: Some(7),
            memory_current: Some(90 << 20),
            memory_max: Some(1 << 30),
            started: Some(1_700_000_000),
            invocation: None,
            variables: vec!["HOME=/home/jupyter-ada".to_owned()],
            read_only_binds: vec![
                ("/run/systemd/resolve".to_owned(), "/run/systemd/resolve".to_owned()),
                ("/opt/hubd/envs/12".to_owned(), "/opt/hubd/env".to_owned()),
            ],
        }
    }

    #[test]
    fn a_running_server_tells_where_it_listens_and_what_it_runs_with() {
        let state = state(Which::jupyter(&ada()), Some(&status("active")), Some(20_000), &Paths::default());
        assert_eq!(state.active, Active::Active);
        assert_eq!(state.environment, Some(12));
        assert_eq!(state.endpoint, Some(Endpoint { socket: "/run/hubd-servers/ada/server.sock".into(), uid: 20_000 }));
        assert_eq!((state.exit_status, state.memory_limit_bytes), (None, Some(1 << 30)));
    }

    #[test]
    fn a_server_tells_whether_it_runs_without_what_is_its_owners() {
        for (variables, expected) in [
            (vec!["HOME=/home/jupyter-ada", "HUBD_PLAIN=1"], true),
            (vec!["HOME=/home/jupyter-ada", "OTHER=HUBD_PLAIN=1"], false),
        ] {
            let variables = variables.into_iter().map(str::to_owned).collect();
            let status = UnitStatus { variables, ..status("active") };
            assert_eq!(state(Which::jupyter(&ada()), Some(&status), Some(20_000), &Paths::default()).without_own, expected);
        }
    }

    #[test]
    fn one_that_is_not_up_has_no_endpoint() {
        for active_state in ["activating", "deactivating", "failed", "inactive", "maintenance"] {
            assert_eq!(
                state(Which::jupyter(&ada()), Some(&status(active_state)), Some(20_000), &Paths::default()).endpoint,
                None
            );
        }
    }

    #[test]
    fn one_that_failed_tells_how() {
        let failed = UnitStatus { result: "signal".to_owned(), ended: Some(Ended::Killed(9)), ..status("failed") };
        let state = state(Which::jupyter(&ada()), Some(&failed), Some(20_000), &Paths::default());
        assert_eq!((state.active, state.result.as_str(), state.exit_status), (Active::Failed, "signal", Some(9)));
    }

    #[test]
    fn one_that_systemd_does_not_know_is_inactive() {
        let state = state(Which::jupyter(&ada()), None, None, &Paths::default());
        assert_eq!((state.active, state.result.as_str(), state.main_pid), (Active::Inactive, "success", None));
        assert_eq!(state.unit, "hubd-user-ada.service");
    }
}
