//! `[login.NAME]`: logins of an institution.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::super::Pam;
use super::super::logins::{LoginName, Provider};
use super::{Check, Span, read};
use crate::paths::Paths;

/// At ports from this one on, everybody on the machine can listen.
const FIRST_OPEN_PORT: u16 = 1024;
/// Buttons on one page.
const MOST: usize = 8;

/// Keys that only a login of the type "oidc" has.
const OF_OIDC: [&str; 7] =
    ["issuer", "client_id", "client_secret_file", "scopes", "username_claim", "groups_claim", "allow_domains"];
/// Keys that only a login of the type "pam" has.
const OF_PAM: [&str; 1] = ["allow_privileged"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Oidc,
    Pam,
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "oidc" => Ok(Kind::Oidc),
        "pam" => Ok(Kind::Pam),
        other => Err(format!("{other:?} is not a type of login that this version has; expected \"oidc\" or \"pam\"")),
    }
}

/// Exactly as the provider calls itself.
fn issuer(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("{text:?} is no issuer: {why}\nhint: as in \"https://id.example.org/realms/school\""));
    let Ok(parsed) = url::Url::parse(text) else { return wrong("it is no address") };
    if parsed.cannot_be_a_base() || parsed.host_str().is_none_or(str::is_empty) || text.contains(char::is_whitespace) {
        return wrong("it is no address");
    }
    match parsed.scheme() {
        "https" => {}
        "http" if is_loopback(&parsed) && parsed.port_or_known_default().is_some_and(|port| port < FIRST_OPEN_PORT) => {}
        "http" if is_loopback(&parsed) => {
            return wrong("everybody on this machine can listen at that port, students too; expected one below 1024, or https");
        }
        _ => return wrong("it has to use https, or others could impersonate it"),
    }
    if parsed.query().is_some() || parsed.fragment().is_some() || !parsed.username().is_empty() || parsed.password().is_some() {
        return wrong("it has more than scheme, host, port and path");
    }
    if text.contains("/.well-known/") {
        return wrong("leave out the part from /.well-known/ on");
    }
    Ok(text.to_owned())
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(_)) | None => false,
    }
}

/// A name of a claim, a scope, a group, a client.
pub(super) fn word(what: &'static str, longest: usize) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        let is_plain = !text.is_empty() && text.len() <= longest && !text.chars().any(char::is_control) && text.trim() == text;
        if is_plain { Ok(text.to_owned()) } else { Err(format!("{text:?} is no {what}; expected 1 to {longest} characters")) }
    }
}

fn scope(text: &str) -> Result<String, String> {
    let is_plain = !text.is_empty() && text.len() <= 100 && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if is_plain { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a scope; expected one word, as in \"profile\"")) }
}

fn domain(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let has_parts = text.split('.').all(|part| !part.is_empty()) && text.contains('.');
    match has_parts && text.chars().all(is_plain) && text.len() <= 253 {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not an e-mail domain; expected what follows the @, as in \"school.example\"")),
    }
}

fn secret_file(text: &str) -> Result<PathBuf, String> {
    let path = read::absolute(text)?;
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let name = path.file_name().and_then(|name| name.to_str());
    // systemd hands what is there to who needs it, and to nobody else.
    let place = Paths::default().secrets();
    match path.parent() == Some(place.as_path()) && name.is_some_and(|name| is_name(name) && !name.starts_with('.')) {
        true => Ok(path),
        false => {
            let (place, example) = (place.display(), place.join("school"));
            Err(format!(
                "{text:?} is not a file in {place}, where secrets are\nhint: as in client_secret_file = {example:?}: a file of root's \
                 with the secret in it"
            ))
        }
    }
}

