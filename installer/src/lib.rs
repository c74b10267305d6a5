//! What the installer is made of, apart from its `main`; the machine tests use parts of it too.

pub mod action;
pub mod apply;
pub mod assets;
pub mod behind;
pub mod cli;
pub mod facts;
pub mod fetch;
pub mod files;
pub mod install;
pub mod leftovers;
pub mod machine;
pub mod network;
pub mod options;
mod page;
pub mod plan;
pub mod preflight;
pub mod progress;
pub mod receipt;
pub mod report;
pub mod settings;
pub mod status;
pub mod systemctl;
pub mod trial;
pub mod undo;
pub mod uninstall;
pub mod upgrade;
pub mod verify;
