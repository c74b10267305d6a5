//! What a build is doing right now, and who is told.

use hub_core::packages::Download;

/// What a build is doing right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildEvent<'a> {
    /// A new part of the work, in words for people.
    Phase(&'a str),
    /// A line that a program printed meanwhile.
    Detail(&'a str),
    /// How far a download has got.
    Downloading(&'a Download),
}

/// Where events go.
pub type ProgressSink<'a> = &'a mut (dyn FnMut(BuildEvent<'_>) + Send);