impl Check<'_, '_> {
    pub(super) fn logins(&mut self, has_url: bool) -> (BTreeMap<LoginName, Provider>, Option<Pam>) {
        let (mut logins, mut by_pam) = (BTreeMap::new(), None);
        let mut titles = BTreeSet::new();
        for (written, span) in std::mem::take(&mut self.tree.logins) {
            let name = match written.parse::<LoginName>() {
                Ok(name) => Some(name),
                Err(error) => {
                    self.problem(span.clone(), error.to_string(), None);
                    None
                }
            };
            let path = format!("login.{written}.type");
            self.needed(&path, &span, "has no `type`", "type = \"oidc\"");
            let kind = self.text(&path, kind).unwrap_or(Kind::Oidc);
            self.foreign(&written, kind);
            let title = self
                .text(&format!("login.{written}.title"), |text| read::line_of_text("the title", text, 40))
                .unwrap_or_else(|| written.clone());
            if !titles.insert(title.clone()) {
                self.conflict(span.clone(), format!("two logins are called {title:?}"), Some("give one another title"));
            }
            if titles.len() > MOST {
                self.problem(span.clone(), format!("there are more than {MOST} logins"), None);
            }
            if kind == Kind::Pam {
                if by_pam.is_some() {
                    let hint = "keep one: the machine has one service file for it, /etc/pam.d/hubd";
                    self.conflict(span.clone(), "two logins are of the type \"pam\"", Some(hint));
                }
                by_pam = self.pam(&written, name, title).or(by_pam);
                continue;
            }
            if !has_url {
                let hint = "say where people reach the hub, as in url = \"https://hub.example.org\" under [hub]";
                self.incomplete(span.clone(), "a login elsewhere has to know the way back, and `hub.url` is not set", Some(hint));
            }
            let provider = self.provider(&written, &span, title);
            logins.extend(name.map(|name| (name, provider)));
        }
        (logins, by_pam)
    }

    /// Keys that mean something for a login of another type.
    fn foreign(&mut self, written: &str, kind: Kind) {
        let (keys, of): (&[&str], _) = match kind {
            Kind::Oidc => (&OF_PAM, "pam"),
            Kind::Pam => (&OF_OIDC, "oidc"),
        };
        for key in keys {
            if let Some(entry) = self.tree.entries.remove(&format!("login.{written}.{key}")) {
                self.conflict(entry.key, format!("`{key}` is for logins of the type {of:?}"), Some("remove the line"));
            }
        }
    }

    fn provider(&mut self, written: &str, span: &Span, title: String) -> Provider {
        let key = |key: &str| format!("login.{written}.{key}");
        self.needed(&key("issuer"), span, "has no `issuer`", "issuer = \"https://id.example.org\"");
        self.needed(&key("client_id"), span, "has no `client_id`", "client_id = \"hub\"");
        let issuer = self.text(&key("issuer"), issuer).unwrap_or_default();
        let claim = word("name of a claim", 100);
        let scopes = self.items(&key("scopes"), scope);
        let allow_domains = self.rule(&key("allow_domains"), domain);
        let allow_groups = self.rule(&key("allow_groups"), word("name of a group", 200));
        let hint = "say whom with allow_domains or allow_groups; without enrol, people who are enrolled get in";
        let has_rule = allow_domains.is_some() || allow_groups.is_some();
        let enrol =
            self.enrol(&key("enrol"), has_rule, ("`enrol` without a rule would let in everybody the provider knows", hint));
        Provider {
            title,
            client_id: self.text(&key("client_id"), word("client_id", 255)).unwrap_or_default(),
            client_secret_file: self.text(&key("client_secret_file"), secret_file),
            scopes: scopes.unwrap_or_else(|| ["openid", "profile", "email"].map(str::to_owned).to_vec()),
            username_claim: self
                .text(&key("username_claim"), &claim)
                .unwrap_or_else(|| Provider::usual_username_claim(&issuer).to_owned()),
            groups_claim: self.text(&key("groups_claim"), &claim).unwrap_or_else(|| "groups".to_owned()),
            allow_domains,
            allow_groups,
            enrol,
            issuer,
        }
    }

    /// Whether newcomers are enrolled. `words`: what is wrong with that where no rule says who, and what to do.
    pub(super) fn enrol(&mut self, path: &str, has_rule: bool, (message, hint): (&str, &str)) -> bool {
        let span = self.tree.entries.get(path).map(|entry| entry.span.clone());
        let enrol = self.switch(path).unwrap_or(false);
        if let Some(span) = span.filter(|_| enrol && !has_rule) {
            self.incomplete(span, message, Some(hint));
        }
        enrol
    }

    fn needed(&mut self, path: &str, span: &Span, problem: &str, example: &str) {
        if !self.tree.entries.contains_key(path) {
            let table = path.rsplit_once('.').map_or(path, |(table, _)| table).to_owned();
            self.incomplete(span.clone(), format!("[{table}] {problem}"), Some(&format!("as in {example}")));
        }
    }

    /// A list of whom to let in. One with nobody in it is a mistake, and never everybody.
    pub(super) fn rule(&mut self, path: &str, read: impl Fn(&str) -> Result<String, String>) -> Option<Vec<String>> {
        let span = self.tree.entries.get(path).map(|entry| entry.span.clone());
        let list = self.items(path, read)?;
        if let Some(span) = span.filter(|_| list.is_empty()) {
            self.problem(span, format!("`{path}` lets nobody in"), Some("name who may log in, or remove the line"));
        }
        Some(list)
    }

