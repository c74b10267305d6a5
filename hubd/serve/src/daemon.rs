//! The roles of `hubd`: reads the environment and the command line once, and sets up the runtime.

mod installing;
mod moved;
mod serve;
mod sockets;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use hub_core::config;
use hub_core::paths::Paths;
use tokio::runtime::{Builder, Runtime};

/// Passwords and database rows that `hubd serve` works on at the same time.
const MOST_BLOCKING_THREADS: usize = 128;

/// What of the hub faces the network; systemd starts it.
#[derive(Parser)]
#[command(name = "hubd", version, about)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
    /// Look for all files below this directory instead of `/`.
    #[arg(long, global = true, hide = true, default_value = "/")]
    root: PathBuf,
}

#[derive(Subcommand)]
enum Role {
    /// Log people in, show pages, and forward to their servers (hubd.service, without any privilege).
    Serve,
    /// Show how the install goes, until it is done (hubd-installing.service, by the installer alone).
    #[command(hide = true)]
    Installing(installing::Arguments),
}

/// Runs the role that the command line names, until systemd ends it.
pub fn main() -> ExitCode {
    if let Some(error) = moved::become_successor(std::env::args_os().skip(1)) {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    let arguments = Arguments::parse();
    let names = std::env::var(sockets::NAMES_VARIABLE).unwrap_or_default();
    match arguments.role {
        Role::Serve => hub_daemon::run("hubd", || serve(&Paths::under(arguments.root), &names)),
        Role::Installing(arguments) => hub_daemon::run("hubd-installing", || show_install(arguments)),
    }
}

fn serve(paths: &Paths, names: &str) -> Result<()> {
    let config = config::read(&paths.config_file())?.config;
    let sockets = sockets::inherit(names, &config, paths)?;
    runtime()?.block_on(serve::run(paths, config, sockets))
}

fn show_install(arguments: installing::Arguments) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().context("starting the threads")?;
    runtime.block_on(installing::run(arguments))
}

/// Few threads: the work is waiting. Each costs memory for good, and all of them together stay below the unit's
/// `TasksMax=`, which would otherwise end the process.
fn runtime() -> Result<Runtime> {
    let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).max_blocking_threads(MOST_BLOCKING_THREADS).enable_all();
    builder.build().context("starting the threads")
}
