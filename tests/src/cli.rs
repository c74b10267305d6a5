//! The command line of the test program; people call it through `tests/run` and `tests/machine`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::machine_command;

#[derive(Debug, Parser)]
#[command(name = "hub-tests", about = "Machine tests of hubd")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Throw-away machines to poke at
    Machine {
        #[command(subcommand)]
        verb: machine_command::Verb,
    },
}

/// Does what the command line asks for.
pub(crate) fn run() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Machine { verb } => machine_command::run(verb),
    }
}
