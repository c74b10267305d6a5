//! What the installer asks of systemd, through its own program.

use std::net::SocketAddr;

use anyhow::Result;
use hub_core::paths::Paths;
use hub_system::command::Output;
use hub_system::systemctl::Systemctl;

pub use hub_system::systemctl::UnitStatus;

/// systemd's own tool.
pub const SYSTEMCTL: &str = "/usr/bin/systemctl";

fn here() -> Systemctl {
    Systemctl::new(&Paths::default())
}

/// As [`Systemctl::job`] of this machine.
///
/// # Errors
/// When it says no, with what it said.
pub fn job<T: Into<String>>(arguments: impl IntoIterator<Item = T>) -> Result<()> {
    here().job(arguments)
}

/// As [`Systemctl::ask`] of this machine.
///
/// # Errors
/// When it can't be run or gives no answer in time.
pub fn ask<T: Into<String>>(arguments: impl IntoIterator<Item = T>) -> Result<Output> {
    here().ask(arguments)
}

/// As [`Systemctl::status`] of this machine.
///
/// # Errors
/// When systemd does not answer.
pub fn status(unit: &str) -> Result<UnitStatus> {
    here().status(unit)
}

/// The names of loaded units that match a pattern.
///
/// # Errors
/// When systemd does not answer.
pub fn list(pattern: &str) -> Result<Vec<String>> {
    let output = ask(["list-units", "--all", "--plain", "--no-legend", "--full", pattern])?;
    Ok(output.stdout.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// What the unit said last, for an error message.
pub fn last_words(unit: &str) -> String {
    here().last_words(unit)
}

/// Where the hub's own socket listens now.
pub(crate) fn listening_addresses(paths: &Paths) -> Vec<SocketAddr> {
    if !paths.units().join("hubd.socket").exists() {
        return Vec::new();
    }
    match ask(["show", "--property=Listen", "--value", "hubd.socket"]) {
        Ok(output) => parse_listen(&output.stdout),
        Err(error) => {
            tracing::debug!(error = format!("{error:#}"), "asking where hubd.socket listens");
            Vec::new()
        }
    }
}

/// `[::]:80 (Stream)`, one to a line.
fn parse_listen(text: &str) -> Vec<SocketAddr> {
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// Makes systemd read the unit files again.
///
/// # Errors
/// When it can't.
pub fn reload() -> Result<()> {
    here().reload()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_a_socket_unit_listens() {
        let text = "[::]:80 (Stream)\n127.0.0.1:8000 (Stream)\n/run/hubd/control.sock (Stream)\n";
        assert_eq!(parse_listen(text), ["[::]:80".parse().unwrap(), "127.0.0.1:8000".parse().unwrap()]);
    }
}
