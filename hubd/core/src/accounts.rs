//! Who may be called what, which unix account a number stands for, and where homes may be.

pub mod homes;
pub mod lookup;
mod name;

#[cfg(test)]
pub(crate) use name::MOST_DASHES;
pub use name::{NameError, Username};
