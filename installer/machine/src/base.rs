//! Base systems: a Debian root tree per release and package list, made once and never written to again.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_system::command::Command;
use hub_system::lock;
use sha2::{Digest, Sha256};

use super::process::Process;
use super::release::Release;
use super::{host, overlay, sources};

const MMDEBSTRAP: &str = "/usr/bin/mmdebstrap";
/// A slow mirror takes a few minutes; this is for one that does not answer at all.
const BUILD_DEADLINE: Duration = Duration::from_secs(20 * 60);
const LOCK_POLL: Duration = Duration::from_millis(200);
/// Makes `/bin` a link to `/usr/bin`, as Debian's own installer does; later releases do it by themselves.
const MERGED_USR: &str = "--setup-hook=/usr/share/mmdebstrap/hooks/merged-usr/setup00.sh";
/// Between the key of a base that is being made and the number of the process that makes it.
const PARTIAL: &str = ".partial-";
/// Part of the key of every base: raise it when the way bases are made changes.
const RECIPE_VERSION: u32 = 2;

/// What a small rented server has after its first boot.
const PACKAGES: [&str; 18] = [
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libpam-systemd",
    "locales",
    "login",
    "passwd",
    "procps",
    "python3",
    "python3-venv",
    "sudo",
    "systemd-sysv",
    "udev",
    "vim-tiny",
];

/// What a base system is made of.
#[derive(Debug, Clone)]
pub struct BaseSpec {
    /// The Debian release.
    pub release: Release,
    /// Debian packages beyond those of a small server.
    pub packages: Vec<String>,
}

impl BaseSpec {
    /// A small server of `release`, nothing added.
    pub fn new(release: Release) -> Self {
        Self { release, packages: Vec::new() }
    }

    /// Adds a Debian package.
    #[must_use]
    pub fn with(mut self, package: &str) -> Self {
        self.packages.push(package.to_owned());
        self
    }

    fn all_packages(&self) -> Vec<&str> {
        let mut packages: Vec<&str> = PACKAGES.into_iter().chain(self.packages.iter().map(String::as_str)).collect();
        packages.sort_unstable();
        packages.dedup();
        packages
    }

    fn key(&self, sources: &[String], settings: &[String]) -> String {
        let mut hash = Sha256::new();
        hash.update(RECIPE_VERSION.to_le_bytes());
        for part in self.all_packages().into_iter().chain(sources.iter().chain(settings).map(String::as_str)) {
            hash.update(part);
            hash.update([0]);
        }
        let digest: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{digest}", self.release.codename())
    }
}

/// A root tree that machines put their overlay on.
#[derive(Debug, Clone)]
pub struct Base {
    /// The root tree, or several with colons between them, the uppermost first, as overlayfs takes them; never written to.
    pub directory: PathBuf,
    /// Its Debian release.
    pub release: Release,
}

impl Base {
    /// Finds the base in `cache` or makes it, which takes about a minute. `progress` is told what takes time.
    ///
    /// A base appears under its final name only when it is whole, so one whose making was cut short is made again.
    ///
    /// # Errors
    /// When a program is missing and can't be installed, when the archive does not answer, or the disk is full.
    pub fn ensure(spec: &BaseSpec, cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        fs::create_dir_all(cache)?;
        let mut programs = host::PROGRAMS.to_vec();
        programs.push((host::DEBIAN_KEYRING, "debian-archive-keyring"));
        host::ensure_packages(&programs, progress)?;
        let (sources, settings) = (sources::lines(spec.release)?, sources::settings()?);
        let key = spec.key(&sources, &settings);
        let base = Self { directory: cache.join(&key), release: spec.release };
        if base.directory.exists() {
            return Ok(base);
        }
        let _guard = wait_for_lock(&cache.join(format!("{key}.lock")), progress)?;
        if base.directory.exists() {
            return Ok(base);
        }
        progress(&format!("making a Debian {} base system in `{}`", spec.release.codename(), base.directory.display()));
        remove_abandoned(cache, progress)?;
        let partial = cache.join(format!("{key}{PARTIAL}{}", std::process::id()));
        let command = Command::new(MMDEBSTRAP, BUILD_DEADLINE)
            .args(["--variant=minbase", "--quiet"])
            .arg(format!("--include={}", spec.all_packages().join(",")))
            .args(settings.iter().map(|setting| format!("--aptopt={setting}")))
            .arg("--dpkgopt=path-exclude=/usr/share/doc/*")
            .arg("--dpkgopt=path-exclude=/usr/share/locale/*")
            .args((spec.release == Release::Bullseye).then_some(MERGED_USR))
            .arg(spec.release.codename())
            .arg(partial.display().to_string())
            .args(sources);
        command.run().with_context(|| format!("making base system `{}`", partial.display()))?;
        fs::rename(&partial, &base.directory)?;
        Ok(base)
    }
}

