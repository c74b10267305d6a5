//! Certificates for https as they lie on disk: what they say, whether they are good, how getting them went and when they are
//! due. Written by `hubd-certificates` and by administrators, read by everybody; asks nobody.

mod account;
mod addresses;
pub mod description;
mod names;
mod orders;
pub mod own;
mod record;
mod schedule;
mod suggestion;

pub use account::{ACCOUNT, USUAL_DIRECTORY, account_at};
pub use addresses::own_addresses;
pub use description::Description;
pub use names::{is_server_name, is_token};
pub use orders::{Asked, Orders};
pub use record::Record;
pub use schedule::{Decision, decide, renewal};
pub use suggestion::Suggestion;

/// No file that is kept here, nor a certificate with its chain, is larger, in bytes.
pub const LARGEST: u64 = 1 << 20;
/// The token of the challenge with which the hub asks itself whether it can be reached; no authority makes one like it.
pub const CHECK_TOKEN: &str = "hubd-check";
