//! `hubd-certificates`: one run, started by a timer and whenever the configuration changes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use hub_core::config;
use hub_core::paths::Paths;
use hubd_certificates::CrashPoint;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::runtime::Builder;

/// Where systemd puts what `LoadCredential=` names.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// The configuration among them.
const CONFIG_CREDENTIAL: &str = "config.toml";

/// Gets or renews the certificate for https if it is time to, and ends (hubd-certificates.service, with network and without
/// anything else).
#[derive(Parser)]
#[command(name = "hubd-certificates", version, about)]
struct Arguments {
    /// Die like in a power cut when so far; for tests.
    #[arg(long, hide = true)]
    die_at: Option<CrashPoint>,
    /// Look for all files below this directory instead of `/`.
    #[arg(long, hide = true, default_value = "/")]
    root: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    hub_daemon::run("hubd-certificates", || run(&arguments))
}

/// One thread, and never for longer than the unit allows. The configuration comes as a credential: the account may not
/// read the file itself.
fn run(arguments: &Arguments) -> Result<()> {
    let paths = Paths::under(&arguments.root);
    let file = match std::env::var_os(CREDENTIALS_VARIABLE) {
        Some(directory) => PathBuf::from(directory).join(CONFIG_CREDENTIAL),
        None => paths.config_file(),
    };
    let config = config::read(&file)?.config;
    let at = |moment| {
        if arguments.die_at == Some(moment)
            && let Err(error) = kill(Pid::this(), Signal::SIGKILL)
        {
            tracing::error!(%error, "could not die");
        }
    };
    let runtime = Builder::new_current_thread().enable_all().build().context("starting the threads")?;
    runtime.block_on(hubd_certificates::run(&paths, &config, &at))
}
