//! When an authority suggests to renew a certificate (ACME Renewal Information, RFC 9773), on disk: so that it can have
//! certificates replaced in time that it is about to revoke. Written by `hubd-certificates`, shown by the hub.

use std::path::Path;

use anyhow::{Context, Result, bail};
use hub_core::sys::atomic::{Access, replace};
use hub_core::sys::entrusted;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;
/// An authority may say how long not to ask again, within reason.
const ASK_AGAIN: [SignedDuration; 2] = [SignedDuration::from_hours(1), SignedDuration::from_hours(24)];
/// When there was no answer.
const ASK_AGAIN_UNANSWERED: SignedDuration = SignedDuration::from_hours(6);

/// What an authority suggests about one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    version: u32,
    /// The certificate.
    pub fingerprint: String,
    /// From when to when to renew it; `None`: it does not say.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Not to ask again before.
    pub ask_again: Timestamp,
}

impl Suggestion {
    /// What was answered at `now`, with how long not to ask again; or nothing of use was.
    pub fn new(fingerprint: &str, answer: Option<((Timestamp, Timestamp), SignedDuration)>, now: Timestamp) -> Self {
        let [shortest, longest] = ASK_AGAIN;
        let pause = answer.map_or(ASK_AGAIN_UNANSWERED, |(_, pause)| pause.clamp(shortest, longest));
        // One that ends before it begins means nothing.
        let window = answer.map(|(window, _)| window).filter(|(start, end)| start < end);
        let ask_again = now.checked_add(pause).unwrap_or(now);
        Self { version: VERSION, fingerprint: fingerprint.to_owned(), window, ask_again }
    }

    /// Reads what is there; `None` when there is nothing yet.
    ///
    /// # Errors
    /// When it can't be read or was written by a later version.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let reading = || format!("reading `{}`", path.display());
        let Some(text) = entrusted::text(path, super::LARGEST).with_context(reading)? else { return Ok(None) };
        let suggestion: Self = serde_json::from_str(&text).with_context(reading)?;
        if suggestion.version != VERSION {
            bail!("`{}` has version {}, expected {VERSION}", path.display(), suggestion.version);
        }
        Ok(Some(suggestion))
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the directory is not there or the disk is full.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("writing what the authority suggests")?;
        replace(path, &text, Access::mode(0o640))
    }

    /// Whether it is time to ask about the certificate with this fingerprint.
    pub fn is_stale(&self, fingerprint: &str, now: Timestamp) -> bool {
        // One from far in the future was written while the clock was wrong.
        let [_, longest] = ASK_AGAIN;
        self.fingerprint != fingerprint || now >= self.ask_again || self.ask_again.duration_since(now) > longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("suggestion.json");
        assert_eq!(Suggestion::load(&path).unwrap(), None);
        let window = (moment("2026-01-02T00:00:00Z"), moment("2026-01-03T00:00:00Z"));
        let suggestion = Suggestion::new("AA", Some((window, SignedDuration::from_hours(6))), moment("2026-01-01T00:00:00Z"));
        suggestion.save(&path).unwrap();
        assert_eq!(Suggestion::load(&path).unwrap(), Some(suggestion));
    }

    #[test]
    fn an_authority_decides_when_it_is_asked_within_reason() {
        let now = moment("2026-01-01T00:00:00Z");
        let window = (moment("2026-01-02T00:00:00Z"), moment("2026-01-03T00:00:00Z"));
        for (answer, again) in [
            (Some((window, SignedDuration::from_hours(6))), "2026-01-01T06:00:00Z"),
            (Some((window, SignedDuration::ZERO)), "2026-01-01T01:00:00Z"),
            (Some((window, SignedDuration::from_hours(9999))), "2026-01-02T00:00:00Z"),
            (None, "2026-01-01T06:00:00Z"),
        ] {
            let suggestion = Suggestion::new("AA", answer, now);
            assert_eq!(suggestion.ask_again, moment(again), "{answer:?}");
            assert!(!suggestion.is_stale("AA", now) && suggestion.is_stale("AA", moment(again)));
            assert!(suggestion.is_stale("BB", now) && suggestion.is_stale("AA", moment("2020-01-01T00:00:00Z")));
        }
        let backwards = Suggestion::new("AA", Some(((window.1, window.0), SignedDuration::ZERO)), now);
        assert_eq!(backwards.window, None);
    }
}
