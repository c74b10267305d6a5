//! Certificates for https: `hubd certificates` gets and renews them, from an authority that speaks ACME or from one of the
//! hub's own. It never meets `hubd serve` but through files: the certificate, and answers to what an authority asks.

mod acme;
mod answers;
mod client;
pub mod description;
mod lan;
mod orders;
pub mod own;
mod record;
mod run;
mod schedule;
mod store;
mod suggestion;

pub use acme::{USUAL_DIRECTORY, account_at};
pub use answers::{is_server_name, is_token};
pub use description::Description;
pub use lan::own_addresses;
pub use orders::Orders;
pub use record::Record;
pub use run::{Moment, run};
pub use schedule::renewal;
pub use suggestion::Suggestion;

/// No file that is kept here, nor a certificate with its chain, is larger, in bytes.
pub const LARGEST: u64 = 1 << 20;
