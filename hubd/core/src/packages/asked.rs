//! Everything that administrators ask for in one environment.

use serde::{Deserialize, Serialize};

use super::{Conda, Requirement};

/// What is to be in an environment on top of what the hub needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Packages of the index.
    pub packages: Vec<Requirement>,
    /// What comes from conda's channels; `None`: nothing.
    pub conda: Option<Conda>,
}