    pub(super) fn items(&mut self, path: &str, read: impl Fn(&str) -> Result<String, String>) -> Option<Vec<String>> {
        self.list(path, read).map(|list| list.into_iter().map(|(item, _)| item).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const URL: &str = "[hub]\nurl = \"https://hub.example.org\"\n";
    const SCHOOL: &str = "[login.school]\ntype = \"oidc\"\nissuer = \"https://id.example.org\"\nclient_id = \"hub\"\n";

    #[test]
    fn a_login_is_read_with_what_is_not_said() {
        let config = parse(&format!("{URL}{SCHOOL}"), "test").unwrap();
        let school = &config.login.providers[&"school".parse().unwrap()];
        assert_eq!((school.title.as_str(), school.username_claim.as_str()), ("school", "preferred_username"));
        assert_eq!((school.enrol, &school.allow_domains, &school.allow_groups), (false, &None, &None));
        assert_eq!(school.scopes, ["openid", "profile", "email"]);
        let google = SCHOOL.replace("id.example.org", "accounts.google.com");
        let config = parse(&format!("{URL}{google}allow_domains = [\"school.example\"]\nenrol = true\n"), "test").unwrap();
        assert_eq!(config.login.providers[&"school".parse().unwrap()].username_claim, "email");
        assert_eq!(parse(&config.to_toml(), "again").unwrap().login, config.login);
    }

    /// Nothing that is mistyped or empty lets everybody in.
    #[test]
    fn security_25_an_empty_or_mistyped_rule_is_refused() {
        for (more, told) in [
            ("allow_domains = []\n", "`login.school.allow_domains` lets nobody in"),
            ("allow_groups = []\n", "`login.school.allow_groups` lets nobody in"),
            ("allow_domain = [\"school.example\"]\n", "`allow_domain` is not a key"),
            ("allowed_domains = [\"school.example\"]\n", "`allowed_domains` is not a key"),
            ("allow_domains = [\"@school.example\"]\n", "is not an e-mail domain"),
            ("allow_domains = [\"*\"]\n", "is not an e-mail domain"),
            ("allow_domains = \"school.example\"\n", "put it in brackets"),
            ("enrol = true\n", "would let in everybody"),
            ("allow_all = true\n", "`allow_all` is not a key"),
        ] {
            let problems = parse(&format!("{URL}{SCHOOL}{more}"), "test").unwrap_err().to_string();
            assert!(problems.contains(told), "{more}: {problems}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        let with = |from: &str, to: &str| format!("{URL}{}", SCHOOL.replace(from, to));
        for (text, told) in [
            (SCHOOL.to_owned(), "`hub.url` is not set"),
            (with("type = \"oidc\"\n", ""), "[login.school] has no `type`"),
            (with("oidc", "github"), "expected \"oidc\" or \"pam\""),
            (with("issuer = \"https://id.example.org\"\n", ""), "[login.school] has no `issuer`"),
            (with("https://id.example.org", "http://127.0.0.1:3000"), "students too"),
            (with("https://id.example.org", "http://[::1]:1024"), "students too"),
            (with("https://id", "http://id"), "it has to use https"),
            (with("https://id.example.org", "http://localhost:1"), "it has to use https"),
            (with("https://id.example.org", "https://id.example.org/.well-known/openid-configuration"), "leave out"),
            (with("https://id.example.org", "https://a:b@id.example.org"), "more than scheme"),
            (with("https://id.example.org", "file:///etc/passwd"), "is no issuer"),
            (with("https://id.example.org", "id.example.org"), "is no issuer"),
            (with("client_id = \"hub\"\n", ""), "[login.school] has no `client_id`"),
            (with("login.school", "login.School"), "is not a name for a login"),
            (format!("{URL}{SCHOOL}client_secret_file = \"/etc/shadow\"\n"), "is not a file in /etc/hubd/secrets"),
            (format!("{URL}{SCHOOL}client_secret_file = \"/etc/hubd/secrets/../x\"\n"), "is not a plain absolute path"),
            (format!("{URL}{SCHOOL}client_secret = \"abc\"\n"), "`client_secret` is not a key"),
            (format!("{URL}{SCHOOL}{}", SCHOOL.replace("school]", "other]\ntitle = \"school\"")), "two logins are called"),
            (format!("{URL}[login]\nschool = 1\n"), "`school` is not a key"),
        ] {
            let problems = parse(&text, "test").unwrap_err().to_string();
            assert!(problems.contains(told), "{text}: {problems}");
        }
        let loopback = with("https://id.example.org", "http://127.0.0.1:81");
        assert!(parse(&loopback, "test").is_ok(), "the provider may be on this very machine");
    }
}
