//! Judges a whole file at once. Pure: no file is opened here.

mod apps;
mod environment;
mod https;
mod logins;
mod pam;
mod people;
mod read;
mod syntax;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;

use super::address_range;
use super::diagnostic::{Found, Problems, Words};
use super::tree::{self, Entry, Tree, Typed};
use super::{
    Accounts, Backup, Channel, Config, DefaultApp, Http, Hub, LimitOverrides, Limits, Login, Machine, Places, Servers, Sessions,
    SignUp, TimeOfDay, Upgrade,
};
use crate::paths::Paths;
use crate::quantity::parse_bytes;
pub(super) use read::absolute;
pub use read::address_of_hub;
use read::{account_prefix, address, homes_directory, line_of_text, range, time};

type Span = Range<usize>;

/// JupyterLab does not start with less.
const SMALLEST_MEMORY: u64 = 128 << 20;

/// Reads a configuration; `path` is what messages call it.
///
/// # Errors
/// Every problem found, in the order of the file.
pub fn parse(source: &str, path: &str) -> Result<Config, Problems> {
    let mut found = Found::new(source);
    let config = validate(&mut found);
    found.finish(path).map(|()| config)
}

/// The configuration that the text of `found` makes, with defaults in place of what is wrong.
pub(super) fn validate(found: &mut Found<'_>) -> Config {
    let (root, errors) = DeTable::parse_recoverable(found.source.text);
    syntax::report(root.get_ref(), errors, found);
    let tree = tree::read(root.get_ref(), found);
    Check { found, tree, places: Places::default(), claims: Vec::new() }.config()
}

struct Check<'check, 'text> {
    found: &'check mut Found<'text>,
    tree: Tree,
    places: Places,
    /// Listening addresses so far.
    claims: Vec<Claim>,
}

impl Check<'_, '_> {
    fn problem(&mut self, span: Span, message: impl Into<String>, hint: Option<&str>) {
        self.note("wrong_value", span, message, hint);
    }

    fn conflict(&mut self, span: Span, message: impl Into<String>, hint: Option<&str>) {
        self.note("conflict", span, message, hint);
    }

    fn note(&mut self, kind: &'static str, span: Span, message: impl Into<String>, hint: Option<&str>) {
        self.found.push(span, || {
            let (message, hint) = (message.into(), hint.map(str::to_owned));
            // What reads one value may know what to do about it.
            match message.split_once("\nhint: ") {
                Some((message, own)) => Words { kind, message: message.to_owned(), hint: hint.or(Some(own.to_owned())) },
                None => Words { kind, message, hint },
            }
        });
    }

    /// Something is missing, as far as the file can be understood.
    fn incomplete(&mut self, span: Span, message: impl Into<String>, hint: Option<&str>) {
        self.note("incomplete", span, message, hint);
    }

    fn line(&self, span: &Span) -> usize {
        self.found.source.line(span.start)
    }

    /// Takes a key out of the tree, with a note of its place.
    fn take(&mut self, path: &str) -> Option<Entry> {
        let entry = self.tree.entries.remove(path)?;
        let line = self.line(&entry.key);
        self.places.note(path.to_owned(), line);
        Some(entry)
    }

