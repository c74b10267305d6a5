//! Why something was not done: the one shape in which programs of the hub tell each other so.

use serde::{Deserialize, Serialize};

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of thing stood in the way.
    pub kind: RefusalKind,
    /// Why, for people: the whole chain of causes, without a hint.
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    pub hint: Option<String>,
}

/// What kind of thing stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The caller may not ask this.
    NotAllowed,
    /// Nobody of that name is enrolled.
    NotEnrolled,
    /// What was asked can't be right: a password that is too short, a request of another version.
    Invalid,
    /// There is too much to do just now; asking again later may help.
    Busy,
    /// The person has no unix account.
    NoAccount,
    /// The environment that servers need is missing or unfinished.
    NoEnvironment,
    /// The environment is being built for the machine's new Python; asking again helps.
    Rebuilding,
    /// systemd could not start or stop the unit.
    Unit,
    /// It was tried, and did not work.
    #[serde(alias = "internal")]
    Failed,
}

impl Refusal {
    /// Without a hint.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// From a text as errors have it, which may end with a line that begins with `hint: `.
    pub fn from_text(kind: RefusalKind, text: &str) -> Self {
        match text.split_once("\nhint: ") {
            Some((message, hint)) => Self::new(kind, message).hint(hint),
            None => Self::new(kind, text),
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As a text with the hint in a line of its own; the reverse of [`Refusal::from_text`].
    pub fn text(&self) -> String {
        self.hint.as_ref().map_or_else(|| self.message.clone(), |hint| format!("{}\nhint: {hint}", self.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_travels_beside_the_message() {
        let refusal = Refusal::from_text(RefusalKind::Failed, "no room: disk full\nhint: make room");
        assert_eq!((refusal.message.as_str(), refusal.hint.as_deref()), ("no room: disk full", Some("make room")));
        assert_eq!(refusal.text(), "no room: disk full\nhint: make room");
        assert_eq!(Refusal::from_text(RefusalKind::Busy, "later").text(), "later");
    }

    #[test]
    fn what_the_version_before_said_is_still_understood() {
        let refusal: Refusal = serde_json::from_str(r#"{"kind":"internal","message":"no"}"#).unwrap();
        assert_eq!(refusal, Refusal::new(RefusalKind::Failed, "no"));
    }
}
