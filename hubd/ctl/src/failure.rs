//! Why hubctl could not do something, and how it ends: exit codes that a script can branch on.

use hub_core::control::{Failed, Told};
use hub_core::control::{Refusal, RefusalKind};

/// What stood in the way, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    /// What kind of thing it was.
    pub(super) cause: Cause,
    /// For people.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

/// What kind of thing stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The hub answered, and said no.
    Hub(RefusalKind),
    /// The hub did not answer.
    Unreachable,
    /// The caller may not do this here, or said no when asked.
    Refused,
    /// Somebody else is at it.
    Busy,
    /// What was given is wrong, or it was tried and did not work.
    Failed,
}

impl Failure {
    pub(super) fn new(cause: Cause, message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self { cause, message: message.into(), hint: hint.into() }
    }

    /// Nothing is wrong with the caller; it just did not work.
    pub(super) fn plain(message: impl Into<String>) -> Self {
        Self::new(Cause::Failed, message, None)
    }

    /// Asking once more for another name is pointless.
    pub(super) fn stops_everything(&self) -> bool {
        self.cause == Cause::Unreachable
    }

    pub(super) fn exit(&self) -> Exit {
        match self.cause {
            Cause::Hub(RefusalKind::NotAllowed) | Cause::Refused => Exit::Refused,
            Cause::Hub(RefusalKind::Busy) | Cause::Busy => Exit::Busy,
            Cause::Hub(_) | Cause::Unreachable | Cause::Failed => Exit::Failed,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(Refusal { kind, message, hint }: Refusal) -> Self {
        Self::new(Cause::Hub(kind), message, hint)
    }
}

/// How hubctl ends. 2 is also what the argument parser says of wrong usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// It did not work.
    Failed = 1,
    /// Something could not be looked at.
    Unknown = 2,
    /// The configuration is saved, and not in force.
    NotApplied = 3,
    /// The hub has too much to do, or somebody else is at it; again later.
    Busy = 4,
    /// The editor left everything as it was.
    Unchanged = 5,
    /// The configuration before is in force again.
    RolledBack = 6,
    /// The caller may not, or said no.
    Refused = 7,
}

impl Exit {
    /// The one with that number.
    pub(super) fn of(code: u8) -> Self {
        let all = [Self::Done, Self::NotApplied, Self::Busy, Self::Unchanged, Self::RolledBack, Self::Refused];
        all.into_iter().find(|exit| *exit as u8 == code).unwrap_or(Self::Failed)
    }
}

/// What to do about an error, if anybody on its way knew.
pub(super) fn hint_of(error: &anyhow::Error) -> Option<String> {
    error.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone())
}

/// The exit code of an error.
pub(super) fn exit_of(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Failure>().map_or(Exit::Failed, Failure::exit)
}

/// An error as `--json` prints it, with commands as `typed` spells them.
pub(super) fn told(error: &anyhow::Error, typed: impl Fn(&str) -> String) -> Failed {
    let (message, hint) = (typed(&format!("{error:#}")), hint_of(error).map(|hint| typed(&hint)));
    Failed { error: Told { message, hint } }
}
