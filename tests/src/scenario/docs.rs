//! The documentation is what an admin does: every shell block marked `sh,run` is typed on a fresh machine, in the order of
//! the pages.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hub_machine::Release;

use super::{Group, Scenario};
use crate::book;
use crate::context::Context;
use crate::hub::{OPERATOR, add_operator};
use crate::release::ReleaseServer;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "docs",
    about: "every block of docs/ that is marked as runnable, typed by the operator of a fresh machine, page by page",
    group: Group::Default,
    needs_programs: true,
    run,
};

/// The longest block builds a Python environment.
const BLOCK_DEADLINE: Duration = Duration::from_secs(600);
/// How the install line ends on the pages. Machines share the host's ports, so 80 may be somebody else's.
const INSTALL_ENDS: &str = "--admin ada";
/// Fewer would mean that the pages are no longer found.
const LEAST_BLOCKS: usize = 15;

fn run(context: &Context) -> Result<()> {
    let blocks: Vec<book::Block> = book::pages()?.iter().flat_map(book::runnable).collect();
    ensure!(blocks.len() >= LEAST_BLOCKS, "only {} blocks are marked as runnable", blocks.len());
    let machine = context.machine(Release::Bookworm)?;
    let release = ReleaseServer::start(context)?;
    add_operator(&machine)?;
    let listen = format!("{INSTALL_ENDS} --listen 127.0.0.1:{}", context.free_port()?);
    for block in &blocks {
        let script = block.script.replace(INSTALL_ENDS, &listen);
        let output = machine
            .command(["/bin/bash", "-euo", "pipefail", "-c", &script])
            .user(OPERATOR)
            .env("BASE", release.url())
            .env("LANG", "C.UTF-8")
            .timeout(BLOCK_DEADLINE)
            .output()
            .with_context(|| block.place.clone())?;
        context.step(&format!("{} ended with {}\n{}\n{}", block.place, output.code, output.text(), output.complaint()))?;
        if !output.success() {
            bail!("{}: exit code {}\n{}\n{}\n{}", block.place, output.code, block.script, output.text(), output.complaint());
        }
    }
    Ok(())
}
