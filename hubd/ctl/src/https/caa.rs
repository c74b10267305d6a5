//! Who may sign for a name, as its owner says in the DNS (CAA: RFC 8659, with the parameters of RFC 8657). Pure.

use super::judge::Finding;

/// Properties that every authority knows.
const KNOWN: [&str; 5] = ["issue", "issuewild", "issuemail", "iodef", "contactemail"];
/// The ways in which an authority can look at this hub, as ACME calls them; the first is tried first.
const METHODS: [&str; 2] = ["http-01", "tls-alpn-01"];

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Whoever does not know the property must not sign.
    pub(super) is_critical: bool,
    pub(super) property: String,
    pub(super) value: String,
}

/// The records that count for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    /// Where they are: at the name itself or above it.
    pub(super) at: String,
    pub(super) records: Vec<Record>,
}

/// Who is to sign.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signer<'a> {
    /// What it is called in such records; empty: it does not say.
    pub(super) identities: &'a [String],
    /// Our account with it, if there is one.
    pub(super) account: Option<&'a str>,
}

/// Looks with `ask` at `name` and at each name above it until there are records.
///
/// # Errors
/// When one question got no answer; a sentence.
pub(super) fn policy(name: &str, ask: impl Fn(&str) -> Result<Vec<Record>, String>) -> Result<Option<Policy>, String> {
    let mut at = Some(name.trim_end_matches('.'));
    while let Some(here) = at.filter(|here| !here.is_empty()) {
        let records = ask(here)?;
        if !records.is_empty() {
            return Ok(Some(Policy { at: here.to_owned(), records }));
        }
        at = here.split_once('.').map(|(_, above)| above);
    }
    Ok(None)
}

/// Judges whether `signer` may sign for `name`.
pub(super) fn judge(name: &str, found: &Result<Option<Policy>, String>, signer: Signer<'_>) -> Finding {
    let policy = match found {
        Err(reason) => {
            let what = format!("who may sign for {name} (CAA) can't be looked up: {reason}");
            return Finding::doubtful(
                what,
                "an authority that gets no answer either refuses: ask whoever runs the domain's name servers",
            );
        }
        Ok(None) => return Finding::good(format!("the DNS lets any authority sign for {name} (no CAA records)")),
        Ok(Some(policy)) => policy,
    };
    let at = &policy.at;
    let unknown = |record: &&Record| record.is_critical && !KNOWN.iter().any(|known| record.property.eq_ignore_ascii_case(known));
    if let Some(record) = policy.records.iter().find(unknown) {
        let what = format!("{at} has a critical CAA record `{}`, which authorities don't know, so they refuse", record.property);
        return Finding::bad(what, "remove that record where you manage the domain");
    }
    let lines: Vec<Line<'_>> =
        policy.records.iter().filter(|record| record.property.eq_ignore_ascii_case("issue")).map(Line::parse).collect();
    if lines.is_empty() {
        return Finding::good(format!("the CAA records of {at} let any authority sign for {name}"));
    }
    let mut issuers: Vec<&str> = lines.iter().map(|line| line.issuer).filter(|issuer| !issuer.is_empty()).collect();
    issuers.dedup();
    let others = if issuers.is_empty() { "nobody".to_owned() } else { format!("only {}", issuers.join(", ")) };
    let goes_by = signer.identities.join(" or ");
    if signer.identities.is_empty() && !issuers.is_empty() {
        let what = format!(
            "the CAA records of {at} let {others} sign for {name}, and the authority does not say what it is called there"
        );
        return Finding::doubtful(what, "ask the authority for its name in CAA records");
    }
    let is_meant = |line: &&Line<'_>| signer.identities.iter().any(|identity| identity.eq_ignore_ascii_case(line.issuer));
    let meant: Vec<&Line<'_>> = lines.iter().filter(is_meant).collect();
    if meant.is_empty() {
        let remedy = match signer.identities.first() {
            Some(identity) => format!("where you manage the domain, add to {at}: CAA 0 issue \"{identity}\""),
            None => format!("where you manage the domain, take the CAA records of {at} out, or let this authority sign"),
        };
        let is_called = if goes_by.is_empty() { String::new() } else { format!("; the authority is called {goes_by}") };
        return Finding::bad(format!("the CAA records of {at} let {others} sign for {name}{is_called}"), remedy);
    }
    let findings = meant.into_iter().map(|line| line.judge(name, at, signer));
    findings.min_by_key(|finding| finding.weight).unwrap_or_else(|| Finding::good(String::new()))
}

