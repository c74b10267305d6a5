//! Makes what stands for libpam while linking: its name and its functions' names, without a body. The machine's own library is what
//! is loaded. So a build needs no headers of PAM, and the same program fits every version of it.

use std::path::Path;
use std::{env, error, fs};

const STUB: &str = "src/libpam.c";

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo:rerun-if-changed={STUB}");
    let place = env::var("OUT_DIR")?;
    let library = Path::new(&place).join("libpam.so");
    let mut compiler = cc::Build::new().warnings(false).get_compiler().to_command();
    compiler.args(["-shared", "-fPIC", "-Wl,-soname,libpam.so.0", "-o"]).arg(&library).arg(STUB);
    let status = compiler.status()?;
    if !status.success() || fs::metadata(&library).is_err() {
        return Err(format!("{compiler:?} ended with {status}").into());
    }
    println!("cargo:rustc-link-search=native={place}");
    Ok(())
}
