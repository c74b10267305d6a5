//! The roles of `hubd`: reads the environment and the command line once, sets up logging and the runtime, and waits a
//! little before it gives up, so that a mistake in the configuration does not fill the journal.

mod expel;
pub(crate) mod health;
mod installing;
mod journal;
mod serve;
mod sockets;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use hub_core::config::{self, Config};
use hub_core::paths::Paths;
use sd_notify::NotifyState;
use tokio::runtime::{Builder, Runtime};

use crate::certificates;

/// How long a hub that can't start says why before it ends and systemd starts it again.
const PAUSE_BEFORE_NEXT_TRY: Duration = Duration::from_secs(5);

/// Where systemd puts what `LoadCredential=` names.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// The configuration among them.
const CONFIG_CREDENTIAL: &str = "config.toml";

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
    /// Get and renew the certificate for https if it is time to, and end (hubd-certificates.service, with network and
    /// without anything else).
    Certificates {
        /// Die like in a power cut when so far; for tests.
        #[arg(long, hide = true)]
        die_at: Option<certificates::Moment>,
    },
    /// Do what was asked for about the Python environment, and end (hubd-environment.service, as root, without network).
    Environment,
    /// End everything that runs as an account (a unit of the launcher's, as root).
    #[command(hide = true)]
    Expel {
        /// The account's number.
        #[arg(value_parser = clap::value_parser!(u32).range(1000..))]
        uid: u32,
    },
    /// Show how the install goes, until it is done (hubd-installing.service, by the installer alone).
    #[command(hide = true)]
    Installing(installing::Arguments),
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
        Role::Certificates { die_at } => {
            journal::set_up(&wishes, "hubd-certificates");
            let credentials = variable(CREDENTIALS_VARIABLE).map(PathBuf::from);
            ("hubd certificates", get_certificates(&paths, credentials.as_deref(), die_at))
        }
        Role::Environment => {
            journal::set_up(&wishes, "hubd-environment");
            ("hubd environment", crate::environment::work::run(&paths))
        }
        Role::Expel { uid } => {
            journal::set_up(&wishes, "hubd-expel");
            ("hubd expel", expel::everything_of(uid))
        }
        Role::Installing(arguments) => {
            journal::set_up(&wishes, "hubd-installing");
            ("hubd installing", show_install(arguments))
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
    let sockets = sockets::inherit(names, &config, paths)?;
    runtime()?.block_on(serve::run(paths, config, sockets))
}

/// One thread: it mostly waits for systemd, and hands to others what blocks.
fn launcher(paths: Paths) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    runtime.context("starting the threads")?.block_on(crate::launcher::service::run(paths))
}

/// One thread, and never for longer than the unit allows. The configuration comes as a credential: the account may not
/// read the file itself.
fn get_certificates(paths: &Paths, credentials: Option<&Path>, die_at: Option<certificates::Moment>) -> Result<()> {
    let config = match credentials {
        Some(directory) => read_config_from(&directory.join(CONFIG_CREDENTIAL))?,
        None => read_config(paths)?,
    };
    let at = |moment| {
        if die_at == Some(moment) {
            let own = nix::unistd::Pid::this();
            if let Err(error) = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL) {
                tracing::error!(%error, "could not die");
            }
        }
    };
    let runtime = Builder::new_current_thread().enable_all().build().context("starting the threads")?;
    runtime.block_on(certificates::run(paths, &config, &at))
}

fn show_install(arguments: installing::Arguments) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().context("starting the threads")?;
    runtime.block_on(installing::run(arguments))
}

fn read_config(paths: &Paths) -> Result<Config> {
    read_config_from(&paths.config_file())
}

fn read_config_from(path: &Path) -> Result<Config> {
    Ok(config::read(path)?.config)
}

/// Few threads: the work is waiting. Each costs memory for good, and all of them together stay below the unit's
/// `TasksMax=`, which would otherwise end the process.
fn runtime() -> Result<Runtime> {
    let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).max_blocking_threads(MOST_BLOCKING_THREADS).enable_all();
    builder.build().context("starting the threads")
}
