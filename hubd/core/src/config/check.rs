//! Judges a whole document at once. Pure: no file is opened here.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::diagnostic::{Diagnostic, Problems};
use super::document::{self, Document};
use super::quantity::{parse_bytes, parse_duration};
use super::{Accounts, Config, DefaultApp, Http, Https, Hub, Limits, Machine, Roles, Servers, Sessions};
use crate::accounts::Username;

const SMALLEST_MEMORY: u64 = 128 << 20;

/// Reads a configuration; `path` is what messages call it.
///
/// # Errors
/// Every problem found, in the order of the file. A text that is not TOML at all gives one.
pub fn parse(source: &str, path: &str) -> Result<Config, Problems> {
    let problems = |diagnostics| Problems { path: path.to_owned(), diagnostics };
    let document: Document = toml::from_str(source).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        problems(vec![Diagnostic::new(source, span, error.message(), None)])
    })?;
    let mut check = Check { source, found: Vec::new() };
    let config = check.document(document);
    if check.found.is_empty() {
        return Ok(config);
    }
    check.found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    Err(problems(check.found))
}

struct Check<'source> {
    source: &'source str,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn problem(&mut self, span: Range<usize>, message: impl Into<String>, hint: Option<&str>) {
        self.found.push(Diagnostic::new(self.source, span, message, hint));
    }

    /// The value read by `read`, or `default` when it is absent or, with a problem noted, wrong.
    fn value<T, V>(&mut self, value: Option<Spanned<V>>, default: T, read: impl FnOnce(&V) -> Result<T, String>) -> T {
        let Some(value) = value else { return default };
        match read(value.get_ref()) {
            Ok(read) => read,
            Err(message) => {
                self.problem(value.span(), message, None);
                default
            }
        }
    }

    fn list<T>(
        &mut self,
        values: Option<Vec<Spanned<String>>>,
        default: Vec<T>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(values) = values else { return default };
        let mut list = Vec::new();
        for value in values {
            match read(value.get_ref()) {
                Ok(item) => list.push(item),
                Err(message) => self.problem(value.span(), message, None),
            }
        }
        list
    }

    fn document(&mut self, document: Document) -> Config {
        Config {
            hub: self.hub(document.hub),
            http: Http { listen: self.list(document.http.listen, vec![SocketAddr::from(([0_u16; 8], 80))], address) },
            https: self.https(document.https),
            roles: Roles {
                admins: self
                    .list(document.roles.admins, Vec::new(), |name| name.parse::<Username>().map_err(|error| error.to_string())),
                host_operators: self.list(document.roles.host_operators, Vec::new(), account_name),
            },
            accounts: Accounts {
                prefix: self.value(document.accounts.prefix, "jupyter-".to_owned(), |prefix| account_prefix(prefix)),
                homes: self.value(document.accounts.homes, PathBuf::from("/home"), |path| absolute(path)),
            },
            limits: self.limits(document.limits),
            servers: self.servers(document.servers),
            sessions: Sessions {
                lifetime: self.value(document.sessions.lifetime, Duration::from_secs(14 * 86400), |text| {
                    within(parse_duration(text)?, Duration::from_secs(600), Duration::from_secs(365 * 86400), "10m", "365d")
                }),
            },
            machine: Machine { reserve: self.value(document.machine.reserve, None, |text| parse_bytes(text).map(Some)) },
        }
    }

    fn hub(&mut self, hub: document::Hub) -> Hub {
        Hub {
            name: self.value(hub.name, "Classroom".to_owned(), |name| match name.trim() {
                "" => Err("the hub's name is empty".to_owned()),
                name if name.chars().count() > 60 => Err("the hub's name has more than 60 characters".to_owned()),
                name if name.chars().any(char::is_control) => Err("the hub's name has a control character".to_owned()),
                name => Ok(name.to_owned()),
            }),
            url: self.value(hub.url, None, |url| {
                let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
                match rest.map(|rest| rest.trim_end_matches('/')) {
                    Some(host) if !host.is_empty() && !host.contains(['/', ' ', '?', '#', '@', '"']) => {
                        Ok(Some(url.trim_end_matches('/').to_owned()))
                    }
                    _ => Err(format!("{url:?} is not the hub's address; expected one as in \"https://hub.example.org\"")),
                }
            }),
        }
    }

    fn https(&mut self, https: document::Https) -> Option<Https> {
        let span = https.certificate.as_ref().or(https.key.as_ref()).map(Spanned::span);
        let listen_span = https.listen.as_ref().and_then(|list| list.first()).map(Spanned::span);
        let certificate = https.certificate.map(|path| self.value(Some(path), PathBuf::new(), |path| absolute(path)));
        let key = https.key.map(|path| self.value(Some(path), PathBuf::new(), |path| absolute(path)));
        let listen = self.list(https.listen, vec![SocketAddr::from(([0_u16; 8], 443))], address);
        match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Https { listen, certificate, key }),
            (None, None) => {
                if let Some(span) = listen_span {
                    self.problem(span, "https has an address but no certificate", Some("give both `certificate` and `key`"));
                }
                None
            }
            _ => {
                self.problem(
                    span.unwrap_or(0..0),
                    "a certificate and its key belong together",
                    Some("give both `certificate` and `key`"),
                );
                None
            }
        }
    }

    fn limits(&mut self, limits: document::Limits) -> Limits {
        Limits {
            memory: self.value(limits.memory, 1 << 30, |text| match parse_bytes(text)? {
                bytes if bytes < SMALLEST_MEMORY => {
                    Err(format!("{text:?} is too little: a JupyterLab server needs at least \"128M\""))
                }
                bytes => Ok(bytes),
            }),
            swap: self.value(limits.swap, 0, |text| parse_bytes(text)),
            cpu_quota: self.value(limits.cpu_quota, None, |cores| match *cores {
                cores if (0.05..=4096.0).contains(&cores) => Ok(Some(cores)),
                cores => Err(format!("{cores} cores can't be given; expected 0.05 to 4096, as in 1.5")),
            }),
            cpu_weight: self.value(limits.cpu_weight, 100, |weight| range(*weight, 1, 10_000)),
            tasks: self.value(limits.tasks, 512, |tasks| range(*tasks, 32, 1_000_000)),
        }
    }

    fn servers(&mut self, servers: document::Servers) -> Servers {
        Servers {
            default_app: self.value(servers.default_app, DefaultApp::Lab, |app| match app.as_str() {
                "lab" => Ok(DefaultApp::Lab),
                "notebook" => Ok(DefaultApp::Notebook),
                other => Err(format!("{other:?} is not an app of this hub; expected \"lab\" or \"notebook\"")),
            }),
            idle_timeout: self.value(servers.idle_timeout, Some(Duration::from_secs(3600)), |text| match text.as_str() {
                "off" => Ok(None),
                text => within(parse_duration(text)?, Duration::from_secs(60), Duration::from_secs(365 * 86400), "1m", "365d")
                    .map(Some),
            }),
            start_timeout: self.value(servers.start_timeout, Duration::from_secs(60), |text| {
                within(parse_duration(text)?, Duration::from_secs(5), Duration::from_secs(3600), "5s", "1h")
            }),
            concurrent_starts: self
                .value(servers.concurrent_starts, None, |count| range(*count, 1, 1000).map(|count| Some(count as usize))),
        }
    }
}

