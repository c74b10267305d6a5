//! The two roles of `hubd`: reads the environment and the command line once, sets up logging and the runtime, and waits a
//! little before it gives up, so that a mistake in the configuration does not fill the journal.

pub(crate) mod health;
mod journal;
mod serve;
mod sockets;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use hub_core::config::{self, Config};
use hub_core::paths::Paths;
use sd_notify::NotifyState;
use tokio::runtime::{Builder, Runtime};

/// How long a hub that can't start says why before it ends and systemd starts it again.
const PAUSE_BEFORE_NEXT_TRY: Duration = Duration::from_secs(5);

/// Programs that the launcher waits for at the same time (`useradd`, `journalctl`).
const BLOCKING_THREADS: usize = 8;

/// Passwords and database rows that `hubd serve` works on at the same time.
const MOST_BLOCKING_THREADS: usize = 128;

/// The hub's daemon; systemd starts it.
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
    /// Make accounts, start and stop servers when `hubd serve` asks for it (hubd-launcher.service, as root, without
    /// network).
    Launcher,
}

/// Runs the role that the command line names, until systemd ends it.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let variable = |name: &str| std::env::var(name).ok();
    let wishes = journal::Wishes { stream: variable("JOURNAL_STREAM"), filter: variable("HUBD_LOG") };
    let names = variable(sockets::NAMES_VARIABLE).unwrap_or_default();
    let is_supervised = variable("NOTIFY_SOCKET").is_some();
    let paths = Paths::under(arguments.root);
    let (identifier, result) = match arguments.role {
        Role::Serve => {
            journal::set_up(&wishes, "hubd");
            ("hubd serve", serve(&paths, &names))
        }
        Role::Launcher => {
            journal::set_up(&wishes, "hubd-launcher");
            ("hubd launcher", launcher(paths))
        }
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    tracing::error!("{identifier} ends: {error:#}");
    if is_supervised {
        health::tell_problem(&error);
        std::thread::sleep(PAUSE_BEFORE_NEXT_TRY);
        health::tell(&[NotifyState::Stopping]);
    }
    ExitCode::FAILURE
}

fn serve(paths: &Paths, names: &str) -> Result<()> {
    let config = read_config(paths)?;
    let sockets = sockets::inherit(names, &config)?;
    runtime()?.block_on(serve::run(paths, config, sockets))
}

/// One thread: it mostly waits for systemd, and hands to others what blocks.
fn launcher(paths: Paths) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    runtime.context("starting the threads")?.block_on(crate::launcher::service::run(paths))
}

fn read_config(paths: &Paths) -> Result<Config> {
    let path = paths.config_file();
    let source = fs_err::read_to_string(&path).context("reading the configuration")?;
    Ok(config::parse(&source, &path.display().to_string())?)
}

/// Few threads: the work is waiting. Each costs memory for good, and all of them together stay below the unit's
/// `TasksMax=`, which would otherwise end the process.
fn runtime() -> Result<Runtime> {
    let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).max_blocking_threads(MOST_BLOCKING_THREADS).enable_all();
    builder.build().context("starting the threads")
}
