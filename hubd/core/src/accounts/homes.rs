//! Where homes may be, as far as a path and the modes on the way say it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What the system and the hub need for themselves. Homes are neither below one of these nor above one, for the directory of
/// homes is hidden from everybody's server.
const TAKEN: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/opt/hubd",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv/class",
    "/sys",
    "/usr",
    "/var/backups",
    "/var/cache",
    "/var/lib",
    "/var/lock",
    "/var/log",
    "/var/mail",
    "/var/run",
    "/var/spool",
];
/// Emptied now and then, and everybody's server has its own in their place.
pub const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];
const OTHERS_SEARCH: u32 = 0o001;
const GROUP_SEARCH: u32 = 0o010;

/// Why homes can't be at `path`, whatever is there; `None`: they can.
pub fn refusal(path: &Path) -> Option<String> {
    if path.parent().is_none() {
        return Some("\"/\" can't be where homes are: nothing of the machine would be left to see".to_owned());
    }
    let overlaps = |taken: &&&str| path.starts_with(taken) || Path::new(taken).starts_with(path);
    let taken = TAKEN.iter().find(overlaps).or_else(|| TEMPORARY.iter().find(|place| path == Path::new(place)))?;
    Some(format!("{:?} can't be where homes are: `{taken}` is the system's or the hub's own", path.display().to_string()))
}

/// Whether somebody other than root gets to what is in `directory`. What can't be looked at is taken to be closed.
pub fn is_in_reach(directory: &Path) -> bool {
    let is_open =
        |found: &std::fs::Metadata| found.mode() & OTHERS_SEARCH != 0 || (found.mode() & GROUP_SEARCH != 0 && found.gid() != 0);
    let real = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    real.ancestors().all(|path| path.metadata().as_ref().is_ok_and(is_open))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_the_system_or_the_hub_needs_is_refused_above_and_below() {
        for path in [
            "/",
            "/etc",
            "/etc/homes",
            "/var",
            "/var/spool/cron",
            "/var/lib/hubd",
            "/opt",
            "/opt/hubd/envs",
            "/srv",
            "/srv/class",
            "/srv/class/homes",
            "/tmp",
            "/var/tmp",
            "/run/homes",
            "/root",
        ] {
            assert!(refusal(Path::new(path)).is_some(), "{path} was accepted");
        }
        for path in ["/home", "/home/class", "/srv/homes", "/data", "/mnt/disk/home", "/opt/homes", "/var/home", "/usr2"] {
            assert_eq!(refusal(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn what_one_directory_on_the_way_closes_is_out_of_reach() {
        let root = tempfile::tempdir().unwrap();
        let homes = root.path().join("above/homes");
        std::fs::create_dir_all(&homes).unwrap();
        let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        set(root.path(), 0o755);
        for (above, own, expected) in [(0o755, 0o755, true), (0o755, 0o700, false), (0o700, 0o755, false), (0o711, 0o701, true)] {
            set(&homes, own);
            set(homes.parent().unwrap(), above);
            assert_eq!(is_in_reach(&homes), expected, "{above:o} {own:o}");
        }
        assert!(!is_in_reach(&homes.join("not/there")));
    }
}
