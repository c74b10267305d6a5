//! What is wrong with a hub: one form, whoever found it out and wherever it is shown. `--json` prints it, so it is stable.

mod record;
mod status;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use record::Record;
pub use status::of_status;

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It will go wrong some day, or it is worth knowing.
    Warning,
    /// It goes wrong already.
    Problem,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The same for the same matter in every version, as in `disk-space`.
    pub id: Cow<'static, str>,
    /// Which of several, as in a path or the name of a unit; empty: there is only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter; a sentence without its period.
    pub what: String,
    /// Why it matters; a sentence without its period, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What to do about it; a sentence without its period, or empty where the command says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// What to type on the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Finding {
    /// Something that goes wrong already.
    pub fn problem(id: &'static str, what: impl Into<String>) -> Self {
        Self {
            id: Cow::Borrowed(id),
            about: String::new(),
            severity: Severity::Problem,
            what: what.into(),
            why: String::new(),
            remedy: String::new(),
            command: None,
        }
    }

    /// Something that will, or that is worth knowing.
    pub fn warning(id: &'static str, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::problem(id, what) }
    }

    /// Says which of several it is about.
    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    /// Says why it matters.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }

    /// Says what to type.
    #[must_use]
    pub fn command(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    /// Takes the remedy from a text that has it behind `hint: `.
    #[must_use]
    pub(crate) fn split_hint(self) -> Self {
        match self.what.split_once("\nhint: ") {
            Some((what, hint)) => Self { what: what.to_owned(), remedy: hint.to_owned(), ..self.clone() },
            None => self,
        }
    }

    /// Whether it goes wrong already.
    pub fn is_problem(&self) -> bool {
        self.severity == Severity::Problem
    }

    /// The same for the same matter, however it is worded today.
    pub fn key(&self) -> (&str, &str) {
        (&self.id, &self.about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_stable() {
        let finding = Finding::problem("disk-space", "the disk is full").about("/srv").command("sudo df -h /srv");
        let text =
            r#"{"id":"disk-space","about":"/srv","severity":"problem","what":"the disk is full","command":"sudo df -h /srv"}"#;
        assert_eq!(serde_json::to_string(&finding).unwrap(), text);
        assert_eq!(serde_json::from_str::<Finding>(text).unwrap(), finding);
        assert_eq!(finding.key(), ("disk-space", "/srv"));
    }

    #[test]
    fn a_hint_becomes_the_remedy() {
        let finding = Finding::warning("accounts", "it is open\nhint: close it").split_hint();
        assert_eq!((finding.what.as_str(), finding.remedy.as_str()), ("it is open", "close it"));
    }
}