impl Base {
    /// The same with what a machine on it changed; see [`super::Machine::keep_changes`].
    #[must_use]
    pub fn with_changes(&self, changes: &Path) -> Self {
        let mut directory = changes.as_os_str().to_owned();
        directory.push(":");
        directory.push(&self.directory);
        Self { directory: directory.into(), release: self.release }
    }
}

/// Removes what runs that were killed have left.
fn remove_abandoned(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<()> {
    for entry in fs::read_dir(cache)? {
        let path = entry?.path();
        let Some(owner) = path.to_str().and_then(|path| path.rsplit_once(PARTIAL)).and_then(|(_, pid)| pid.parse().ok()) else {
            continue;
        };
        if Process::find(owner).is_some() {
            continue;
        }
        if let Err(error) = overlay::remove_tree(&path) {
            // Helpers of a killed mmdebstrap may still write there; the next run finds it quiet.
            progress(&format!("leaving what a killed run left: {error:#}"));
        }
    }
    Ok(())
}

fn wait_for_lock(path: &Path, progress: &mut dyn FnMut(&str)) -> Result<lock::LockGuard> {
    let deadline = Instant::now() + BUILD_DEADLINE;
    let mut told = false;
    loop {
        if let Some(guard) = lock::try_lock(path)? {
            return Ok(guard);
        }
        if !told {
            progress("waiting for another process that makes the same base system");
            told = true;
        }
        if Instant::now() >= deadline {
            bail!("lock `{}` was still held after {} s", path.display(), BUILD_DEADLINE.as_secs());
        }
        thread::sleep(LOCK_POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_lie_above_what_they_changed() {
        let base = Base { directory: "/cache/base".into(), release: Release::Trixie };
        let above = base.with_changes(Path::new("/a")).with_changes(Path::new("/b"));
        assert_eq!((above.directory, above.release), ("/b:/a:/cache/base".into(), Release::Trixie));
    }

    #[test]
    fn removes_what_a_dead_process_left_and_nothing_else() {
        let cache = tempfile::tempdir().unwrap();
        let own = format!("a{PARTIAL}{}", std::process::id());
        for name in ["whole", "a.partial-4194305", own.as_str()] {
            std::fs::create_dir(cache.path().join(name)).unwrap();
        }
        remove_abandoned(cache.path(), &mut |_| ()).unwrap();
        assert!(!cache.path().join("a.partial-4194305").exists());
        assert!(cache.path().join("whole").exists() && cache.path().join(own).exists());
    }

    #[test]
    fn key_changes_with_packages_and_sources_and_not_with_their_order() {
        let sources = ["deb http://mirror.example/debian bookworm main".to_owned()];
        let plain = BaseSpec::new(Release::Bookworm);
        let key = plain.key(&sources, &[]);
        assert!(key.starts_with("bookworm-") && key.len() == "bookworm-".len() + 12, "{key}");
        assert_ne!(plain.clone().with("polkitd").key(&sources, &[]), key);
        assert_ne!(plain.key(&["deb http://other.example/debian bookworm main".to_owned()], &[]), key);
        assert_eq!(
            plain.clone().with("polkitd").with("nginx").key(&sources, &[]),
            plain.with("nginx").with("polkitd").key(&sources, &[])
        );
    }
}
