//! What stands in the way of https, told from what was found on the machine and in the network. Pure.

use std::net::{IpAddr, SocketAddr};

use hub_core::sys::ports::Listener;
use hub_tls::Description;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::authority::Offer;

/// Certificates and authorities are strict about time; a network that answers late is not a wrong clock.
const LARGEST_CLOCK_ERROR: SignedDuration = SignedDuration::from_mins(3);

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Weight {
    /// As it should be.
    Good,
    /// Perhaps fine.
    Doubtful,
    /// Https will not work like this.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) weight: Weight,
    /// What was found.
    pub(super) what: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn good(what: impl Into<String>) -> Self {
        Self { weight: Weight::Good, what: what.into(), remedy: None }
    }

    pub(super) fn doubtful(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { weight: Weight::Doubtful, what: what.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn bad(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { weight: Weight::Bad, what: what.into(), remedy: Some(remedy.into()) }
    }
}

/// Who answers at an address, port 80.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// This hub.
    Us,
    /// Something else, with what it calls itself.
    Other(Option<String>),
    /// Nobody; the connection was refused.
    Refused,
    /// Nobody; for this reason.
    Silent(String),
}

/// What was found out about one name.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) name: String,
    /// Where it leads, and who is there.
    pub(super) leads_to: Result<Vec<(IpAddr, Answer)>, String>,
}

/// Judges one name. `own` are the addresses of this machine.
pub(super) fn name(found: &Name, own: &[IpAddr]) -> Vec<Finding> {
    let name = &found.name;
    let addresses = match &found.leads_to {
        Err(reason) => {
            return vec![Finding::bad(
                format!("{name} does not resolve: {reason}"),
                format!(
                    "where you manage the domain, add an A record (IPv4) for {name} with this machine's public address; \
                         it can take an hour until everybody sees it"
                ),
            )];
        }
        Ok(addresses) => addresses,
    };
    addresses
        .iter()
        .map(|(address, answer)| {
            let whose =
                if own.contains(address) { "an address of this machine" } else { "not an address of this machine itself" };
            let kind = if address.is_ipv6() { "AAAA" } else { "A" };
            match answer {
                Answer::Us => Finding::good(format!("{name} leads to {address}, and this hub answers there on port 80")),
                Answer::Other(server) => {
                    let server = server.as_ref().map_or_else(String::new, |server| format!(" (it calls itself {server:?})"));
                    let remedy = if own.contains(address) {
                        "another program of this machine has port 80: see below, or sudo ss -ltnp".to_owned()
                    } else {
                        format!("correct the {kind} record of {name}, or take it out if this machine has no such address")
                    };
                    Finding::bad(format!("{name} leads to {address}, {whose}, and something else answers there{server}"), remedy)
                }
                Answer::Refused => Finding::bad(
                    format!("{name} leads to {address}, {whose}, and port 80 is closed there"),
                    "let the hub listen on port 80 ([http] listen), or correct where the name leads",
                ),
                Answer::Silent(reason) if own.contains(address) => Finding::bad(
                    format!("{name} leads to {address}, {whose}, and nobody answers on port 80: {reason}"),
                    "open ports 80 and 443 in the firewall of this machine and of your provider",
                ),
                Answer::Silent(reason) => Finding::doubtful(
                    format!("{name} leads to {address}, {whose}, and from here nobody answers on port 80: {reason}"),
                    "open ports 80 and 443 in your provider's firewall; if they are, your router may just not let the machine \
                     reach its own public address",
                ),
            }
        })
        .collect()
}

/// Judges who has the ports that the hub wants.
pub(super) fn ports(wanted: &[SocketAddr], listeners: &[Listener]) -> Vec<Finding> {
    wanted
        .iter()
        .map(|wanted| {
            let there = || listeners.iter().filter(|listener| listener.address.port() == wanted.port());
            if let Some(other) = there().find(|listener| listener.blocks(*wanted)) {
                return Finding::bad(
                    format!("port {} is taken by {}", wanted.port(), other.who()),
                    "stop that program for good, or let the hub listen elsewhere",
                );
            }
            if there().any(|listener| listener.own) {
                return Finding::good(format!("the hub listens on {wanted}"));
            }
            Finding::bad(
                format!("nobody listens on {wanted}"),
                "sudo /opt/hubd/bin/hub-installer install makes hubd.socket follow the configuration",
            )
        })
        .collect()
}

/// Judges whether an authority can be asked, and the clock by what it says.
pub(super) fn authority(directory: &str, asked: Result<&Offer, &anyhow::Error>, now: Timestamp) -> Vec<Finding> {
    match asked {
        Err(error) => {
            let remedy = "can this machine reach the internet, and is its clock right? timedatectl; curl -I gives details";
            vec![Finding::bad(format!("the authority `{directory}` can't be asked: {error:#}"), remedy)]
        }
        Ok(offer) => {
            let reached = Finding::good(format!("the authority `{directory}` answers"));
            [Some(reached), offer.time.map(|time| clock(now, time))].into_iter().flatten().collect()
        }
    }
}