fn range(value: u64, least: u64, most: u64) -> Result<u64, String> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("{value} is out of range; expected {least} to {most}")) }
}

fn within(value: Duration, least: Duration, most: Duration, least_text: &str, most_text: &str) -> Result<Duration, String> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{} seconds is out of range; expected \"{least_text}\" to \"{most_text}\"", value.as_secs()))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => Err(format!("{text:?} has port 0; expected 1 to 65535")),
        Ok(address) => Ok(address),
        Err(_) => Err(format!(
            "{text:?} is not an address with a port; expected one as in \"0.0.0.0:80\", \"127.0.0.1:8000\" or \"[::]:80\""
        )),
    }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let plain = !text.contains("..") && !text.chars().any(|c| c.is_control() || matches!(c, '%' | '"' | '\\' | ':'));
    if path.is_absolute() && plain { Ok(path) } else { Err(format!("{text:?} is not a plain absolute path, as in \"/home\"")) }
}

fn account_prefix(text: &str) -> Result<String, String> {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if plain && text.len() <= 16 {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} can't start an account name; expected up to 16 of a-z, 0-9, `-`, `_`, a letter first"))
    }
}

fn account_name(text: &str) -> Result<String, String> {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if plain && text.len() <= 32 { Ok(text.to_owned()) } else { Err(format!("{text:?} is not the name of a unix account")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(source: &str) -> Problems {
        parse(source, "config.toml").unwrap_err()
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = parse("", "config.toml").unwrap();
        assert_eq!(config.limits, Limits { memory: 1 << 30, swap: 0, cpu_quota: None, cpu_weight: 100, tasks: 512 });
        assert_eq!(config.http.listen, ["[::]:80".parse().unwrap()]);
        assert_eq!(config.https, None);
    }

    #[test]
    fn reads_what_an_admin_writes() {
        let config = parse(
            "[roles]\nadmins = [\"ada\"]\n[limits]\nmemory = \"1.5G\"\ncpu_quota = 0.5\n[servers]\nidle_timeout = \"off\"\ndefault_app = \"notebook\"\n",
            "config.toml",
        )
        .unwrap();
        assert!(config.is_admin(&"ada".parse().unwrap()));
        assert_eq!(config.limits.memory, 3 << 29);
        assert_eq!(config.servers.idle_timeout, None);
        assert_eq!(config.servers.default_app, DefaultApp::Notebook);
    }

    #[test]
    fn shows_every_problem_with_its_place() {
        let found = problems("[limits]\nmemory = \"banana\"\ntasks = 1\n\n[http]\nlisten = [\"0.0.0.0:99999\"]\n");
        let places: Vec<_> = found.diagnostics.iter().map(|d| (d.line, d.column)).collect();
        assert_eq!(places, [(2, 10), (3, 9), (6, 11)]);
        let text = found.to_string();
        assert!(text.starts_with(
            "config.toml:2:10: \"banana\" is not an amount of memory; expected a number and a unit, as in \"512M\" or \"1.5G\"\n  |\n2 | memory = \"banana\"\n  |          ^^^^^^^^\n"
        ), "{text}");
    }

    #[test]
    fn an_unknown_key_names_the_known_ones() {
        let found = problems("[limits]\nmemroy = \"1G\"\n");
        assert_eq!((found.diagnostics[0].line, found.diagnostics[0].column), (2, 1));
        assert!(found.diagnostics[0].message.contains("unknown field `memroy`, expected one of `memory`"), "{found}");
    }

    #[test]
    fn refuses_what_could_break_out_of_a_unit_property() {
        for text in [
            "homes = \"/home\\n[Service]\"",
            "homes = \"/h%n\"",
            "homes = \"home\"",
            "homes = \"/a/../b\"",
            "prefix = \"x y\"",
            "prefix = \"\"",
        ] {
            let source = format!("[accounts]\n{text}\n");
            assert!(parse(&source, "config.toml").is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn half_a_certificate_is_a_problem() {
        assert_eq!(
            problems("[https]\ncertificate = \"/etc/x.pem\"\n").diagnostics[0].message,
            "a certificate and its key belong together"
        );
        assert_eq!(
            problems("[https]\nlisten = [\"[::]:443\"]\n").diagnostics[0].message,
            "https has an address but no certificate"
        );
    }

    #[test]
    fn a_syntax_error_has_a_place() {
        let found = problems("[limits\nmemory = 1\n");
        assert_eq!(found.diagnostics[0].line, 1);
    }
}
