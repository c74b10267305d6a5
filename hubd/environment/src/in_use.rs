//! Which generation a server that runs has.

use hub_core::paths::Paths;
use hub_system::systemd::UnitStatus;

/// The generation is what is bound to the environment's place, so a running server tells which it has, also after the
/// launcher was restarted.
pub fn generation_of(status: &UnitStatus, paths: &Paths) -> Option<u32> {
    let mount = paths.environment_mount();
    let (source, _) = status.read_only_binds.iter().find(|(_, target)| mount.to_str() == Some(target))?;
    let number = std::path::Path::new(source).file_name()?.to_str()?.parse().ok()?;
    (paths.environment(number).to_str() == Some(source)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(read_only_binds: Vec<(String, String)>) -> UnitStatus {
        UnitStatus {
            owner: "ada".parse().unwrap(),
            active_state: "active".to_owned(),
            has_job: false,
            result: "success".to_owned(),
            ended: None,
            main_pid: Some(7),
            memory_current: None,
            memory_max: None,
            started: None,
            invocation: None,
            variables: Vec::new(),
            read_only_binds,
        }
    }

    #[test]
    fn a_bind_of_something_else_is_no_generation() {
        for source in ["/opt/hubd/envs/current", "/opt/hubd/envs/../envs/3", "/tmp/3", "/opt/hubd/envs/03"] {
            let binds = vec![(source.to_owned(), "/opt/hubd/env".to_owned())];
            assert_eq!(generation_of(&status(binds), &Paths::default()), None, "{source}");
        }
    }
}
