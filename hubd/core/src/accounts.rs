//! Who may be called what, and which unix account is whose.

mod name;

pub use name::{NameError, Username};
