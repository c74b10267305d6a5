//! Something that was found out about a machine, and what to do about it.

/// Something that stands in the way, or is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What is the matter.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}
