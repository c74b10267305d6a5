//! restic as data: in which sandbox it runs. Pure.

use std::path::{Path, PathBuf};

use hub_core::config::Repository;
use hub_core::paths::Paths;
use hub_system::sandbox::SHARED;

/// The one that may be at work at a time.
pub(crate) const UNIT: &str = "hubd-backup-work.service";

/// Behind everybody's servers, and behind everything else on the disk.
const BESIDE_A_CLASS: [&str; 18] = [
    "RestrictRealtime=yes",
    "SystemCallArchitectures=native",
    "KeyringMode=private",
    "LimitCORE=0",
    "TasksMax=128",
    "MemoryMax=50%",
    "OOMScoreAdjust=500",
    "CPUWeight=10",
    "IOWeight=10",
    "Nice=15",
    "IOSchedulingClass=idle",
    "UMask=0077",
    // Nothing of what is hidden here is its business; what it needs of it is bound below.
    "ProtectHome=tmpfs",
    "TemporaryFileSystem=/run:ro /var/lib:ro",
    "InaccessiblePaths=-/etc/shadow -/etc/gshadow -/etc/ssh -/etc/sudoers.d",
    "BindReadOnlyPaths=-/run/systemd/resolve -/run/resolvconf -/run/NetworkManager/resolv.conf",
    "AmbientCapabilities=",
    "SystemCallFilter=~@mount @reboot @swap @module @raw-io",
];

/// What restic is to get at beside the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// What it reads.
    pub(crate) reads: Vec<PathBuf>,
    /// Where it writes, with the owners and modes that things had.
    pub(crate) writes: Vec<PathBuf>,
}

/// In the words of `systemd-run --property`. `password`: the file with it.
pub(crate) fn properties(paths: &Paths, repository: &Repository, password: &Path, access: &Access) -> Vec<String> {
    let mut properties: Vec<String> = SHARED.iter().chain(&BESIDE_A_CLASS).map(|&text| text.to_owned()).collect();
    let rights = match access.writes.is_empty() {
        // Homes are closed, and a disk for backups may belong to anybody.
        true => "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH",
        false => "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER CAP_FSETID",
    };
    properties.push(rights.to_owned());
    let bind = |kind: &str, path: &Path| format!("{kind}={}", path.display());
    properties.push(bind("BindReadOnlyPaths", password));
    match repository {
        Repository::Directory(path) => {
            properties.extend(["PrivateNetwork=yes".to_owned(), "RestrictAddressFamilies=AF_UNIX".to_owned()]);
            properties.push(bind("BindPaths", path));
        }
        Repository::Sftp(_) | Repository::S3(_) => {
            properties.push("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6".to_owned());
            properties.push(bind("BindPaths", &paths.backup_cache()));
            properties.push(bind("EnvironmentFile", Path::new(&format!("-{}", paths.network_file().display()))));
        }
    }
    match repository {
        Repository::Sftp(_) => properties.push(format!("BindReadOnlyPaths=-{}", paths.root_home().join(".ssh").display())),
        Repository::S3(_) => properties.push(format!("EnvironmentFile=-{}", paths.backup_variables().display())),
        Repository::Directory(_) => {}
    }
    properties.extend(access.reads.iter().map(|path| format!("BindReadOnlyPaths=-{}", path.display())));
    properties.extend(access.writes.iter().map(|path| bind("BindPaths", path)));
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(repository: &str, access: &Access) -> Vec<String> {
        properties(&Paths::default(), &repository.parse().unwrap(), Path::new("/etc/hubd/backup.password"), access)
    }

    #[test]
    fn it_gets_at_what_it_needs_and_at_no_network_for_a_disk() {
        let reads = Access { reads: vec!["/home/hubd".into()], writes: Vec::new() };
        let disk = all("/mnt/disk/hubd", &reads);
        for property in [
            "ProtectSystem=strict",
            "NoNewPrivileges=yes",
            "PrivateNetwork=yes",
            "BindPaths=/mnt/disk/hubd",
            "BindReadOnlyPaths=-/home/hubd",
            "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH",
        ] {
            assert!(disk.iter().any(|one| one == property), "{property} is not in {disk:#?}");
        }
        assert_eq!(disk.iter().filter(|one| one.starts_with("BindPaths=")).count(), 1);
        // The last of several counts.
        assert_eq!(disk.iter().rfind(|one| one.starts_with("ProtectHome=")).map(String::as_str), Some("ProtectHome=tmpfs"));
    }

    #[test]
    fn only_what_brings_files_back_gives_them_owners_and_nobody_makes_devices() {
        let writes = Access { reads: Vec::new(), writes: vec!["/home/hubd/.hubd-restore".into()] };
        let rights = |access: &Access| all("sftp:nas:/x", access).iter().any(|one| one.contains("CAP_CHOWN"));
        assert!(rights(&writes) && !rights(&Access::default()));
        for access in [Access::default(), writes] {
            let text = all("/mnt/disk", &access).join("\n");
            assert!(!text.contains("CAP_MKNOD") && !text.contains("CAP_SYS") && !text.contains("CAP_SETUID"), "{text}");
        }
    }

    #[test]
    fn only_what_goes_elsewhere_has_a_network_and_the_keys_for_it() {
        let (sftp, s3) = (all("sftp:nas:/x", &Access::default()), all("s3:https://s3.example.org/x", &Access::default()));
        for properties in [&sftp, &s3] {
            assert!(!properties.iter().any(|one| one == "PrivateNetwork=yes"));
            assert!(properties.iter().any(|one| one == "BindPaths=/var/lib/hubd-backup/cache"));
        }
        assert!(sftp.iter().any(|one| one == "BindReadOnlyPaths=-/root/.ssh") && !s3.join(" ").contains("/root"));
        assert!(s3.iter().any(|one| one == "EnvironmentFile=-/etc/hubd/backup.env"));
    }
}
