//! Boots machines, installs the hub in them and looks at it from outside.

mod cli;
mod machine_command;

fn main() -> std::process::ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
