//! The hub: `hubd serve` faces the network without any privilege, `hubd launcher` has privilege and no network, and
//! `hubctl` speaks to both.

pub mod auth;
pub mod below;
pub mod certificates;
pub mod control;
pub mod ctl;
pub mod daemon;
mod environment;
pub mod front;
pub mod launcher;
pub mod listen;
pub mod live;
mod peers;
pub mod proxy;
mod roster;
pub mod servers;
pub mod store;
pub mod web;
