//! What faces the network, without any privilege: logs people in, shows pages, and forwards to their servers. It links nothing that
//! could speak to systemd, make accounts or ask the internet.

pub mod apps;
pub mod auth;
pub mod below;
pub mod control;
pub mod daemon;
pub mod front;
pub mod listen;
pub mod live;
pub mod proxy;
pub mod servers;
pub mod store;
pub mod usage;
pub mod web;
