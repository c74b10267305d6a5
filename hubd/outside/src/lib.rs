//! What the hub asks of the world outside. `hubd-outside` is its only program, beside the one that gets certificates, with a way
//! out: it speaks to the providers of logins that root's configuration names, and to nobody else. It sees no database, no home
//! and no person's server, and answers only what a provider has signed or said over its own connection.

mod check;
mod discovery;
mod exchange;
mod person;
mod secrets;
mod service;
mod token;
mod web;

pub use service::run;
