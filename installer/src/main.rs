//! The installer.
fn main() {}
