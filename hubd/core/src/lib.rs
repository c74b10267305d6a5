//! What every program of the hub shares: names and other values, the configuration, the protocols, where things are. Needs no
//! privilege, speaks to no bus and listens on no network; what faces the network links this and nothing below it.

#[macro_use]
mod validated_text;

pub mod accounts;
pub mod app_name;
pub mod backup;
pub mod config;
pub mod control;
pub mod generation;
pub mod health;
pub mod installing;
pub mod launcher;
pub mod listener;
pub mod outside;
pub mod packages;
pub mod pam;
pub mod password;
pub mod paths;
pub mod peers;
pub mod programs;
pub mod quantity;
pub mod refusal;
pub mod requester;
pub mod sys;
pub mod text;
pub mod token;
pub mod unit_name;
pub mod units;
pub mod upgrade;
pub mod wire;
