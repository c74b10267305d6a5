//! Builds docs/ with mdBook, which complains of what it can't show, and looks for every heading that is linked to.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use fs_err as fs;
use hub_system::command::Command;

use super::part::{cargo_itself, logged};
use crate::book;

const VERSION: &str = "0.5.4";
/// Debian has no mdBook, so it is built, once.
const PROGRAMS: &str = "/opt/mdbook";
const INSTALL_DEADLINE: Duration = Duration::from_secs(60 * 60);
const BUILD_DEADLINE: Duration = Duration::from_secs(120);

/// Builds the book; a warning is a failure.
pub(super) fn run(directory: &Path) -> Result<()> {
    let program = Path::new(PROGRAMS).join("bin/mdbook");
    if !program.is_file() {
        eprintln!("building mdBook {VERSION} (some minutes, once)");
        let command = Command::new(cargo_itself()?, INSTALL_DEADLINE)
            .args(["install", "mdbook", "--locked", "--no-default-features", "--features=search", "--root", PROGRAMS])
            .arg(format!("--version={VERSION}"));
        logged(directory, "install", &command)?;
    }
    let output = directory.join("book");
    let command = Command::new(&program, BUILD_DEADLINE)
        .arg("build")
        .arg(book::directory().display().to_string())
        .arg(format!("--dest-dir={}", output.display()));
    logged(directory, "build", &command)?;
    let said = fs::read_to_string(directory.join("build.txt"))?;
    if said.contains("WARN") || said.contains("ERROR") {
        bail!("mdbook build docs:\n{}", said.trim_end());
    }
    let pages = book::pages()?;
    let mut missing = Vec::new();
    for (page, anchor) in book::linked_headings(&pages) {
        let built = output.join(Path::new(&page.replace("README.md", "index.md")).with_extension("html"));
        if !fs::read_to_string(&built)?.contains(&format!("id=\"{anchor}\"")) {
            missing.push(format!("docs/{page} is linked to as `#{anchor}`, and the book has no such place"));
        }
    }
    if missing.is_empty() { Ok(()) } else { bail!("{}", missing.join("\n")) }
}
