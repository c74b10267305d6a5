//! R from the distribution: an administrator asks for its kernel, and a server that runs has it, with a library of one's own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::Hub;
use crate::kernel;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "r",
    about: "hubctl env apt install r-cran-irkernel: a cell of R in a server that was running, and packages of one's own",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

const STUDENT: &str = "bob";
const DEADLINE: Duration = Duration::from_secs(600);
/// The smallest package there is, and its installation as from a notebook.
const OWN: &str = "
dir.create('greeting/R', recursive = TRUE)
writeLines(c('Package: greeting', 'Version: 1.0', 'Title: T', 'Description: D.', 'License: GPL-3', 'Author: A',
    'Maintainer: A <a@example.org>'), 'greeting/DESCRIPTION')
writeLines('export(hello)', 'greeting/NAMESPACE')
writeLines('hello <- function() 6 * 7', 'greeting/R/hello.R')
install.packages('greeting', repos = NULL, type = 'source', quiet = TRUE)
cat(greeting::hello(), find.package('greeting'))";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&[STUDENT.to_owned()])?;
    hub.hubctl(&["server", "start", STUDENT])?;
    let begun = hub.sh("systemctl show --property=MainPID --value hubd-user-bob.service")?;

    let command = ["/usr/local/bin/hubctl", "--json", "env", "apt", "install", "--yes", "r-cran-irkernel"];
    let output = hub.command(command).timeout(DEADLINE).output()?;
    let record: Value = serde_json::from_str(&output.text()).with_context(|| output.complaint())?;
    ensure!(record["state"] == "done", "installed: {record}");
    let (changes, plan) = (record["changes"].as_array().map_or(0, Vec::len), &record["apt"]);
    context.step(&format!(
        "R and its kernel: {changes} packages in {} s, {} bytes to download, {} on the disk",
        record["seconds"], plan["download_bytes"], plan["disk_bytes"]
    ))?;

    ensure!(cell(&hub, "cat(1 + 1)")? == "2", "a cell of R: {}", cell(&hub, "cat(1 + 1)")?);
    let home = "/home/hubd/jupyter-bob/R/";
    let library = cell(&hub, "cat(.libPaths()[1])")?;
    ensure!(library.starts_with(home), "her own library: {library}");
    let own = cell(&hub, OWN)?;
    ensure!(own.ends_with("/greeting") && own.contains(&format!("42 {home}")), "a package of her own: {own}");
    ensure!(cell(&hub, "cat(getOption('repos'))")?.starts_with("https://"), "no archive to install packages from");
    let now = hub.sh("systemctl show --property=MainPID --value hubd-user-bob.service")?;
    ensure!(now == begun, "the server is another one");
    context.step(&format!("a server that was running answers a cell of R; a package of her own is in {library}"))
}

/// What a cell in a new kernel of R prints, or the error it ends with.
fn cell(hub: &Hub, code: &str) -> Result<String> {
    let ran = kernel::run_as(&***hub, STUDENT, "ir", code)?;
    Ok(ran.error.unwrap_or_else(|| ran.printed.trim().to_owned()))
}
