//! Changes after which somebody may stand before a closed door, and could not open it again in the same way. Pure, but for
//! what is asked of the machine.

use std::net::{IpAddr, SocketAddr};

use hub_core::config::Config;
use hub_core::control::UserInfo;

/// What has to be known of the machine.
pub(super) struct Facts<'a> {
    /// Whose unix account makes the change.
    pub(super) account: &'a str,
    /// Everybody who is enrolled; `None`: the hub does not say.
    pub(super) people: Option<&'a [UserInfo]>,
    /// Whether an address belongs to this machine.
    pub(super) is_here: &'a dyn Fn(IpAddr) -> bool,
    /// Why browsers would get no good certificate with a configuration; `None`: they would, or need none.
    pub(super) uncertified: &'a dyn Fn(&Config) -> Option<String>,
}

/// What would shut somebody out, one sentence each.
pub(super) fn lockouts(old: Option<&Config>, new: &Config, facts: &Facts<'_>) -> Vec<String> {
    let Facts { account, people, is_here, uncertified } = *facts;
    let mut found = Vec::new();
    let admins = &new.roles.admins;
    if admins.is_empty() && old.is_none_or(|old| !old.roles.admins.is_empty()) {
        found.push("The hub would have no administrator any more.".to_owned());
    }
    if let Some(people) = people {
        let can_log_in =
            |config: &Config| people.iter().any(|person| config.roles.admins.contains(&person.name) && !person.blocked);
        if !admins.is_empty() && !can_log_in(new) && old.is_none_or(can_log_in) {
            let names = admins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            found.push(format!("No administrator could log in: {names} is not enrolled, or blocked."));
        }
    }
    if let Some(reason) = uncertified(new).filter(|_| old.is_none_or(|old| uncertified(old).is_none())) {
        found.push(format!("Nobody could log in: {reason}."));
    }
    if let Some(old) = old {
        let operated = |config: &Config| config.roles.host_operators.iter().any(|operator| operator == account);
        if operated(old) && !operated(new) {
            found.push(format!("Your own account, `{account}`, would no longer be an operator of the hub."));
        }
        let own = old.roles.admins.iter().filter(|name| is_same(old, name.as_str(), account));
        for name in own.filter(|name| !admins.contains(name)) {
            found.push(format!("You yourself, `{name}`, would no longer be an administrator of the hub."));
        }
        if let Some(url) = old.hub.url.as_ref().filter(|url| new.hub.url.as_ref() != Some(url)) {
            let to = new.hub.url.as_ref().map_or_else(|| "is not set any more".to_owned(), |to| format!("becomes {to}"));
            found.push(format!("The hub's address {to}; links to {url} that people have may stop working."));
        }
    }
    let before: Vec<SocketAddr> = old.map(addresses).unwrap_or_default();
    for address in addresses(new) {
        if !before.contains(&address) && !is_here(address.ip()) {
            found.push(format!("{address} is not an address of this machine, so the hub can't listen there."));
        }
    }
    found
}

/// Whether the person `name` and the account are the same: accounts of people are called so with a prefix.
fn is_same(config: &Config, name: &str, account: &str) -> bool {
    account == name || account.strip_prefix(config.accounts.prefix.as_str()) == Some(name)
}

fn addresses(config: &Config) -> Vec<SocketAddr> {
    config.http.listen.iter().chain(config.https.iter().flat_map(|https| &https.listen)).copied().collect()
}

#[cfg(test)]
mod tests {
    use hub_core::config::parse;

    use super::*;

    const OLD: &str = "[hub]\nurl = \"https://hub.example.org\"\n[http]\nlisten = [\"127.0.0.1:80\"]\n[roles]\nadmins = [\"ada\", \"grace\"]\nhost_operators = [\"debian\", \"ada\"]\n";

    /// A machine without a certificate.
    fn facts<'a>(account: &'a str, people: Option<&'a [UserInfo]>) -> Facts<'a> {
        let uncertified = &|config: &Config| config.https.as_ref().map(|_| "there is no certificate".to_owned());
        Facts { account, people, is_here: &|address| address.is_loopback(), uncertified }
    }

    fn found(new: &str, account: &str) -> Vec<String> {
        let old = parse(OLD, "old").unwrap();
        lockouts(Some(&old), &parse(new, "new").unwrap(), &facts(account, None))
    }