/// What a record says: who, and under which conditions.
struct Line<'a> {
    issuer: &'a str,
    methods: Option<Vec<&'a str>>,
    account: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn parse(record: &'a Record) -> Self {
        let mut parts = record.value.split(';').map(str::trim);
        let issuer = parts.next().unwrap_or_default();
        let (mut methods, mut account) = (None, None);
        for (name, value) in parts.filter_map(|part| part.split_once('=')).map(|(name, value)| (name.trim(), value.trim())) {
            match name.to_ascii_lowercase().as_str() {
                "validationmethods" => methods = Some(value.split(',').map(str::trim).collect()),
                "accounturi" => account = Some(value),
                _ => {}
            }
        }
        Self { issuer, methods, account }
    }

    fn judge(&self, name: &str, at: &str, signer: Signer<'_>) -> Finding {
        let issuer = self.issuer;
        match (self.account, signer.account) {
            (Some(wanted), Some(ours)) if wanted != ours => {
                let what = format!(
                    "the CAA records of {at} let {issuer} sign for {name} only when account {wanted} asks; ours is {ours}"
                );
                return Finding::bad(what, format!("where you manage the domain, write accounturi={ours}"));
            }
            (Some(wanted), None) => {
                let what = format!("the CAA records of {at} let {issuer} sign for {name} only when account {wanted} asks");
                return Finding::doubtful(what, "the hub makes an account of its own at its first attempt; write that one there");
            }
            _ => {}
        }
        let good = Finding::good(format!("the CAA records of {at} let {issuer} sign for {name}"));
        let Some(methods) = &self.methods else { return good };
        let allows = |method: &str| methods.iter().any(|allowed| allowed.eq_ignore_ascii_case(method));
        let allowed = methods.join(", ");
        match METHODS.map(allows) {
            [true, _] => good,
            [false, true] => {
                let what = format!("the CAA records of {at} let {issuer} look at {name} only by {allowed} (port 443)");
                Finding::doubtful(what, "the first attempt, at port 80, will be refused; the next is at port 443")
            }
            [false, false] => {
                let what = format!("the CAA records of {at} let {issuer} look at {name} only by {allowed}, which the hub can't");
                Finding::bad(what, format!("where you manage the domain, write validationmethods={}", METHODS.join(",")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::Weight;
    use super::*;

    const OURS: &str = "https://ca.example/acct/7";

    fn record(property: &str, value: &str) -> Record {
        Record { is_critical: false, property: property.to_owned(), value: value.to_owned() }
    }

    fn judged(records: Vec<Record>, account: Option<&str>) -> (Weight, String) {
        let policy = Policy { at: "example.org".to_owned(), records };
        let identities = ["ca.example".to_owned()];
        let finding = judge("hub.example.org", &Ok(Some(policy)), Signer { identities: &identities, account });
        (finding.weight, finding.what)
    }

    #[test]
    fn the_nearest_name_with_records_counts() {
        let answers = |wanted: &'static str| {
            move |name: &str| Ok(if name == wanted { vec![record("issue", "ca.example")] } else { Vec::new() })
        };
        for (at, found) in [
            ("hub.example.org", Some("hub.example.org")),
            ("example.org", Some("example.org")),
            ("org", Some("org")),
            ("ample.org", None),
            ("", None),
        ] {
            let policy = policy("hub.example.org", answers(at)).unwrap();
            assert_eq!(policy.map(|policy| policy.at).as_deref(), found, "{at}");
        }
        let silent = |name: &str| if name == "example.org" { Err("SERVFAIL".to_owned()) } else { Ok(Vec::new()) };
        assert_eq!(policy("hub.example.org", silent), Err("SERVFAIL".to_owned()));
    }

    #[test]
    fn what_could_not_be_looked_up_forbids_nothing() {
        let finding = judge("hub.example.org", &Err("waited 10 s".to_owned()), Signer::default());
        assert_eq!(finding.weight, Weight::Doubtful);
        assert_eq!(finding.what, "who may sign for hub.example.org (CAA) can't be looked up: waited 10 s");
        assert_eq!(judge("hub.example.org", &Ok(None), Signer::default()).weight, Weight::Good);
    }

    #[test]
    fn says_whom_the_records_let_sign() {
        for (value, weight) in [
            ("ca.example", Weight::Good),
            (" CA.example ; unknown=1", Weight::Good),
            ("other.example", Weight::Bad),
            (";", Weight::Bad),
            ("", Weight::Bad),
            ("ca.example; validationmethods=http-01", Weight::Good),
            ("ca.example; validationmethods=dns-01,tls-alpn-01", Weight::Doubtful),
            ("ca.example; validationmethods=dns-01", Weight::Bad),
            ("ca.example; accounturi=https://ca.example/acct/7", Weight::Good),
            ("ca.example; accounturi=https://ca.example/acct/8", Weight::Bad),
        ] {
            let (found, what) = judged(vec![record("issue", value)], Some(OURS));
            assert_eq!(found, weight, "{value}: {what}");
        }
        let (_, what) = judged(vec![record("issue", "other.example")], None);
        assert_eq!(
            what,
            "the CAA records of example.org let only other.example sign for hub.example.org; the authority is called ca.example"
        );
        let (_, what) = judged(vec![record("issue", ";")], None);
        assert_eq!(
            what,
            "the CAA records of example.org let nobody sign for hub.example.org; the authority is called ca.example"
        );
        let (weight, _) = judged(vec![record("issue", "ca.example; accounturi=https://ca.example/acct/8")], None);
        assert_eq!(weight, Weight::Doubtful);
    }

    #[test]
    fn one_record_that_allows_it_is_enough() {
        let both = vec![record("issue", "ca.example; validationmethods=dns-01"), record("ISSUE", "ca.example")];
        assert_eq!(judged(both, None).0, Weight::Good);
        // Who may sign for stars, and whom to write to, says nothing about this name.
        assert_eq!(judged(vec![record("issuewild", ";"), record("iodef", "mailto:a@example.org")], None).0, Weight::Good);
        let critical = Record { is_critical: true, ..record("tbs", "unknown") };
        assert_eq!(judged(vec![record("issue", "ca.example"), critical], None).0, Weight::Bad);
    }

    #[test]
    fn an_authority_without_a_name_may_be_the_one_that_is_meant() {
        let judge_for = |value: &str| {
            let policy = Policy { at: "org".to_owned(), records: vec![record("issue", value)] };
            judge("hub.example.org", &Ok(Some(policy)), Signer::default()).weight
        };
        assert_eq!((judge_for("ca.example"), judge_for(";")), (Weight::Doubtful, Weight::Bad));
    }
}
