//! `hubd-pam`: systemd starts one for each attempt to log in by PAM, with the connection as its standard input.

use std::process::ExitCode;

use clap::Parser;

/// Asks the machine's PAM whether a name and a password belong together, once, and ends (hubd-pam@.service). systemd starts it for
/// each attempt that the hub makes.
#[derive(Parser)]
#[command(name = "hubd-pam", version, about)]
struct Arguments {}

fn main() -> ExitCode {
    Arguments::parse();
    hub_daemon::run("hubd-pam", hubd_pam::run)
}
