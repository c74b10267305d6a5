//! The daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    hubd::daemon::main()
}
