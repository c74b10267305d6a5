//! What only root's programs need of the operating system: systemd over D-Bus and by its commands, unix accounts and homes,
//! running programs, removing trees, locks.

pub mod accounts;
pub mod apt;
pub mod command;
pub mod config_change;
pub mod config_store;
pub mod digest;
pub mod distribution;
pub mod jobs;
pub mod lock;
pub mod sandbox;
pub mod scratch;
pub mod systemctl;
pub mod systemd;
pub mod transient;
pub mod tree;
pub mod upgrade;
