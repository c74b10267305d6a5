//! The only code that speaks D-Bus: a handful of systemd's methods, with typed properties and a deadline each.
//!
//! What is asked of systemd is plain data ([`TransientUnit`]); what comes back is too ([`UnitStatus`]).

mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod link;
mod manager;
mod property;
mod proxy;
mod status;
mod unit;

pub use error::UnitError;
pub use manager::Manager;
pub use property::{Bind, Property, PropertyError, Value};
pub use status::{Ended, UnitStatus};
pub use unit::TransientUnit;
