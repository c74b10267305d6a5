//! The shared Python environment as a transaction: who asks leaves a job, one process of root's does it, a record says
//! what came of it. Nothing here is running while nothing is asked for.
//!
//! [`desk`] takes questions (in the launcher, or in `hubctl` on the host) and needs no rights but to write the job;
//! [`work`] is `hubd environment`, run by `hubd-environment.service`.

mod apt;
mod archive;
pub(crate) mod desk;
mod settings;
mod transaction;
pub(crate) mod work;
