//! The parts of a test run and how they are picked by name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_system::command::Command;

use crate::context::repository;
use crate::release::test_key;
use crate::scenario::{self, Group, Scenario};

/// A first build of everything on a small machine.
const CARGO_DEADLINE: Duration = Duration::from_secs(60 * 60);
const SHOWN_LINES: usize = 40;

/// Something with a name that passes or fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) group: Group,
    pub(super) work: Work,
}

/// What a part does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    Lint,
    Unit,
    Build,
    Book,
    Fuzz,
    Scenario(&'static Scenario),
}

impl Part {
    /// Whether it uses optimised programs.
    pub(super) fn is_of_a_release(&self) -> bool {
        matches!(self.work, Work::Scenario(scenario) if scenario.needs_programs && scenario.group == Group::Nightly)
    }

    /// Where more stands about how it went, in its `directory` of artefacts.
    pub(super) fn log(&self, directory: &Path) -> PathBuf {
        match self.work {
            Work::Scenario(_) => directory.join("log.txt"),
            Work::Unit => directory.join("test.txt"),
            Work::Build => directory.join("build.txt"),
            Work::Lint | Work::Book | Work::Fuzz => directory.to_owned(),
        }
    }

    /// Whether nothing may run beside it. At night there is time.
    pub(super) fn is_alone(&self) -> bool {
        self.group == Group::Nightly || scenario::ALONE.contains(&self.name)
    }
}

/// Every part, in the order they begin.
pub(super) fn all() -> Vec<Part> {
    let fixed = [
        ("unit", "cargo test of every package", Group::Default, Work::Unit),
        ("lint", "formatting, clippy, shellcheck, links in docs/ and the rules of the source tree", Group::Default, Work::Lint),
        ("build", "the programs of the hub, optimised; for the nightly scenarios", Group::Nightly, Work::Build),
        ("book", "docs/ as a book, without a warning (the first time mdBook itself is built)", Group::Nightly, Work::Book),
        ("fuzz", "libFuzzer against the judging and the editing of a configuration, minutes each", Group::Nightly, Work::Fuzz),
    ];
    let fixed = fixed.into_iter().map(|(name, about, group, work)| Part { name, about, group, work });
    let scenarios = scenario::ALL.iter().map(|scenario| Part {
        name: scenario.name,
        about: scenario.about,
        group: scenario.group,
        work: Work::Scenario(scenario),
    });
    fixed.chain(scenarios).collect()
}

/// The parts with these names or in these groups; without names the default group. A nightly scenario that uses the
/// programs of the hub brings their build with it; the others use those that are built with the tests.
pub(super) fn select<'a>(parts: &'a [Part], names: &[String]) -> Result<Vec<&'a Part>> {
    let default = ["default".to_owned()];
    let names = if names.is_empty() { &default } else { names };
    for name in names {
        if !["default", "nightly", "all"].contains(&name.as_str()) && parts.iter().all(|part| part.name != name) {
            bail!("no part `{name}`\nhint: tests/run --list shows all names");
        }
    }
    let wanted = |part: &&Part| {
        names.iter().any(|name| match name.as_str() {
            "all" => true,
            "default" => part.group == Group::Default,
            "nightly" => part.group == Group::Nightly,
            name => part.name == name,
        })
    };
    let needs_build = parts.iter().filter(wanted).any(|part| part.is_of_a_release());
    Ok(parts.iter().filter(|part| wanted(part) || (needs_build && matches!(part.work, Work::Build))).collect())
}

/// Runs cargo at the root of the repository; what it says is kept in `log.txt` and its end stands in the error.
pub(super) fn cargo(directory: &Path, verb: &str, arguments: &[&str]) -> Result<()> {
    logged(directory, verb, &cargo_command(verb, arguments)?)
}

/// Builds the programs of the hub, which then take releases that the tests sign.
pub(super) fn build(directory: &Path) -> Result<()> {
    cargo(directory, "build", &["--release", "--quiet", "--workspace", "--exclude", "hub-tests", "--bins"])
}

fn cargo_command(verb: &str, arguments: &[&str]) -> Result<Command> {
    Ok(Command::new(cargo_itself()?, CARGO_DEADLINE)
        .arg(verb)
        .arg(format!("--manifest-path={}", repository().join("Cargo.toml").display()))
        .args(arguments.iter().copied())
        // As tests/run builds, or everything would be built again.
        .env("HUBD_RELEASE_KEY", test_key()))
}

/// The program cargo.
pub(super) fn cargo_itself() -> Result<String> {
    // Set by tests/run.
    std::env::var("CARGO").context("reading the variable `CARGO`\nhint: use tests/run")
}

/// Runs a program; all it says is kept in `<name>.txt` and the end of it stands in the error.
pub(super) fn logged(directory: &Path, name: &str, command: &Command) -> Result<()> {
    let output = command.output()?;
    let said = format!("{}{}", output.stdout, output.stderr);
    fs::write(directory.join(format!("{name}.txt")), &said)?;
    if output.success() {
        return Ok(());
    }
    let lines: Vec<&str> = said.lines().collect();
    let code = output.code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
    bail!("{name}: {code}\n{}", lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &'static str, group: Group, work: Work) -> Part {
        Part { name, about: "", group, work }
    }

    static NEEDY: Scenario = Scenario { name: "needy", about: "", group: Group::Nightly, needs_programs: true, run: |_| Ok(()) };

    fn names(parts: &[Part], wanted: &[&str]) -> Vec<&'static str> {
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        select(parts, &wanted).unwrap().iter().map(|part| part.name).collect()
    }

    #[test]
    fn picks_by_name_and_group_and_builds_what_is_needed() {
        let parts = [
            part("lint", Group::Default, Work::Lint),
            part("build", Group::Nightly, Work::Build),
            part("needy", Group::Nightly, Work::Scenario(&NEEDY)),
        ];
        assert_eq!(names(&parts, &[]), ["lint"]);
        assert_eq!(names(&parts, &["all"]), ["lint", "build", "needy"]);
        assert_eq!(names(&parts, &["needy"]), ["build", "needy"]);
        assert!(parts[2].is_of_a_release() && !parts[0].is_of_a_release());
        assert!(select(&parts, &["lnit".to_owned()]).is_err());
    }

    #[test]
    fn every_part_has_a_name_of_its_own() {
        let parts = all();
        let mut names: Vec<&str> = parts.iter().map(|part| part.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), parts.len());
        for name in scenario::ALONE.iter().chain(scenario::LONGEST).chain(scenario::WAITING).chain(scenario::RACING) {
            assert!(names.contains(name), "no part `{name}`");
        }
    }
}
