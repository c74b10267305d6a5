//! The program of *My files*; the launcher starts it as the owner of the home.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use hub_core::accounts::Username;
use tokio::net::UnixListener;

/// Shows what is in a home, as a web page on a socket; the launcher starts it in a unit, as that account.
#[derive(Debug, Parser)]
#[command(name = "hubd-files", version, about)]
struct Arguments {
    /// Listen here.
    #[arg(long, value_name = "SOCKET")]
    socket: PathBuf,
    /// The home.
    #[arg(long, value_name = "DIRECTORY")]
    home: PathBuf,
    /// Whose it is.
    #[arg(long, value_name = "NAME")]
    user: Username,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting tokio")?;
    runtime.block_on(async {
        let listener =
            UnixListener::bind(&arguments.socket).with_context(|| format!("listening at `{}`", arguments.socket.display()))?;
        axum::serve(listener, hubd_files::router(arguments.home, arguments.user)).await.context("answering")
    })
}
