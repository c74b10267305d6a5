//! The installer.

fn main() -> std::process::ExitCode {
    installer::cli::main()
}
