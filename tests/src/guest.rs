//! What container machines and virtual machines have in common, so that a scenario can be told on both.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use hub_machine::{Machine, Output};

/// A booted Debian that takes programs and files.
pub trait Guest {
    /// Its host name.
    fn name(&self) -> &str;

    /// Runs a program of the guest as root to its end, whatever its exit code.
    ///
    /// # Errors
    /// When the guest does not run, or the program is not done within `timeout`.
    fn output(&self, arguments: &[&str], input: &[u8], timeout: Duration) -> Result<Output>;

    /// Copies a file to `target` in the guest, owned by root.
    ///
    /// # Errors
    /// When either can't be read or written.
    fn copy_in(&self, source: &Path, target: &str, mode: u32) -> Result<()>;

    /// Copies what is in a directory into `target` in the guest, modes kept, owned by root.
    ///
    /// # Errors
    /// When either can't be read or written.
    fn copy_tree_in(&self, source: &Path, target: &str) -> Result<()>;

    /// Copies the file `source` of the guest to `target`.
    ///
    /// # Errors
    /// When either can't be read or written.
    fn copy_out(&self, source: &str, target: &Path) -> Result<()>;

    /// Runs a POSIX shell script as root, which ends at the first command that does not succeed; returns its output.
    ///
    /// # Errors
    /// When it exits with anything but 0; the error carries what it said.
    fn script(&self, script: &str, timeout: Duration) -> Result<String> {
        Ok(self.output(&["/bin/sh", "-euc", script], b"", timeout)?.checked()?.text())
    }
}

impl Guest for Machine {
    fn name(&self) -> &str {
        Machine::name(self)
    }

    fn output(&self, arguments: &[&str], input: &[u8], timeout: Duration) -> Result<Output> {
        self.command(arguments.iter().copied()).input(input).timeout(timeout).output()
    }

    fn copy_in(&self, source: &Path, target: &str, mode: u32) -> Result<()> {
        Machine::copy_in(self, source, target, mode)
    }

    fn copy_tree_in(&self, source: &Path, target: &str) -> Result<()> {
        Machine::copy_tree_in(self, source, target)
    }

    fn copy_out(&self, source: &str, target: &Path) -> Result<()> {
        Machine::copy_out(self, source, target)
    }
}
