//! What the programs of the hub share: where things are, what the configuration says, who may be called what, how to
//! talk to systemd and to each other. Nothing here listens on a network.

#[macro_use]
mod judged;

pub mod accounts;
pub mod apt;
pub mod bundle;
pub mod config;
pub mod control;
pub mod distribution;
pub mod installing;
pub mod listener;
pub mod paths;
pub mod pyenv;
pub mod sandbox;
pub mod sudoers;
pub mod sys;
pub mod systemctl;
pub mod systemd;
pub mod text;
pub mod token;
pub mod units;
pub mod upgrade;
pub mod wire;
