//! Lets libFuzzer look for a configuration, or an editor, that makes the hub stumble: each target for some minutes.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use fs_err as fs;
use hub_machine::ensure_packages;
use hub_system::command::Command;

use super::part::{cargo_itself, logged};
use crate::context::repository;

const VERSION: &str = "0.13.2";
/// No package has it, so it is built, once.
const PROGRAMS: &str = "/opt/cargo-fuzz";
const INSTALL_DEADLINE: Duration = Duration::from_secs(60 * 60);
/// To build a target, and to run it.
const DEADLINE: Duration = Duration::from_secs(60 * 60);
/// What a target is fed for, in seconds; no verdict depends on how far it comes in that time.
const SECONDS: u32 = 180;
/// Targets in `tests/fuzz/targets`, and the most bytes that one input has.
const TARGETS: [(&str, u32); 2] = [("judge", 4096), ("edit", 512)];

/// Runs every target; an input that makes one fail stays in the directory.
pub(super) fn run(directory: &Path) -> Result<()> {
    ensure_packages(&[("/usr/bin/g++", "g++")], &mut |line| eprintln!("{line}"))?;
    let cargo = cargo_itself()?;
    let program = Path::new(PROGRAMS).join("bin/cargo-fuzz");
    if !program.is_file() {
        eprintln!("building cargo-fuzz {VERSION} (a minute, once)");
        let command = Command::new(&cargo, INSTALL_DEADLINE)
            .args(["install", "cargo-fuzz", "--locked", "--root", PROGRAMS])
            .arg(format!("--version={VERSION}"));
        logged(directory, "install", &command)?;
    }
    for (target, largest) in TARGETS {
        let (found, corpus) = (directory.join(format!("{target}-found")), directory.join(format!("{target}-corpus")));
        fs::create_dir_all(&found)?;
        fs::create_dir_all(&corpus)?;
        // Valid beginnings; libFuzzer goes on from there.
        fs::copy(repository().join("installer/src/assets/config.toml"), corpus.join("default"))?;
        let command = Command::new(&program, DEADLINE)
            // Coverage is a matter of flags that the stable compiler keeps to itself. The code under test has nothing unsafe,
            // so no sanitizer is needed.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO", &cargo)
            .args(["fuzz", "run", "--sanitizer=none", "--fuzz-dir"])
            .arg(repository().join("tests/fuzz").display().to_string())
            .args([target.to_owned(), corpus.display().to_string(), "--".to_owned()])
            .args([format!("-max_total_time={SECONDS}"), format!("-max_len={largest}"), "-print_final_stats=1".to_owned()])
            .arg(format!("-artifact_prefix={}/", found.display()));
        logged(directory, target, &command)?;
        let said = fs::read_to_string(directory.join(format!("{target}.txt")))?;
        let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        eprintln!("{target}: {} inputs, none failed", runs.unwrap_or("an unknown number of").trim());
    }
    Ok(())
}
