//! The few doors to the operating system: replacing files, running programs.

pub mod atomic;
pub mod command;
pub mod digest;
pub mod entrusted;
pub mod figures;
pub mod lock;
pub mod name_servers;
pub mod ports;
pub mod scratch;
pub mod tree;
