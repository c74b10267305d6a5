//! How near the limits of Let's Encrypt are, by what this hub asked for itself. They are published at
//! <https://letsencrypt.org/docs/rate-limits/>; other authorities have their own, which nobody knows here. Pure.

use hub_tls::{Orders, Record, USUAL_DIRECTORY};
use jiff::{SignedDuration, Timestamp};

use super::judge::Finding;

/// So many at once, and one more after each `refill`.
struct Limit {
    most: i64,
    refill: SignedDuration,
}

/// Certificates for exactly the same names.
const SAME_NAMES: Limit = Limit { most: 5, refill: SignedDuration::from_hours(34) };
/// Names that could not be looked at.
const REFUSALS: Limit = Limit { most: 5, refill: SignedDuration::from_mins(12) };
/// Fewer left than this are worth a word.
const FEW: i64 = 3;

impl Limit {
    /// How many are left now, after some at `moments`; and when there is one again, if there is none.
    fn left(&self, moments: &[Timestamp], now: Timestamp) -> (i64, Option<Timestamp>) {
        let one = self.refill.as_secs();
        let full = one * self.most;
        let (mut credit, mut last) = (full, now);
        for moment in moments.iter().copied().filter(|moment| *moment <= now) {
            credit = (credit + moment.duration_since(last).as_secs().max(0)).min(full);
            credit = (credit - one).max(0);
            last = moment;
        }
        credit = (credit + now.duration_since(last).as_secs()).min(full);
        let next = (credit < one).then(|| now.checked_add(SignedDuration::from_secs(one - credit)).ok()).flatten();
        (credit / one, next)
    }
}

/// What stands in the way of asking `directory` for a certificate for `names` now.
pub(super) fn judge(directory: &str, names: &[String], orders: &Orders, record: Option<&Record>, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let told = record.filter(|record| record.failures > 0).and_then(|record| record.told_to_wait_until);
    if let Some(until) = told.filter(|until| *until > now) {
        let words = record.and_then(|record| record.problem.as_deref()).unwrap_or_default();
        findings.push(Finding::bad(
            format!("the authority does not want to be asked again before {until:.0}, in its own words: {words}"),
            "wait: the hub then asks again automatically",
        ));
    }
    if directory != USUAL_DIRECTORY {
        return findings;
    }
    for (limit, issued, what, done) in [
        (SAME_NAMES, true, "certificates for the same names in a week", "got"),
        (REFUSALS, false, "failed attempts for a name in an hour", "had"),
    ] {
        let moments = orders.moments(directory, names, issued);
        let (left, next) = limit.left(&moments, now);
        let so_far = format!("Let's Encrypt allows {} {what}, and this hub has {done} {} of late", limit.most, moments.len());
        match next {
            Some(next) => findings.push(Finding::bad(
                format!("{so_far}: the next try is allowed after {next:.0}"),
                "wait: the hub asks again automatically; to try things out there is the staging directory of Let's Encrypt",
            )),
            None if left < FEW => {
                findings.push(Finding::doubtful(format!("{so_far}: {left} left"), "don't ask for more without need"));
            }
            None => {}
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::judge::Weight;
    use super::*;

    fn moments(hours: &[i64]) -> Vec<Timestamp> {
        hours.iter().map(|hour| Timestamp::from_second(hour * 3600).unwrap()).collect()
    }

    #[test]
    fn counts_as_the_authority_does() {
        for (asked, now, left, next) in [
            (&[][..], 0, 5, None),
            (&[0], 0, 4, None),
            (&[0], 34, 5, None),
            (&[0, 1, 2, 3], 4, 1, None),
            // One comes back every 34 hours, from the first on.
            (&[0, 1, 2, 3, 4], 5, 0, Some(34)),
            (&[0, 1, 2, 3, 4], 34, 1, None),
            (&[0, 1, 2, 3, 4, 34], 35, 0, Some(68)),
        ] {
            let (found, moment) = SAME_NAMES.left(&moments(asked), moments(&[now])[0]);
            let hour = moment.map(|moment| moment.as_second() / 3600);
            assert_eq!((found, hour), (left, next), "{asked:?} at {now}");
        }
    }

    fn judged(directory: &str, issued: &[i64], refused: &[i64], now: i64) -> Vec<(Weight, String)> {
        let order = |hour: &i64, issued: bool| {
            let at = Timestamp::from_second(hour * 3600).unwrap();
            serde_json::json!({ "at": at, "directory": USUAL_DIRECTORY, "names": ["hub.example.org"], "issued": issued })
        };
        let all: Vec<_> =
            issued.iter().map(|hour| order(hour, true)).chain(refused.iter().map(|hour| order(hour, false))).collect();
        let orders = serde_json::from_value(serde_json::json!({ "version": 1, "orders": all })).unwrap();
        let names = ["hub.example.org".to_owned()];
        let findings = judge(directory, &names, &orders, None, moments(&[now])[0]);
        findings.into_iter().map(|finding| (finding.weight, finding.what)).collect()
    }

    #[test]
    fn says_when_the_next_try_is_allowed() {
        assert_eq!(judged(USUAL_DIRECTORY, &[0, 1], &[0, 0], 2), []);
        let found = judged(USUAL_DIRECTORY, &[0, 1, 2, 3, 4], &[], 5);
        let what = "Let's Encrypt allows 5 certificates for the same names in a week, and this hub has got 5 of late: the next try is allowed \
                    after 1970-01-02T10:00:00Z";
        assert_eq!(found, [(Weight::Bad, what.to_owned())]);
        assert_eq!(judged(USUAL_DIRECTORY, &[0, 1, 2], &[], 5)[0].0, Weight::Doubtful);
        let found = judged(USUAL_DIRECTORY, &[], &[0, 0, 0, 0, 0], 0);
        assert!(found[0].1.ends_with("had 5 of late: the next try is allowed after 1970-01-01T00:12:00Z"), "{found:?}");
        assert_eq!(judged(USUAL_DIRECTORY, &[], &[0, 0, 0, 0, 0], 1), []);
        // Nobody here knows the limits of others.
        assert_eq!(judged("https://ca.example/", &[0, 1, 2, 3, 4], &[], 5), []);
    }

    #[test]
    fn what_the_authority_itself_said_counts_for_all() {
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        let problem = "too many certificates (5) already issued for this exact set of identifiers (rateLimited)";
        let told: Record = serde_json::from_value(serde_json::json!({
            "version": 1, "settings": "", "attempted": "2026-01-01T00:00:00Z", "failures": 1, "problem": problem,
            "told_to_wait_until": "2026-01-02T00:00:00Z",
        }))
        .unwrap();
        let judged = |now: &str| judge("https://ca.example/", &[], &Orders::default(), Some(&told), moment(now));
        let expected =
            format!("the authority does not want to be asked again before 2026-01-02T00:00:00Z, in its own words: {problem}");
        assert_eq!(judged("2026-01-01T12:00:00Z")[0].what, expected);
        assert_eq!(judged("2026-01-02T12:00:00Z"), []);
    }
}
