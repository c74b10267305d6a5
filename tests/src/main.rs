//! The machine tests.
fn main() {}
