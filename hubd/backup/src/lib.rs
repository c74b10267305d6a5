//! Backups: what of a hub can't be made again is put together, handed to restic in a unit with rights to little else, and
//! brought back onto this machine or another. Only programs of root use this.

mod apart;
pub mod create;
mod holes;
pub mod identity;
mod leave_out;
pub mod manifest;
pub mod numbers;
pub mod one_file;
pub mod place;
pub mod receive;
mod relocate;
pub mod repository;
pub mod restore;
mod run;
mod said;
pub mod switch;
mod unit;

pub use hub_core::backup::Problem;
pub use run::Restic;
pub use said::{Lost, Snapshot};
