//! `hubd-environment`: does the job that was left, and ends.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hub_core::paths::Paths;
use hub_environment::jobs::worker;

/// Does what was asked for about the packages that everybody has, and ends (hubd-environment.service, as root, without network).
#[derive(Parser)]
#[command(name = "hubd-environment", version, about)]
struct Arguments {
    /// Look for all files below this directory instead of `/`.
    #[arg(long, hide = true, default_value = "/")]
    root: PathBuf,
}

fn main() -> ExitCode {
    let paths = Paths::under(Arguments::parse().root);
    hub_daemon::run("hubd-environment", || worker::run(&paths))
}
