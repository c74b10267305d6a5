//! Which package archive a base system is made from: the one this host uses.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use fs_err as fs;
use hub_system::command::Command;

use super::host::{self, DEBIAN_KEYRING};
use super::release::Release;

const APT_GET: &str = "/usr/bin/apt-get";
const APT_CONFIG: &str = "/usr/bin/apt-config";
const OS_RELEASE: &str = "/etc/os-release";
const QUERY_DEADLINE: Duration = Duration::from_secs(30);
/// The settings of apt that decide how the archive is reached.
const CARRIED_SETTINGS: [&str; 4] =
    ["Acquire::http::Proxy ", "Acquire::https::Proxy ", "Acquire::https::CaInfo ", "Acquire::Retries "];

/// One line for `sources.list` per suite of `release`, from the same mirror as the host's; none on a host that is not
/// Debian or names no archive: mmdebstrap then takes the public one.
pub(super) fn lines(release: Release) -> Result<Vec<String>> {
    let codename = host_codename(&fs::read_to_string(OS_RELEASE)?);
    let mut targets = Vec::new();
    if let Some(codename) = &codename {
        targets = debian_targets(&index_targets()?, codename);
        if targets.is_empty() {
            // Without downloaded lists apt does not know which of its sources are Debian.
            host::update_lists();
            targets = debian_targets(&index_targets()?, codename);
        }
    }
    let keyring = Path::new(DEBIAN_KEYRING).exists().then_some(DEBIAN_KEYRING);
    Ok(targets.iter().map(|target| target.line(release, keyring)).collect())
}

/// `NAME "value";` settings of the host's apt (proxies above all) that the new system needs too.
pub(super) fn settings() -> Result<Vec<String>> {
    if !Path::new(APT_CONFIG).exists() {
        return Ok(Vec::new());
    }
    let dump = Command::new(APT_CONFIG, QUERY_DEADLINE).arg("dump").run().context("asking apt for the settings of this host")?;
    Ok(carried_settings(&dump))
}

fn carried_settings(dump: &str) -> Vec<String> {
    dump.lines()
        .filter(|line| CARRIED_SETTINGS.iter().any(|name| line.starts_with(name)))
        .filter(|line| !line.ends_with("\"\";"))
        .map(str::to_owned)
        .collect()
}

fn index_targets() -> Result<String> {
    if !Path::new(APT_GET).exists() {
        return Ok(String::new());
    }
    Command::new(APT_GET, QUERY_DEADLINE)
        .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN) $(SIGNED_BY)"])
        .arg("Created-By: Packages")
        .run()
        .context("asking apt for the archives of this host")
}

#[derive(Debug, PartialEq, Eq)]
struct Target {
    uri: String,
    /// What follows the code name in the suite: nothing, `-updates` or `-security`.
    suffix: &'static str,
    signed_by: Option<String>,
}

impl Target {
    fn line(&self, release: Release, keyring: Option<&str>) -> String {
        let options = match self.signed_by.as_deref().or(keyring) {
            Some(keyring) => format!("[signed-by={keyring}] "),
            None => String::new(),
        };
        format!("deb {options}{} {}{} main", self.uri, release.codename(), self.suffix)
    }
}

const SUFFIXES: [&str; 3] = ["", "-updates", "-security"];

fn debian_targets(index_targets: &str, codename: &str) -> Vec<Target> {
    let mut found: Vec<Target> = Vec::new();
    for line in index_targets.lines() {
        let mut words = line.split_whitespace();
        let (Some(uri), Some(suite), Some("main"), Some("Debian")) = (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Some(suffix) = SUFFIXES.into_iter().find(|suffix| suite.strip_prefix(codename) == Some(suffix)) else {
            continue;
        };
        if found.iter().any(|target| target.suffix == suffix) {
            continue;
        }
        let signed_by = words.next().filter(|word| word.starts_with('/')).map(str::to_owned);
        found.push(Target { uri: uri.trim_end_matches('/').to_owned(), suffix, signed_by });
    }
    if found.iter().any(|target| target.suffix.is_empty()) { found } else { Vec::new() }
}

/// The code name of a Debian host; `None` for any other system.
fn host_codename(os_release: &str) -> Option<String> {
    let value = |key: &str| {
        os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(|value| value.trim_matches('"'))
    };
    (value("ID") == Some("debian")).then(|| value("VERSION_CODENAME")).flatten().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = "\
http://mirror.example/debian/ bookworm main Debian $(SIGNED_BY)
http://mirror.example/debian/ bookworm-updates main Debian $(SIGNED_BY)
http://mirror.example/debian-security/ bookworm-security main Debian /etc/apt/keys/mirror.gpg
https://tools.example/ bookworm main Tools /usr/share/keyrings/tools.gpg
https://db.example/ bookworm-pgdg main Debian $(SIGNED_BY)
";

    #[test]
    fn takes_the_mirror_of_the_host_for_another_release() {
        let lines: Vec<String> = debian_targets(TARGETS, "bookworm")
            .iter()
            .map(|target| target.line(Release::Trixie, Some("/keys/debian.gpg")))
            .collect();
        assert_eq!(
            lines,
            [
                "deb [signed-by=/keys/debian.gpg] http://mirror.example/debian trixie main",
                "deb [signed-by=/keys/debian.gpg] http://mirror.example/debian trixie-updates main",
                "deb [signed-by=/etc/apt/keys/mirror.gpg] http://mirror.example/debian-security trixie-security main",
            ]
        );
    }

    #[test]
    fn ignores_archives_that_are_not_debian() {
        assert_eq!(debian_targets("https://tools.example/ bookworm main Tools x\n", "bookworm"), []);
        assert_eq!(debian_targets("http://mirror.example/ bookworm main $(ORIGIN) x\n", "bookworm"), []);
    }

    #[test]
    fn knows_a_debian_host_from_others() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(host_codename(debian).as_deref(), Some("bookworm"));
        assert_eq!(host_codename("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"), None);
    }

    #[test]
    fn carries_proxies_and_nothing_empty() {
        let dump = "APT \"\";\nAcquire::http::Proxy \"http://proxy.example:3128\";\nAcquire::https::Proxy \"\";\n\
                    Acquire::http::Proxy::other.example \"DIRECT\";\n";
        assert_eq!(carried_settings(dump), ["Acquire::http::Proxy \"http://proxy.example:3128\";"]);
    }
}
