//! The shared Python environment as a transaction: who asks leaves a job, one process of root's does it, a record says
//! what came of it. Nothing here is running while nothing is asked for.
//!
//! [`requests`] takes questions (in the launcher, or in `hubctl` on the host) and needs no rights but to write the job;
//! [`worker`] is `hubd-environment`, run by `hubd-environment.service`.

mod apt;
mod journal;
pub mod requests;
mod settings;
mod store;
mod transaction;
pub mod worker;
