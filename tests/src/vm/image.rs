//! Disk images of virtual machines: a base system with a kernel, an ssh server and our key, made once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_machine::{Base, BaseSpec, bring_along};
use hub_system::command::Command;
use sha2::{Digest, Sha256};

use super::VmOptions;

const DEADLINE: Duration = Duration::from_secs(10 * 60);
/// Sparse: the file takes what the system in it takes.
const DISK_SIZE: &str = "8G";
/// Part of the key of every image: raise it when the way images are made changes.
const RECIPE_VERSION: u32 = 1;

const NETWORK: &str = "[Match]\nName=e*\n\n[Network]\nDHCP=ipv4\n";
/// The name server of qemu's user network.
const RESOLV_CONF: &str = "nameserver 10.0.2.3\n";

/// A disk image and what belongs to it; never written to.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) disk: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
    /// The private key that opens every machine made of this image; worth nothing elsewhere.
    pub(super) key: PathBuf,
}

impl Image {
    /// Finds the image in `cache` or makes it.
    pub(super) fn ensure(options: &VmOptions, cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        if std::env::consts::ARCH != "x86_64" {
            bail!("virtual machines are made for x86_64 only, this host is {}", std::env::consts::ARCH);
        }
        let spec = ["linux-image-cloud-amd64", "openssh-server"]
            .into_iter()
            .chain(options.packages.iter().map(String::as_str))
            .fold(BaseSpec::new(options.release), |spec, package| spec.with(package));
        let base = Base::ensure(&spec, cache, progress)?;
        let base_name = base.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let directory = cache.join(format!("{base_name}-vm-{}", key(&options.environment)));
        if !directory.exists() {
            progress(&format!("making a disk image in `{}`", directory.display()));
            make(&base, &directory, &options.environment)?;
        }
        Ok(Self {
            disk: directory.join("disk.ext4"),
            kernel: newest(&base.directory.join("boot"), "vmlinuz-")?,
            initrd: newest(&base.directory.join("boot"), "initrd.img-")?,
            key: directory.join("key"),
        })
    }
}

fn key(environment: &[(String, String)]) -> String {
    let mut hash = Sha256::new();
    hash.update(RECIPE_VERSION.to_le_bytes());
    for (name, value) in environment {
        hash.update(format!("{name}={value}\0"));
    }
    hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Makes everything in a directory beside the final one, which appears whole or not at all.
fn make(base: &Base, directory: &Path, environment: &[(String, String)]) -> Result<()> {
    let parent = directory.parent().context("an image has a parent directory")?;
    let partial = tempfile::tempdir_in(parent)?;
    let (root, key) = (partial.path().join("root"), partial.path().join("key"));
    run("/usr/bin/cp", &["--archive", "--reflink=auto", &text(&base.directory), &text(&root)])?;
    run("/usr/bin/ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "hubd-tests", "-f", &text(&key)])?;
    bring_along(&root, environment)?;
    fs::create_dir_all(root.join("root/.ssh"))?;
    fs::copy(partial.path().join("key.pub"), root.join("root/.ssh/authorized_keys"))?;
    fs::write(root.join("etc/systemd/network/80-qemu.network"), NETWORK)?;
    let resolv_conf = root.join("etc/resolv.conf");
    if resolv_conf.is_symlink() || resolv_conf.exists() {
        fs::remove_file(&resolv_conf)?;
    }
    fs::write(resolv_conf, RESOLV_CONF)?;
    fs::write(root.join("etc/fstab"), "/dev/vda / ext4 defaults 0 1\n")?;
    fs::write(root.join("etc/hostname"), "debian\n")?;
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n::1 localhost ip6-localhost\n")?;
    run("/usr/bin/systemctl", &[&format!("--root={}", text(&root)), "enable", "systemd-networkd.service"])?;
    let disk = partial.path().join("disk.ext4");
    run("/usr/sbin/mke2fs", &["-q", "-t", "ext4", "-d", &text(&root), &text(&disk), DISK_SIZE])?;
    fs::remove_dir_all(&root)?;
    match std::fs::rename(partial.path(), directory) {
        // Somebody else was faster; theirs is as good.
        Err(_) if directory.exists() => Ok(()),
        other => other.with_context(|| format!("renaming to `{}`", directory.display())),
    }
}

/// Packs what is in a directory, owned by root.
pub(super) fn pack(source: &Path, archive: &Path) -> Result<()> {
    let options = ["--create", "--owner=0", "--group=0", "--numeric-owner"];
    let places = [format!("--file={}", text(archive)), format!("--directory={}", text(source))];
    Command::new("/usr/bin/tar", DEADLINE).args(options).args(places).arg(".").run()?;
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    Command::new(program, DEADLINE).args(arguments.iter().copied()).run()?;
    Ok(())
}

fn newest(directory: &Path, prefix: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)) {
            found.push(path);
        }
    }
    found.sort();
    found.pop().with_context(|| format!("no `{prefix}*` in `{}`", directory.display()))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
