//! What a build does just now, and who hears it.

use hub_core::packages::Download;

/// What a build does just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A new part of the work, in words for people.
    Phase(&'a str),
    /// What a program said meanwhile.
    Detail(&'a str),
    /// How far a download is.
    Downloading(&'a Download),
}

/// Who hears it.
pub type Listener<'a> = &'a mut (dyn FnMut(Said<'_>) + Send);
