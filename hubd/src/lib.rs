//! The hub: `hubd serve` faces the network without any privilege, `hubd launcher` has privilege and no network, and
//! `hubctl` speaks to both.

pub mod launcher;
pub mod servers;
