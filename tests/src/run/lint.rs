//! What can be judged without running the hub: formatting, clippy, shell scripts, the links in
//! docs/, and the rules of the source tree.

mod rules;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use fs_err as fs;
use hub_core::sys::command::Command;
use installer::machine::ensure_packages;

use super::part::{cargo, logged};
use crate::book;
use crate::context::repository;

const GIT: &str = "/usr/bin/git";
const SHELLCHECK: &str = "/usr/bin/shellcheck";
const DEADLINE: Duration = Duration::from_secs(60);

/// All of it; every complaint stands in the error.
pub(super) fn run(directory: &Path) -> Result<()> {
    let checks = [
        rules_hold(),
        links_lead_somewhere(),
        shell_scripts(directory),
        cargo(directory, "fmt", &["--all", "--check"]),
        cargo(directory, "clippy", &["--workspace", "--all-targets", "--quiet", "--", "--deny=warnings"]),
    ];
    let complaints: Vec<String> = checks.into_iter().filter_map(Result::err).map(|complaint| format!("{complaint:#}")).collect();
    if complaints.is_empty() { Ok(()) } else { bail!("{}", complaints.join("\n")) }
}

fn shell_scripts(directory: &Path) -> Result<()> {
    ensure_packages(&[(SHELLCHECK, "shellcheck")], &mut |text| eprintln!("{text}"))?;
    let mut scripts = Vec::new();
    for file in files()? {
        if rules::is_shell_script(&fs::read(&file)?) {
            scripts.push(file.display().to_string());
        }
    }
    logged(directory, "shellcheck", &Command::new(SHELLCHECK, DEADLINE).args(scripts))
}

fn rules_hold() -> Result<()> {
    let mut broken = Vec::new();
    for file in files()? {
        let name = file.strip_prefix(repository())?.display().to_string();
        if name.ends_with(".rs") {
            broken.extend(rules::check(&name, &fs::read_to_string(&file)?));
        }
    }
    if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("\n")) }
}

fn links_lead_somewhere() -> Result<()> {
    let directory = book::directory();
    let below = files()?.into_iter().filter_map(|file| Some(file.strip_prefix(&directory).ok()?.display().to_string()));
    let broken = book::broken_links(&book::pages()?, &below.collect::<Vec<_>>());
    if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("\n")) }
}

/// Every file of the repository that git knows or would add.
fn files() -> Result<Vec<PathBuf>> {
    let listed = Command::new(GIT, DEADLINE)
        // A checkout may belong to somebody else than root.
        .args(["-c", "safe.directory=*", "-C", &repository().display().to_string()])
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .run()?;
    let files = listed.split('\0').filter(|name| !name.is_empty()).map(|name| repository().join(name));
    Ok(files.filter(|file| file.is_file()).collect())
}
