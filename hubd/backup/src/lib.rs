//! Backups: what of a hub can't be made again is put together, handed to restic in a unit with rights to little else, and
//! brought back onto this machine or another. Only programs of root use this.

pub mod create;
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
mod unit;

pub use hub_core::backup::Problem;
pub use run::Restic;
