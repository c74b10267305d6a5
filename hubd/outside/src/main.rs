//! `hubd-outside`: started by systemd when somebody asks, ends when nobody has for a while.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Speaks to the providers of logins that the configuration names (hubd-outside.service, with network and without anything
/// else); systemd starts it.
#[derive(Parser)]
#[command(name = "hubd-outside", version, about)]
struct Arguments {
    /// Where systemd put the configuration and the secrets.
    #[arg(long, env = "CREDENTIALS_DIRECTORY", hide_env_values = true)]
    credentials: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    hub_daemon::run("hubd-outside", || hubd_outside::run(&arguments.credentials))
}
