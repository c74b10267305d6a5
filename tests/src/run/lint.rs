//! What can be judged without running the hub: formatting, clippy, shell scripts, the links in
//! docs/, and the rules of the source tree.

mod circles;
mod crates;
mod rules;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use fs_err as fs;
use hub_machine::ensure_packages;
use hub_system::command::Command;

use super::part::{cargo, cargo_itself, logged};
use crate::book;
use crate::context::repository;

const GIT: &str = "/usr/bin/git";
const SHELLCHECK: &str = "/usr/bin/shellcheck";
const DEADLINE: Duration = Duration::from_secs(60);

/// All of it; every complaint stands in the error.
pub(super) fn run(directory: &Path) -> Result<()> {
    let checks = [
        rules_hold(),
        crates_are_apart(),
        nothing_leads_back_to_itself(),
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
    let broken: Vec<String> = sources()?.iter().flat_map(|(name, text)| rules::check(name, text)).collect();
    if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("\n")) }
}

/// Who may use whom, what the program that faces the network links, and, where it is built, which names are in it.
fn crates_are_apart() -> Result<()> {
    let manifest = format!("--manifest-path={}", repository().join("Cargo.toml").display());
    let ask = |arguments: &[&str]| -> Result<String> {
        Command::new(cargo_itself()?, DEADLINE).args(arguments.iter().copied()).arg(manifest.as_str()).run()
    };
    let mut broken = crates::check(&ask(&["metadata", "--no-deps", "--offline", "--format-version=1"])?)?;
    broken.extend(crates::not_in_front(&ask(&["tree", "--package=hubd", "--edges=normal", "--prefix=none"])?));
    if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("\n")) }
}

fn nothing_leads_back_to_itself() -> Result<()> {
    let broken = circles::check(&sources()?);
    if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("\n")) }
}

fn links_lead_somewhere() -> Result<()> {
    let directory = book::directory();
    let below = files()?.into_iter().filter_map(|file| Some(file.strip_prefix(&directory).ok()?.display().to_string()));
    let broken = book::broken_links(&book::pages()?, &below.collect::<Vec<_>>());
    if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("\n")) }
}

/// Every file of Rust, by its name in the repository, with its text.
fn sources() -> Result<Vec<(String, String)>> {
    let mut sources = Vec::new();
    for file in files()? {
        let name = file.strip_prefix(repository())?.display().to_string();
        if name.ends_with(".rs") {
            sources.push((name, fs::read_to_string(&file)?));
        }
    }
    Ok(sources)
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
