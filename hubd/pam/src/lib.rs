//! Whether a name and a password belong together, by the machine's PAM. `hubd-pam` is the only program of the hub in which foreign C
//! code runs with root's rights; it is there for one attempt, without a network, and knows nothing of the hub but who is not to be
//! asked about.

mod ask;
mod attempts;
mod service;
mod standing;

pub use service::run;