/// Judges the clock by what an authority says the time is.
fn clock(own: Timestamp, theirs: Timestamp) -> Finding {
    let error = own.duration_since(theirs);
    if error.abs() <= LARGEST_CLOCK_ERROR {
        return Finding::good("this machine's clock is right");
    }
    let direction = if error.is_positive() { "ahead" } else { "behind" };
    let minutes = error.abs().as_mins();
    Finding::bad(format!("this machine's clock is {minutes} minutes {direction}"), "sudo timedatectl set-ntp true")
}

/// Judges a certificate that is in use or about to be. `host` is what people type.
pub(super) fn certificate(certificate: &Description, host: Option<&str>, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Description { not_before, not_after, issuer, .. } = certificate;
    findings.push(if now < *not_before {
        Finding::bad(format!("the certificate is not valid before {not_before}"), "is the clock of this machine right?")
    } else if now >= *not_after {
        Finding::bad(format!("the certificate expired at {not_after}"), "get a new one; the hub notices it automatically")
    } else {
        Finding::good(format!("the certificate is from {issuer} and good until {not_after}"))
    });
    if let Some(host) = host.filter(|host| !certificate.covers(host)) {
        findings.push(Finding::bad(
            format!("the certificate is not for {host}, where people reach the hub, but for {}", certificate.names.join(", ")),
            "get one for that name, or correct `url` under [hub]",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "10.0.0.5";

    fn told(leads_to: Result<Vec<(&str, Answer)>, &str>) -> Vec<(Weight, String)> {
        let leads_to = leads_to.map_err(str::to_owned);
        let leads_to = leads_to.map(|all| all.into_iter().map(|(at, answer)| (at.parse().unwrap(), answer)).collect());
        let found = Name { name: "hub.example.org".to_owned(), leads_to };
        name(&found, &[OWN.parse().unwrap()]).into_iter().map(|finding| (finding.weight, finding.what)).collect()
    }

    #[test]
    fn a_name_that_leads_here_is_fine_wherever_here_is() {
        for address in [OWN, "203.0.113.7"] {
            assert_eq!(told(Ok(vec![(address, Answer::Us)]))[0].0, Weight::Good);
        }
    }

    #[test]
    fn says_whose_a_wrong_address_is() {
        let found = told(Err("no such host"));
        assert_eq!(found, [(Weight::Bad, "hub.example.org does not resolve: no such host".to_owned())]);
        let found = told(Ok(vec![(OWN, Answer::Us), ("203.0.113.7", Answer::Other(Some("nginx".to_owned())))]));
        assert_eq!(found[0].0, Weight::Good);
        assert_eq!(
            found[1],
            (
                Weight::Bad,
                "hub.example.org leads to 203.0.113.7, not an address of this machine itself, and something else answers there \
                 (it calls itself \"nginx\")"
                    .to_owned()
            )
        );
        assert_eq!(told(Ok(vec![(OWN, Answer::Refused)]))[0].0, Weight::Bad);
        // Behind a router the machine may not be able to see itself.
        assert_eq!(told(Ok(vec![("203.0.113.7", Answer::Silent("timed out".to_owned()))]))[0].0, Weight::Doubtful);
        assert_eq!(told(Ok(vec![(OWN, Answer::Silent("timed out".to_owned()))]))[0].0, Weight::Bad);
    }

    #[test]
    fn says_who_has_the_port() {
        let wanted: [SocketAddr; 1] = ["[::]:443".parse().unwrap()];
        let listener = |own, name: &str| Listener { address: wanted[0], process: Some((812, name.to_owned())), own };
        assert_eq!(ports(&wanted, &[listener(true, "hubd")])[0].weight, Weight::Good);
        assert_eq!(ports(&wanted, &[listener(false, "nginx")])[0].what, "port 443 is taken by `nginx` (process 812)");
        assert_eq!(ports(&wanted, &[])[0].what, "nobody listens on [::]:443");
    }

    #[test]
    fn says_how_wrong_the_clock_is() {
        let own: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        assert_eq!(clock(own, "2026-11-20T12:02:59Z".parse().unwrap()).weight, Weight::Good);
        let behind = clock(own, "2026-11-20T14:00:00Z".parse().unwrap());
        assert_eq!(behind.what, "this machine's clock is 120 minutes behind");
        assert_eq!(clock(own, "2026-11-20T11:00:00Z".parse().unwrap()).what, "this machine's clock is 60 minutes ahead");
    }

    #[test]
    fn says_what_is_wrong_with_a_certificate() {
        let description = Description {
            names: vec!["hub.example.org".to_owned()],
            issuer: "CA".to_owned(),
            not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2026-04-01T00:00:00Z".parse().unwrap(),
            fingerprint: String::new(),
        };
        let judge = |host, now: &str| -> Vec<Weight> {
            certificate(&description, host, now.parse().unwrap()).into_iter().map(|finding| finding.weight).collect()
        };
        assert_eq!(judge(Some("hub.example.org"), "2026-02-01T00:00:00Z"), [Weight::Good]);
        assert_eq!(judge(Some("other.example.org"), "2026-02-01T00:00:00Z"), [Weight::Good, Weight::Bad]);
        assert_eq!(judge(None, "2026-04-01T00:00:00Z"), [Weight::Bad]);
        assert_eq!(judge(None, "2025-12-31T00:00:00Z"), [Weight::Bad]);
    }
}
