//! What the installer is made of, apart from its command line; the machine tests use parts of it too.

pub mod machine;
