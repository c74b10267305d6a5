//! Why something was not done.

use serde::{Deserialize, Serialize};

/// Why the hub did not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The caller may not ask this.
    NotAllowed,
    /// Nobody of that name is enrolled.
    NotEnrolled,
    /// What was asked can't be right: a password that is too short, a request of another version.
    Invalid,
    /// The hub has too much to do just now; asking again later may help.
    Busy,
    /// It was tried, and did not work.
    Failed,
}
