//! The keys of the configuration that may be changed inside the hub, for whoever has the role: shown, changed, taken back. A
//! change goes the way of `hubctl config set`, which judges it by root's file.

mod change;
mod field;
mod page;

pub(super) use change::submit;
pub(super) use field::{Field, Shape, label};
pub(super) use page::{limits, page};
