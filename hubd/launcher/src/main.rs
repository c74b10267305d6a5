//! `hubd-launcher`: the service, and what it starts in units of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use hub_core::paths::Paths;
use hubd_launcher::{expel, service};
use tokio::runtime::Builder;

/// Programs that are waited for at the same time (`useradd`, `journalctl`).
const BLOCKING_THREADS: usize = 8;

/// Makes accounts, starts and stops servers when the hub asks for it (hubd-launcher.service, as root, without network).
#[derive(Parser)]
#[command(name = "hubd-launcher", version, about)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    /// Look for all files below this directory instead of `/`.
    #[arg(long, global = true, hide = true, default_value = "/")]
    root: PathBuf,
}

#[derive(Subcommand)]
enum Task {
    /// End everything that runs as an account (a unit of the launcher's, as root).
    #[command(hide = true)]
    Expel {
        /// The account's number.
        #[arg(value_parser = clap::value_parser!(u32).range(1000..))]
        uid: u32,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.task {
        None => hub_daemon::run("hubd-launcher", || serve(Paths::under(arguments.root))),
        Some(Task::Expel { uid }) => hub_daemon::run("hubd-expel", || expel::everything_of(uid)),
    }
}

/// One thread: it mostly waits for systemd, and hands to others what blocks.
fn serve(paths: Paths) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    runtime.context("starting the threads")?.block_on(service::run(paths))
}
