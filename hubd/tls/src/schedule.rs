//! When to ask for a certificate: two thirds through the life of the one there is, and after a failure with more and more
//! patience. Pure.

use jiff::Timestamp;

use super::{Description, Record, Suggestion};

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, before this moment.
    Rest(Timestamp),
    /// Get a certificate, for this reason.
    Act(&'static str),
}

/// Decides. `present` is the certificate there is; `settings` says in one line all that a new one would depend on, and
/// `names` what it has to be for.
pub fn decide(
    now: Timestamp,
    present: Option<&Description>,
    names: &[String],
    settings: &str,
    record: Option<&Record>,
    suggestion: Option<&Suggestion>,
) -> Decision {
    let same = record.filter(|record| record.settings == settings);
    let reason = match present {
        None => "there is none",
        Some(_) if same.is_none() => "the configuration changed",
        Some(present) if !names.iter().all(|name| present.names.contains(name)) => "it has to be for other names",
        Some(present) if now >= renewal(present, None) => "two thirds of its time are over",
        Some(present) if now >= renewal(present, suggestion) => "the authority suggests it",
        Some(present) => return Decision::Rest(renewal(present, suggestion)),
    };
    match same.and_then(|record| record.not_before(now)) {
        Some(moment) => Decision::Rest(moment),
        None => Decision::Act(reason),
    }
}

/// When to get the next certificate: at two thirds of its life and up to a fiftieth later, or when the authority suggests it,
/// if that is earlier. The same for the same certificate, so that the hubs of the world do not all come at once.
pub fn renewal(present: &Description, suggestion: Option<&Suggestion>) -> Timestamp {
    let (from, until) = (present.not_before.as_second(), present.not_after.as_second());
    let life = (until - from).max(0);
    let seconds = from + life / 3 * 2 + share(life / 50, present);
    let own = Timestamp::from_second(seconds).unwrap_or(present.not_before);
    let window = suggestion.filter(|suggestion| suggestion.fingerprint == present.fingerprint).and_then(|known| known.window);
    let suggested = window.and_then(|(start, end)| {
        let (start, end) = (start.as_second(), end.as_second());
        Timestamp::from_second(start + share(end - start, present)).ok()
    });
    suggested.map_or(own, |suggested| suggested.min(own))
}

