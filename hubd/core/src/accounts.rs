//! Who may be called what, and which unix account is whose.

mod candidate;
pub mod home;
pub mod homes;
pub mod logins;
pub mod lookup;
mod name;
pub mod shadow;
pub mod table;

pub use candidate::account_names;
#[cfg(test)]
pub(crate) use name::MOST_DASHES;
pub use name::{NameError, Username};
