//! Packages of the distribution, as the hub asks apt for them: names only, from the archives that the machine trusts already.
//! Pure; what is run lies in `hubd environment`.

mod name;
mod simulation;

pub use name::{PackageName, PackageNameError};
pub use simulation::{Simulation, Sizes, held_by, sizes};
