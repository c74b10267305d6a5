//! Packages of the distribution, as the hub asks apt for them: names only, from the archives that the machine trusts already.
//! What is run, and as whom, is the business of `hubd-environment` and the installer.

mod simulation;

pub use simulation::{Simulation, Sizes, held_by, sizes};
