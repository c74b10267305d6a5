//! Which unix account is whose, and what becomes of its home.

mod candidate;
pub mod home;
pub mod homes;
pub mod logins;
pub mod shadow;
pub mod table;

pub use candidate::account_names;
