//! The command line; see `hubd::ctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hubd::ctl::main()
}
