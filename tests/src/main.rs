//! The test program; see `cli` in the library.

fn main() -> std::process::ExitCode {
    match hub_tests::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
