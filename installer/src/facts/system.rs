//! The operating system, the interpreter, memory, disk and clock.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use hub_core::paths::Paths;
use hub_environment::bundle;
use hub_system::command::Command;
use hub_system::distribution::{CERTIFICATES, PYTHON, missing_packages, os_release_field};
use nix::sys::statvfs::statvfs;

const ASK_DEADLINE: Duration = Duration::from_secs(15);
const APT_GET: &str = "/usr/bin/apt-get";

/// The machine itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// `ID` of os-release, as in `debian`.
    pub id: String,
    /// `VERSION_ID` of os-release, as in `12`.
    pub version: String,
    /// `PRETTY_NAME` of os-release.
    pub name: String,
    /// As the kernel names it, as in `x86_64`.
    pub architecture: String,
    /// Version of systemd, when it is PID 1.
    pub systemd: Option<u32>,
    /// Version of the distribution's Python, where it is installed.
    pub python: Option<(u32, u32)>,
    /// Whether packages come with apt.
    pub apt: bool,
    /// Distribution packages the hub needs that are missing.
    pub missing_packages: Vec<String>,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Processors.
    pub processors: usize,
    /// Bytes free where programs and environments go.
    pub disk_free_bytes: u64,
    /// Seconds by which the clock is behind the making of this program; 0: it is not.
    pub clock_behind_seconds: u64,
}

impl System {
    /// Whether the certificates are there with which the index shows who it is.
    pub(super) fn can_check_certificates(&self) -> bool {
        !self.missing_packages.iter().any(|name| name == CERTIFICATES)
    }

    /// What a bundle must be made for.
    pub(crate) fn machine(&self) -> bundle::Machine {
        bundle::Machine {
            system: format!("{} {}", self.id, self.version),
            architecture: self.architecture.clone(),
            python: self.python.map(|(major, minor)| format!("{major}.{minor}")),
        }
    }
}

pub(super) fn probe(paths: &Paths) -> Result<System> {
    let release = std::fs::read_to_string(paths.below("etc/os-release")).unwrap_or_default();
    let field = |name: &str| os_release_field(&release, name);
    let systemd_runs = paths.below("run/systemd/system").is_dir();
    Ok(System {
        id: field("ID").unwrap_or_else(|| "unknown".to_owned()),
        version: field("VERSION_ID").unwrap_or_default(),
        name: field("PRETTY_NAME").unwrap_or_else(|| "an unknown system".to_owned()),
        architecture: std::env::consts::ARCH.to_owned(),
        systemd: if systemd_runs { Some(systemd_version()?) } else { None },
        python: if Path::new(PYTHON).exists() { Some(python_version()?) } else { None },
        apt: Path::new(APT_GET).exists(),
        missing_packages: missing_packages(),
        memory_bytes: memory(&std::fs::read_to_string("/proc/meminfo").context("reading `/proc/meminfo`")?)?,
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        disk_free_bytes: free(&paths.program_directory())?,
        clock_behind_seconds: clock_behind(),
    })
}

/// Whether a program can listen at addresses of IPv6. Nothing is sent.
pub(super) fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

/// The address by which the machine reaches others. Nothing is sent: the kernel only picks a route.
pub(super) fn address() -> Option<IpAddr> {
    // Addresses reserved for documentation: they lie behind the default route wherever there is one.
    let others: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    others.into_iter().find_map(|(own, other)| {
        let socket = UdpSocket::bind((own, 0)).ok()?;
        socket.connect((other, 9)).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_loopback() && !address.is_unspecified()).then_some(address)
    })
}

fn systemd_version() -> Result<u32> {
    let text = Command::new(crate::systemctl::SYSTEMCTL, ASK_DEADLINE).arg("--version").run()?;
    parse_systemd(&text).with_context(|| format!("looking for a version in `{}`", text.lines().next().unwrap_or_default()))
}

/// `systemd 252 (252.38-1~deb12u1)` is 252.
fn parse_systemd(text: &str) -> Option<u32> {
    let number = text.strip_prefix("systemd ")?;
    number[..number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len())].parse().ok()
}

fn python_version() -> Result<(u32, u32)> {
    let text = Command::new(PYTHON, ASK_DEADLINE).env_clear().args(["-I", "-S", "--version"]).run()?;
    parse_python(&text).with_context(|| format!("looking for a version in `{}`", text.trim()))
}

/// `Python 3.11.2` is 3 and 11.
fn parse_python(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix("Python ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn memory(meminfo: &str) -> Result<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(total.context("looking for MemTotal in `/proc/meminfo`")? * 1024)
}

/// Bytes free for root at `path` or the nearest directory above it that exists.
fn free(path: &Path) -> Result<u64> {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let found = statvfs(existing).with_context(|| format!("asking for the free space of `{}`", existing.display()))?;
    Ok(found.blocks_free() * found.fragment_size())
}

fn clock_behind() -> u64 {
    // The time stamp of a packaged program is that of its source; a clock that shows an earlier time is wrong.
    let made = std::env::current_exe().and_then(|path| path.metadata()).and_then(|metadata| metadata.modified());
    made.ok().and_then(|made| made.duration_since(SystemTime::now()).ok()).map_or(0, |behind| behind.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_as_programs_print_them() {
        assert_eq!(parse_systemd("systemd 252 (252.38-1~deb12u1)\n+PAM"), Some(252));
        assert_eq!(parse_systemd("systemd 257\n"), Some(257));
        assert_eq!(parse_systemd("upstart 1"), None);
        assert_eq!(parse_python("Python 3.11.2\n"), Some((3, 11)));
        assert_eq!(parse_python("Python 3.13.0rc1"), Some((3, 13)));
        assert_eq!(parse_python("python"), None);
    }

    #[test]
    fn reads_the_size_of_the_machine() {
        assert_eq!(memory("MemTotal:        2097152 kB\nMemFree: 1 kB\n").unwrap(), 2 << 30);
        assert!(memory("nothing").is_err());
        assert!(free(Path::new("/nonexistent/deep/path")).unwrap() > 0);
    }
}
