//! Gets and renews certificates for https, from an authority that speaks ACME or from one of the hub's own. It never meets
//! `hubd serve` but through files ([`hub_tls`]): the certificate, and answers to what an authority asks.

mod acme;
mod answers;
mod client;
mod lan;
mod run;
mod store;

pub use acme::CrashPoint;
pub use run::run;
