//! The few doors to the operating system that everybody may use: replacing files, and reading what is so.

pub mod atomic;
pub mod entrusted;
pub mod figures;
pub mod name_servers;
pub mod ports;
pub mod room;