    /// The value at `path` read by `read`; `None` when it is absent or, with a problem noted, wrong.
    fn option<T>(&mut self, path: &str, read: impl FnOnce(&Typed) -> Result<T, String>) -> Option<T> {
        let entry = self.take(path)?;
        match read(&entry.value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(entry.span, message, None);
                None
            }
        }
    }

    fn text<T>(&mut self, path: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.option(path, |value| if let Typed::Text(text) = value { read(text) } else { Err(other_kind(path)) })
    }

    fn integer(&mut self, path: &str, least: u64, most: u64) -> Option<u64> {
        self.option(
            path,
            |value| {
                if let Typed::Integer(number) = value { range(*number, least, most) } else { Err(other_kind(path)) }
            },
        )
    }

    fn count(&mut self, path: &str, most: u64) -> Option<usize> {
        self.integer(path, 1, most).and_then(|count| usize::try_from(count).ok())
    }

    fn number<T>(&mut self, path: &str, read: impl FnOnce(f64) -> Result<T, String>) -> Option<T> {
        self.option(path, |value| if let Typed::Number(number) = value { read(*number) } else { Err(other_kind(path)) })
    }

    fn switch(&mut self, path: &str) -> Option<bool> {
        self.option(path, |value| if let Typed::Switch(switch) = value { Ok(*switch) } else { Err(other_kind(path)) })
    }

    /// The items of a list that are what they should be, each with its place; `None`: the file does not have the list.
    fn list<T>(&mut self, path: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<Vec<(T, Span)>> {
        let Typed::List(items) = self.take(path)?.value else { return None };
        let mut list = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (text, span) in items {
            let line = self.line(&span);
            if let Some(first) = seen.get(&text) {
                let place = if *first == line { "in this line".to_owned() } else { format!("in line {first}") };
                self.note(
                    "repeated",
                    span,
                    format!("{text:?} is in this list twice, first {place}"),
                    Some("take one of them out"),
                );
                continue;
            }
            match read(&text) {
                Ok(item) => list.push((item, span)),
                Err(message) => self.problem(span, message, None),
            }
            self.places.note(format!("{path}[{text}]"), line);
            seen.insert(text, line);
        }
        Some(list)
    }

    fn config(&mut self) -> Config {
        let hub = self.hub();
        let has_proxy = self.tree.entries.contains_key("http.proxy_group");
        if let Some(span) = self.nowhere("http.listen").filter(|_| self.tree.https.is_none() && !has_proxy) {
            self.incomplete(
                span,
                "the hub has no address to listen on",
                Some("give it an address, as in listen = [\"[::]:80\"]"),
            );
        }
        if let Some(span) = self.nowhere("https.listen") {
            self.incomplete(span, "https has no address to listen on", Some("give it an address, as in listen = [\"[::]:443\"]"));
        }
        let http =
            Http { listen: self.addresses("http.listen", 80), proxy_group: self.text("http.proxy_group", read::group_name) };
        let https = self.https();
        let sign_up = self.text("login.sign_up", read::sign_up).unwrap_or(SignUp::Closed);
        let (providers, pam) = self.logins(hub.url.is_some());
        let login = Login { sign_up, providers, pam };
        let accounts = Accounts {
            prefix: self.text("accounts.prefix", account_prefix).unwrap_or_else(|| "jupyter-".to_owned()),
            homes: self.text("accounts.homes", homes_directory).unwrap_or_else(|| PathBuf::from("/home/hubd")),
            most: self.count("accounts.most", 40_000).unwrap_or(5000),
            most_per_hour: self.count("accounts.most_per_hour", 40_000).unwrap_or(1000),
        };
        let roles = self.roles(&accounts.prefix);
        let limits = self.limits();
        let (groups, users) = (self.groups(), self.users());
        Config {
            hub,
            http,
            https,
            login,
            roles,
            groups,
            users,
            accounts,
            limits,
            servers: self.servers(),
            apps: self.apps(),
            sessions: Sessions {
                lifetime: self.text("sessions.lifetime", time("10m", "365d")).unwrap_or(Duration::from_secs(14 * 86400)),
            },
            machine: self.machine(),
            environment: self.environment(),
            upgrade: Upgrade {
                source: self.text("upgrade.source", read::source),
                channel: self.text("upgrade.channel", read::channel).unwrap_or(Channel::Stable),
                automatic: self.switch("upgrade.automatic").unwrap_or(false),
                window: self.text("upgrade.window", str::parse).unwrap_or_default(),
                max_online: self.integer("upgrade.max_online", 0, 100_000).unwrap_or(0),
            },
            backup: self.backup(),
            places: std::mem::take(&mut self.places),
        }
    }

    fn backup(&mut self) -> Backup {
        let mut keep = |key: &str, default| self.integer(&format!("backup.{key}"), 0, 10_000).unwrap_or(default);
        let (keep_daily, keep_weekly, keep_monthly) = (keep("keep_daily", 7), keep("keep_weekly", 5), keep("keep_monthly", 12));
        Backup {
            repository: self.text("backup.repository", str::parse),
            password_file: self.text("backup.password_file", absolute).unwrap_or_else(|| Paths::default().backup_password()),
            enabled: self.switch("backup.enabled").unwrap_or(true),
            at: self.text("backup.at", str::parse).unwrap_or(TimeOfDay { hour: 3, minute: 0 }),
            // One at least, or the one that was just made would go.
            keep_daily: if keep_daily + keep_weekly + keep_monthly == 0 { 1 } else { keep_daily },
            keep_weekly,
            keep_monthly,
        }
    }

    fn hub(&mut self) -> Hub {
        Hub {
            name: self
                .text("hub.name", |name| line_of_text("the hub's name", name, 60))
                .unwrap_or_else(|| "Classroom".to_owned()),
            url: self.text("hub.url", read::address_of_hub),
            announcement: self.text("hub.announcement", |text| read::text("the announcement", text, 500)),
        }
    }

    fn limits(&mut self) -> Limits {
        let LimitOverrides { memory, swap, cpu_quota, cpu_weight, tasks, network } = self.overrides("limits");
        Limits {
            memory: memory.unwrap_or(1 << 30),
            swap: swap.unwrap_or(0),
            cpu_quota,
            cpu_weight: cpu_weight.unwrap_or(100),
            tasks: tasks.unwrap_or(512),
            network: network.unwrap_or(true),
        }
    }

    /// The limits of one table.
    fn overrides(&mut self, table: &str) -> LimitOverrides {
        let key = |key: &str| format!("{table}.{key}");
        LimitOverrides {
            memory: self.text(&key("memory"), |text| match parse_bytes(text)? {
                bytes if bytes < SMALLEST_MEMORY => {
                    Err(format!("{text:?} is too little: a JupyterLab server needs at least \"128M\""))
                }
                bytes => Ok(bytes),
            }),
            swap: self.text(&key("swap"), parse_bytes),
            cpu_quota: self.number(&key("cpu_quota"), |cores| match cores {
                cores if (0.05..=4096.0).contains(&cores) => Ok(cores),
                cores => Err(format!("{cores} cores can't be given; expected 0.05 to 4096, as in 1.5")),
            }),
            cpu_weight: self.integer(&key("cpu_weight"), 1, 10_000),
            tasks: self.integer(&key("tasks"), 32, 1_000_000),
            network: self.switch(&key("network")),
        }
    }

    fn servers(&mut self) -> Servers {
        Servers {
            default_app: self.text("servers.default_app", read::app).unwrap_or(DefaultApp::Lab),
            idle_timeout: self
                .text("servers.idle_timeout", |text| match text {
                    "off" => Ok(None),
                    text => time("1m", "365d")(text).map(Some).map_err(|message| format!("{message}; or \"off\"")),
                })
                .unwrap_or(Some(Duration::from_secs(3600))),
            start_timeout: self.text("servers.start_timeout", time("5s", "1h")).unwrap_or(Duration::from_secs(60)),
            stop_timeout: self.text("servers.stop_timeout", time("1s", "30s")).unwrap_or(Duration::from_secs(10)),
            concurrent_starts: self.integer("servers.concurrent_starts", 1, 1000).and_then(|count| usize::try_from(count).ok()),
        }
    }

    fn machine(&mut self) -> Machine {
        let denied = self.list("machine.denied_addresses", str::parse);
        Machine {
            reserve: self.text("machine.reserve", parse_bytes),
            denied_addresses: denied
                .map_or_else(address_range::metadata, |ranges| ranges.into_iter().map(|(range, _)| range).collect()),
        }
    }

    /// Where a list is that is empty.
    fn nowhere(&self, path: &str) -> Option<Span> {
        let entry = self.tree.entries.get(path)?;
        // Items that are no strings are not in the list, and a problem of their own.
        let written = self.found.source.text.get(entry.span.clone())?.trim_matches(['[', ']']).trim();
        written.is_empty().then(|| entry.span.clone())
    }

    /// Listening addresses; any IPv4 and IPv6 address with `port` where the file has none. No two may claim the same.
    fn addresses(&mut self, path: &'static str, port: u16) -> Vec<SocketAddr> {
        let Some(list) = self.list(path, address) else {
            let default = SocketAddr::from(([0_u16; 8], port));
            self.claim(path, default, None);
            return vec![default];
        };
        list.into_iter()
            .map(|(address, span)| {
                self.claim(path, address, Some(span));
                address
            })
            .collect()
    }

    /// `span`: where the file says it; `None`: it is the default of `path`.
    fn claim(&mut self, path: &'static str, address: SocketAddr, span: Option<Span>) {
        let other = self.claims.iter().find(|claim| overlap(address, claim.address)).cloned();
        let claim = Claim { path, address, span };
        if let Some((other, span)) = other.and_then(|other| claim.span.clone().or(other.span.clone()).map(|span| (other, span))) {
            let (one, other) = if claim.span.is_some() { (&claim, &other) } else { (&other, &claim) };
            let place = match &other.span {
                Some(span) => format!("in line {}", self.line(span)),
                None => format!("the default of `{}`", other.path),
            };
            let wide = if covers(one.address.ip(), other.address.ip()) { one.address } else { other.address };
            let hint = (one.address != other.address).then(|| format!("{wide} takes all addresses of its port"));
            self.conflict(span, format!("{} is taken already by {}, {place}", one.address, other.address), hint.as_deref());
        }
        self.claims.push(claim);
    }
}

/// A listening address that the configuration wants.
#[derive(Clone)]
struct Claim {
    path: &'static str,
    address: SocketAddr,
    span: Option<Span>,
}

/// Whether the kernel would refuse to listen at both.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (one_ip, other_ip) = (one.ip(), other.ip());
    one.port() == other.port() && (one_ip == other_ip || covers(one_ip, other_ip) || covers(other_ip, one_ip))
}

/// Whether whoever listens at `wide` takes what is for `narrow`; `[::]` takes IPv4 too.
fn covers(wide: IpAddr, narrow: IpAddr) -> bool {
    wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
}

fn first<T>((item, _): (T, Span)) -> T {
    item
}

/// The table of keys and the code that reads them disagree; a test reads every key of the table.
fn other_kind(path: &str) -> String {
    format!("hubd itself is wrong about what `{path}` takes")
}

#[cfg(test)]
mod tests;