/// A part of so many seconds by the first byte of the fingerprint: as good as random, and the same after every restart.
fn share(seconds: i64, present: &Description) -> i64 {
    let byte = present.fingerprint.get(..2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0);
    i64::try_from(i128::from(seconds) * i128::from(byte) / 256).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn present(fingerprint: &str) -> Description {
        Description {
            names: vec!["hub.test".to_owned()],
            issuer: "CA".to_owned(),
            not_before: moment("2026-01-01T00:00:00Z"),
            not_after: moment("2026-04-01T00:00:00Z"),
            fingerprint: fingerprint.to_owned(),
        }
    }

    fn failed(settings: &str, failures: u32, attempted: &str) -> Record {
        Record { settings: settings.to_owned(), failures, attempted: moment(attempted), problem: None, ..Record::default() }
    }

    fn decide_for(now: &str, present: Option<&Description>, names: &[&str], record: &Record) -> Decision {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        decide(moment(now), present, &names, "settings", Some(record), None)
    }

    #[test]
    fn renews_after_two_thirds_of_the_life_and_a_little() {
        assert_eq!(renewal(&present("00:11"), None).to_string(), "2026-03-02T00:00:00Z");
        let latest = renewal(&present("FF:11"), None);
        assert!(latest > moment("2026-03-03T00:00:00Z") && latest < moment("2026-03-04T00:00:00Z"), "{latest}");
        let (good, record) = (present("00:11"), failed("settings", 0, "2026-01-01T00:00:00Z"));
        let rest = Decision::Rest(moment("2026-03-02T00:00:00Z"));
        assert_eq!(decide_for("2026-03-01T23:59:59Z", Some(&good), &["hub.test"], &record), rest);
        let due = Decision::Act("two thirds of its time are over");
        assert_eq!(decide_for("2026-03-02T00:00:00Z", Some(&good), &["hub.test"], &record), due);
        // A machine that was off for a year.
        assert_eq!(decide_for("2027-03-02T00:00:00Z", Some(&good), &["hub.test"], &record), due);
    }

    #[test]
    fn renews_when_the_authority_suggests_and_never_later_than_by_itself() {
        let own = moment("2026-03-02T00:00:00Z");
        let suggest = |fingerprint: &str, start: &str, end: &str| {
            let answer = ((moment(start), moment(end)), SignedDuration::from_hours(6));
            Suggestion::new(fingerprint, Some(answer), moment("2026-01-01T00:00:00Z"))
        };
        for (suggestion, expected) in [
            (suggest("00:11", "2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z"), moment("2026-02-01T00:00:00Z")),
            // It is about to be revoked.
            (suggest("00:11", "2025-12-31T00:00:00Z", "2026-01-01T00:00:00Z"), moment("2025-12-31T00:00:00Z")),
            (suggest("00:11", "2026-03-30T00:00:00Z", "2026-03-31T00:00:00Z"), own),
            (suggest("00:11", "9999-01-01T00:00:00Z", "9999-12-30T00:00:00Z"), own),
            // Backwards, or about another certificate.
            (suggest("00:11", "2026-02-03T00:00:00Z", "2026-02-01T00:00:00Z"), own),
            (suggest("00:22", "2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z"), own),
        ] {
            assert_eq!(renewal(&present("00:11"), Some(&suggestion)), expected, "{suggestion:?}");
        }
        let middle = renewal(&present("80:11"), Some(&suggest("80:11", "2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z")));
        assert_eq!(middle, moment("2026-02-02T00:00:00Z"));
        let (good, suggestion) = (present("80:11"), suggest("80:11", "2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z"));
        let record = failed("settings", 0, "2026-01-01T00:00:00Z");
        let decide_at =
            |now: &str| decide(moment(now), Some(&good), &["hub.test".to_owned()], "settings", Some(&record), Some(&suggestion));
        assert_eq!(decide_at("2026-02-01T23:59:59Z"), Decision::Rest(middle));
        assert_eq!(decide_at("2026-02-02T00:00:00Z"), Decision::Act("the authority suggests it"));
    }

    #[test]
    fn another_name_or_another_configuration_needs_another_certificate() {
        let (good, record) = (present("00:11"), failed("settings", 0, "2026-01-01T00:00:00Z"));
        let now = "2026-01-02T00:00:00Z";
        assert_eq!(decide_for(now, None, &["hub.test"], &record), Decision::Act("there is none"));
        let names = ["hub.test", "www.hub.test"];
        assert_eq!(decide_for(now, Some(&good), &names, &record), Decision::Act("it has to be for other names"));
        let other = failed("other settings", 5, now);
        assert_eq!(decide_for(now, Some(&good), &["hub.test"], &other), Decision::Act("the configuration changed"));
    }

    #[test]
    fn waits_longer_after_each_failure_and_not_for_ever() {
        for (failures, before, after) in [
            (1, "2026-01-01T00:19:59Z", "2026-01-01T00:20:00Z"),
            (2, "2026-01-01T00:59:59Z", "2026-01-01T01:00:00Z"),
            (6, "2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z"),
            (600, "2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z"),
        ] {
            let record = failed("settings", failures, "2026-01-01T00:00:00Z");
            assert_eq!(decide_for(before, None, &["hub.test"], &record), Decision::Rest(moment(after)), "{failures}");
            assert_eq!(decide_for(after, None, &["hub.test"], &record), Decision::Act("there is none"), "{failures}");
        }
    }

    #[test]
    fn an_attempt_in_the_future_was_made_by_a_wrong_clock() {
        let record = failed("settings", 3, "2036-01-01T00:00:00Z");
        assert_eq!(decide_for("2026-01-01T00:00:00Z", None, &["hub.test"], &record), Decision::Act("there is none"));
    }
}
