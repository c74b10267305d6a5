//! Boots machines, installs the hub in them and looks at it from outside.

mod address;
pub mod book;
pub mod browser;
pub mod cli;
pub mod context;
pub mod guest;
pub mod hub;
pub mod kernel;
pub mod lab;
pub mod login;
pub mod machine_command;
#[cfg(test)]
mod reference;
pub mod release;
pub mod run;
pub mod scenario;
pub mod snapshot;
pub mod vm;
pub mod wait;