    #[test]
    fn each_way_to_shut_people_out_is_found() {
        for (from, to, account, sentence) in [
            ("", "", "debian", None),
            ("[\"ada\", \"grace\"]", "[]", "debian", Some("The hub would have no administrator any more.")),
            ("[\"ada\", \"grace\"]", "[\"eve\"]", "debian", None),
            ("\"debian\", ", "", "debian", Some("Your own account, `debian`, would no longer be an operator of the hub.")),
            ("\"debian\", ", "", "root", None),
            (
                "[\"ada\", \"grace\"]",
                "[\"grace\"]",
                "ada",
                Some("You yourself, `ada`, would no longer be an administrator of the hub."),
            ),
            (
                "[\"ada\", \"grace\"]",
                "[\"grace\"]",
                "jupyter-ada",
                Some("You yourself, `ada`, would no longer be an administrator of the hub."),
            ),
            (
                "127.0.0.1:80",
                "192.0.2.7:80",
                "debian",
                Some("192.0.2.7:80 is not an address of this machine, so the hub can't listen there."),
            ),
            ("127.0.0.1:80", "127.0.0.1:8000", "debian", None),
            (
                "hub.example.org",
                "lab.example.org",
                "debian",
                Some(
                    "The hub's address becomes https://lab.example.org; links to https://hub.example.org that people have may stop working.",
                ),
            ),
            (
                "url = \"https://hub.example.org\"\n",
                "",
                "debian",
                Some(
                    "The hub's address is not set any more; links to https://hub.example.org that people have may stop working.",
                ),
            ),
        ] {
            let new = OLD.replace(from, to);
            assert_eq!(found(&new, account), sentence.into_iter().collect::<Vec<_>>(), "{from:?} -> {to:?} by {account}");
        }
    }

    #[test]
    fn what_was_so_before_is_no_reason_to_ask() {
        let bare = parse("[http]\nlisten = [\"192.0.2.7:80\"]\n", "bare").unwrap();
        let named = parse("[http]\nlisten = [\"192.0.2.7:80\"]\n[hub]\nname = \"X\"\nurl = \"http://x\"\n", "named").unwrap();
        assert_eq!(lockouts(Some(&bare), &named, &facts("debian", None)), Vec::<String>::new());
    }

    #[test]
    fn an_administrator_has_to_be_somebody_who_can_log_in() {
        let person = |name: &str, blocked| UserInfo {
            name: name.parse().unwrap(),
            full_name: None,
            email: None,
            admin: false,
            role: hub_core::config::Role::Student,
            blocked,
            has_password: true,
            last_active: None,
            added: None,
            link: None,
        };
        let people = [person("ada", false), person("eve", true)];
        let config = |admins: &str| parse(&format!("[roles]\nadmins = [{admins}]\n"), "test").unwrap();
        for (old, new, names) in [
            ("\"ada\"", "\"grace\"", Some("grace")),
            ("\"ada\"", "\"grace\", \"eve\"", Some("grace, eve")),
            ("\"ada\"", "\"grace\", \"ada\"", None),
            ("\"grace\"", "\"eve\"", None),
        ] {
            let (old, new) = (config(old), config(new));
            let expected = names.map(|names| format!("No administrator could log in: {names} is not enrolled, or blocked."));
            let found = |people| lockouts(Some(&old), &new, &facts("debian", people));
            assert_eq!(found(Some(&people)), Vec::from_iter(expected));
            assert_eq!(found(None), Vec::<String>::new(), "a hub that is down says nothing of people");
        }
    }

    #[test]
    fn https_without_a_certificate_is_asked_about_once() {
        let plain = parse("[hub]\nname = \"X\"\n", "plain").unwrap();
        let https = parse("[https]\nmethod = \"lan\"\n", "https").unwrap();
        let found = |old, new| lockouts(Some(old), new, &facts("debian", None));
        assert_eq!(found(&plain, &https)[0], "Nobody could log in: there is no certificate.");
        assert!(!found(&https, &https).iter().any(|sentence| sentence.contains("log in")));
        assert_eq!(found(&https, &plain), Vec::<String>::new());
    }

    #[test]
    fn addresses_are_looked_for_on_the_machine() {
        use hub_core::sys::ports::is_here;
        assert!(is_here("127.0.0.1".parse().unwrap()) && is_here("::".parse().unwrap()));
        // From the block that is set aside for documentation.
        assert!(!is_here("192.0.2.7".parse().unwrap()));
    }
}
