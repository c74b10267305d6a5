//! What was done to put a configuration in force.

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Whether there is a hub that could follow.
    pub(super) is_running: bool,
    /// What happened, one sentence each.
    pub(super) done: Vec<String>,
    /// What whoever did it should know.
    pub(super) warnings: Vec<String>,
}
