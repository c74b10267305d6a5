//! From systemd's view of a unit, and the kernel's of its memory, to the one that the hub gets.

use hub_core::accounts::Username;
use hub_core::paths::Paths;
use hub_core::pyenv::WITHOUT_OWN;
use hub_core::systemd::{Ended, UnitName, UnitStatus};

use super::cgroup::Cgroup;
use super::protocol::{Active, Endpoint, UnitState};

/// How `name`'s server is; `uid` is the account's number, `None` for the status: systemd knows nothing of it.
pub(super) fn state(name: &Username, status: Option<&UnitStatus>, uid: Option<u32>, paths: &Paths) -> UnitState {
    let active = status.map_or(Active::Inactive, |status| active(&status.active_state));
    let is_up = active == Active::Active;
    let ended = status.and_then(|status| status.ended).filter(|_| !is_up);
    UnitState {
        name: name.clone(),
        unit: UnitName::server(name).to_string(),
        active,
        result: status.map_or("success", |status| status.result.as_str()).to_owned(),
        exit_status: ended.map(|(Ended::Exited(number) | Ended::Killed(number))| number),
        main_pid: status.and_then(|status| status.main_pid),
        memory_bytes: status.and_then(|status| status.memory_current),
        memory_limit_bytes: status.and_then(|status| status.memory_max),
        memory_kills: if is_up { Cgroup::of_server(paths, name).memory_kills() } else { 0 },
        started: status.and_then(|status| status.started),
        environment: status.and_then(|status| generation_of(status, paths)),
        without_own: status.is_some_and(runs_without_own),
        endpoint: uid.filter(|_| is_up).map(|uid| Endpoint { socket: paths.server_socket(name), uid }),
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

/// The generation is what is bound to the environment's place, so a running server tells which it has, also after the
/// launcher was restarted.
pub(crate) fn generation_of(status: &UnitStatus, paths: &Paths) -> Option<u32> {
    let mount = paths.environment_mount();
    let (source, _) = status.read_only_binds.iter().find(|(_, target)| mount.to_str() == Some(target))?;
    let number = std::path::Path::new(source).file_name()?.to_str()?.parse().ok()?;
    (paths.environment(number).to_str() == Some(source)).then_some(number)
}

#[cfg(test)]
mod tests {
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
        let state = state(&ada(), Some(&status("active")), Some(20_000), &Paths::default());
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
            assert_eq!(state(&ada(), Some(&status), Some(20_000), &Paths::default()).without_own, expected);
        }
    }

    #[test]
    fn one_that_is_not_up_has_no_endpoint() {
        for active_state in ["activating", "deactivating", "failed", "inactive", "maintenance"] {
            assert_eq!(state(&ada(), Some(&status(active_state)), Some(20_000), &Paths::default()).endpoint, None);
        }
    }

    #[test]
    fn one_that_failed_tells_how() {
        let failed = UnitStatus { result: "signal".to_owned(), ended: Some(Ended::Killed(9)), ..status("failed") };
        let state = state(&ada(), Some(&failed), Some(20_000), &Paths::default());
        assert_eq!((state.active, state.result.as_str(), state.exit_status), (Active::Failed, "signal", Some(9)));
    }

    #[test]
    fn one_that_systemd_does_not_know_is_inactive() {
        let state = state(&ada(), None, None, &Paths::default());
        assert_eq!((state.active, state.result.as_str(), state.main_pid), (Active::Inactive, "success", None));
        assert_eq!(state.unit, "hubd-user-ada.service");
    }

    #[test]
    fn a_bind_of_something_else_is_no_generation() {
        for source in ["/opt/hubd/envs/current", "/opt/hubd/envs/../envs/3", "/tmp/3", "/opt/hubd/envs/03"] {
            let binds = vec![(source.to_owned(), "/opt/hubd/env".to_owned())];
            let status = UnitStatus { read_only_binds: binds, ..status("active") };
            assert_eq!(generation_of(&status, &Paths::default()), None, "{source}");
        }
    }
}
