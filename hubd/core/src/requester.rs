//! Who asks for a change of the configuration without being root.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::accounts::Username;

/// Who asks for a change without being root. By the hub's word only, so root's own file says whether they may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requester {
    /// Somebody inside the hub.
    Person(Username),
    /// An account of this machine.
    Operator(String),
}

impl Requester {
    /// What the history of the configuration says behind their names.
    pub const SUFFIXES: [&str; 2] = [", in the hub", ", an operator"];
}

/// As the history of the configuration names them.
impl fmt::Display for Requester {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [in_the_hub, an_operator] = Self::SUFFIXES;
        match self {
            Self::Person(name) => write!(formatter, "{name}{in_the_hub}"),
            Self::Operator(account) => write!(formatter, "{account}{an_operator}"),
        }
    }
}
