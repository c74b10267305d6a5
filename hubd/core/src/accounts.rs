//! Who may be called what, and which unix account is whose.

mod name;

#[cfg(test)]
pub(crate) use name::MOST_DASHES;
pub use name::{NameError, Username};
