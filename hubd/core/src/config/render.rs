//! A configuration as the text that says all of it, defaults too. Pure, and `parse` reads it back to the same.

use std::net::SocketAddr;
use std::time::Duration;

use toml::Value;

use super::{Accounts, Config, DefaultApp, Http, Https, Hub, Limits, Machine, Roles, Servers, Sessions};

impl Config {
    /// Every value in force, written the way an administrator would write it in the file.
    pub fn to_toml(&self) -> String {
        // Taken apart by name, so that a new key can't be forgotten here.
        let Self { hub, http, https, roles, accounts, limits, servers, sessions, machine } = self;
        let mut text = String::new();
        let Hub { name, url } = hub;
        section(&mut text, "hub", &[("name", string(name)), ("url", url.as_ref().and_then(string))]);
        let Http { listen } = http;
        section(&mut text, "http", &[("listen", addresses(listen))]);
        if let Some(Https { listen, certificate, key }) = https {
            let (certificate, key) = (string(certificate.to_string_lossy()), string(key.to_string_lossy()));
            section(&mut text, "https", &[("listen", addresses(listen)), ("certificate", certificate), ("key", key)]);
        }
        let Roles { admins, host_operators } = roles;
        let (admins, operators) = (list(admins.iter().map(ToString::to_string)), list(host_operators.iter().cloned()));
        section(&mut text, "roles", &[("admins", admins), ("host_operators", operators)]);
        let Accounts { prefix, homes } = accounts;
        section(&mut text, "accounts", &[("prefix", string(prefix)), ("homes", string(homes.to_string_lossy()))]);
        section(&mut text, "limits", &limits_keys(limits));
        section(&mut text, "servers", &servers_keys(servers));
        let Sessions { lifetime } = sessions;
        section(&mut text, "sessions", &[("lifetime", string(duration(*lifetime)))]);
        let Machine { reserve } = machine;
        section(&mut text, "machine", &[("reserve", reserve.and_then(|reserve| string(bytes(reserve))))]);
        text
    }
}

type Key = (&'static str, Option<Value>);

fn limits_keys(limits: &Limits) -> [Key; 5] {
    let Limits { memory, swap, cpu_quota, cpu_weight, tasks } = limits;
    [
        ("memory", string(bytes(*memory))),
        ("swap", string(bytes(*swap))),
        ("cpu_quota", cpu_quota.map(Value::Float)),
        ("cpu_weight", integer(*cpu_weight)),
        ("tasks", integer(*tasks)),
    ]
}

fn servers_keys(servers: &Servers) -> [Key; 4] {
    let Servers { default_app, idle_timeout, start_timeout, concurrent_starts } = servers;
    let app = match default_app {
        DefaultApp::Lab => "lab",
        DefaultApp::Notebook => "notebook",
    };
    [
        ("default_app", string(app)),
        ("idle_timeout", string(idle_timeout.map_or_else(|| "off".to_owned(), duration))),
        ("start_timeout", string(duration(*start_timeout))),
        ("concurrent_starts", concurrent_starts.and_then(|count| integer(count as u64))),
    ]
}

fn section(text: &mut String, name: &str, keys: &[Key]) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&format!("[{name}]\n"));
    for (key, value) in keys {
        text.push_str(&match value {
            Some(value) => format!("{key} = {value}\n"),
            None => format!("# {key} is not set\n"),
        });
    }
}

fn addresses(addresses: &[SocketAddr]) -> Option<Value> {
    list(addresses.iter().map(ToString::to_string))
}

fn string(text: impl AsRef<str>) -> Option<Value> {
    Some(Value::String(text.as_ref().to_owned()))
}

fn integer(number: u64) -> Option<Value> {
    i64::try_from(number).ok().map(Value::Integer)
}

fn list(items: impl Iterator<Item = String>) -> Option<Value> {
    Some(Value::Array(items.map(Value::String).collect()))
}

/// The largest unit that keeps the number whole.
fn bytes(bytes: u64) -> String {
    for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// The largest unit that keeps the number whole.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (length, unit) in [(86400, "d"), (3600, "h"), (60, "m")] {
        if seconds != 0 && seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    const FULL: &str = r#"[hub]
name = "Statistics \"A\""
url = "https://hub.example.org"

[http]
listen = ["0.0.0.0:80", "[::1]:8000"]

[https]
listen = ["[::]:443"]
certificate = "/etc/ssl/hub.pem"
key = "/etc/ssl/hub.key"

[roles]
admins = ["ada", "bob"]
host_operators = ["debian"]

[accounts]
prefix = "class-"
homes = "/srv/homes"

[limits]
memory = "1536M"
swap = "1000"
cpu_quota = 2.0
cpu_weight = 50
tasks = 700

[servers]
default_app = "notebook"
idle_timeout = "off"
start_timeout = "90s"
concurrent_starts = 3

[sessions]
lifetime = "36h"

[machine]
reserve = "512M"
"#;

    #[test]
    fn what_is_read_is_what_is_written() {
        let config = parse(FULL, "config.toml").unwrap();
        let text = config.to_toml();
        assert_eq!(parse(&text, "rendered").unwrap(), config);
        assert_eq!(text, FULL.replace("\"Statistics \\\"A\\\"\"", "'Statistics \"A\"'"));
    }

    #[test]
    fn defaults_are_written_out() {
        let config = parse("", "config.toml").unwrap();
        let text = config.to_toml();
        assert_eq!(parse(&text, "rendered").unwrap(), config);
        assert!(text.contains("[limits]\nmemory = \"1G\"\nswap = \"0\"\n# cpu_quota is not set\n"), "{text}");
        assert!(text.contains("idle_timeout = \"1h\"\n") && text.contains("lifetime = \"14d\"\n"), "{text}");
    }
}
