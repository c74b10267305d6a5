//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use hub_core::accounts::Username;

use crate::options;
use crate::progress::Loudness;
use crate::receipt::State;
use crate::trial;
use crate::verify::Probe;

/// Installs hubd: a classroom on one machine, a browser login and a JupyterLab for every student.
#[derive(Debug, Parser)]
#[command(name = "hub-installer", version, disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Output {
    /// Print one JSON object at the end
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Say only what went wrong
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say what is looked at, too
    #[arg(long, short, global = true)]
    verbose: bool,
}

impl Output {
    pub(super) fn loudness(&self) -> Loudness {
        match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (_, true) => Loudness::Verbose,
            _ => Loudness::Normal,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what an install would do, and what stands in its way; change nothing
    Plan(InstallArguments),
    /// Install the hub; continue an install that was cut short; upgrade
    Install(InstallArguments),
    /// Prove that the hub works: start a throw-away server, and see limits hold
    Verify,
    /// Remove the hub; homes, logins and configuration stay, for root alone
    Uninstall(UninstallArguments),
    /// Show what is installed and how it is
    Status,
    /// Show the hub in a throw-away Debian on this machine, installed for real
    Try(TryArguments),
    /// Take more than a limit would allow (used by `verify`)
    #[command(hide = true)]
    ProbeLimit { probe: Probe },
}

impl Command {
    pub(super) fn hint_after_failure(&self) -> Option<&'static str> {
        match self {
            Self::Install(_) => {
                Some("what was done stays; run the same command again to continue. The log: /var/log/hubd-install.log")
            }
            Self::Uninstall(_) => Some("run the same command again to continue. The log: /var/log/hubd-install.log"),
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct InstallArguments {
    /// Somebody who manages the hub; may be given several times. HUBD_ADMIN_PASSWORD in the environment becomes the
    /// first one's password; without it a one-time link is printed
    #[arg(long = "admin", value_name = "NAME", value_parser = options::parse_admin)]
    pub(super) admins: Vec<Username>,
    /// Where the hub listens, as in 127.0.0.1:8000 [default: every address, port 80]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = options::parse_listen)]
    pub(super) listen: Option<SocketAddr>,
    /// The hub's address as people type it, as in https://hub.example.org [default: guessed]
    #[arg(long)]
    pub(super) url: Option<String>,
    /// Ask no question
    #[arg(long)]
    pub(super) yes: bool,
    /// The directory with hubd, hubctl and hub-installer [default: where this program lies]
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
    /// For tests of the installer: die like in a power cut when STEP was begun or done
    #[arg(long, value_name = "STEP=started|done", value_parser = parse_death, hide = true)]
    pub(super) die_at: Option<(String, State)>,
}

impl InstallArguments {
    pub(super) fn programs(&self) -> Result<PathBuf> {
        programs(self.programs.as_ref())
    }
}

#[derive(Debug, Args)]
pub(super) struct UninstallArguments {
    /// Delete homes, logins, class folder and configuration too
    #[arg(long)]
    pub(super) purge: bool,
    /// Ask no question
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct TryArguments {
    /// End the trial and remove its machine
    #[arg(long)]
    pub(super) stop: bool,
    /// The port of 127.0.0.1 the hub listens on [default: 8000, or the next that is free]
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// The name of the throw-away machine, for more than one trial at a time
    #[arg(long, value_name = "NAME", default_value = trial::MACHINE, hide = true)]
    pub(super) machine: String,
    /// The directory with hubd, hubctl and hub-installer [default: where this program lies]
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) programs: Option<PathBuf>,
}

/// The directory with the programs to install.
pub(super) fn programs(given: Option<&PathBuf>) -> Result<PathBuf> {
    if let Some(directory) = given {
        return directory.canonicalize().with_context(|| format!("looking for programs in `{}`", directory.display()));
    }
    let own = std::env::current_exe().context("looking for this program's own place")?;
    own.parent().map(std::path::Path::to_owned).context("looking for the directory of this program")
}

fn parse_death(text: &str) -> Result<(String, State), String> {
    match text.rsplit_once('=') {
        Some((step, "started")) => Ok((step.to_owned(), State::Started)),
        Some((step, "done")) => Ok((step.to_owned(), State::Done)),
        _ => Err("expected STEP=started or STEP=done".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn several_admins_may_be_named() {
        let line = ["hub-installer", "install", "--admin", "ada", "--admin", "bob", "--listen", "8000", "--json"];
        let arguments = Arguments::try_parse_from(line).unwrap();
        assert!(arguments.output.json);
        let Command::Install(install) = arguments.command else { panic!() };
        assert_eq!(install.admins.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
        assert_eq!(install.listen, Some("[::]:8000".parse().unwrap()));
    }

    #[test]
    fn a_name_nobody_can_have_is_refused_at_once() {
        let error = Arguments::try_parse_from(["hub-installer", "install", "--admin", "Ada"]).unwrap_err().to_string();
        assert!(error.contains("'A'"), "{error}");
    }
}
