//! The command line of the test program; people call it through `tests/run` and `tests/machine`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{machine_command, run as run_command};

#[derive(Debug, Parser)]
#[command(name = "hub-tests", about = "Machine tests of hubd")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the tests
    Run(run_command::Arguments),
    /// Throw-away machines to poke at
    Machine {
        #[command(subcommand)]
        verb: machine_command::Verb,
    },
}

/// Does what the command line asks for.
pub fn run() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run(arguments) => run_command::run(&arguments),
        Command::Machine { verb } => machine_command::run(verb),
    }
}
