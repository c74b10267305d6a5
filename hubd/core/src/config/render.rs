//! A configuration as the text that says all of it, defaults too. Pure, and `parse` reads it back to the same.

use std::net::SocketAddr;

use toml::Value;

use super::tree::quoted;
use super::{
    Accounts, App, Backup, Config, DefaultApp, Environment, Group, Http, Https, HttpsMethod, Hub, Kernel, LimitOverrides, Limits,
    Login, Machine, Pam, Provider, Roles, Servers, Sessions, SignUp, Upgrade, UserSettings,
};
use crate::quantity::{write_bytes, write_duration};

impl Config {
    /// Every value in force, written the way an administrator would write it in the file.
    pub fn to_toml(&self) -> String {
        // Taken apart by name, so that a new key can't be forgotten here.
        let Self {
            hub,
            http,
            https,
            login,
            roles,
            groups,
            users,
            accounts,
            limits,
            servers,
            apps,
            sessions,
            machine,
            environment,
            upgrade,
            backup,
            places: _,
        } = self;
        let mut text = String::new();
        let Hub { name, url, announcement } = hub;
        let optional = |text: &Option<String>| text.as_ref().and_then(string);
        section(&mut text, "hub", &[("name", string(name)), ("url", optional(url)), ("announcement", optional(announcement))]);
        let Http { listen, proxy_group } = http;
        section(&mut text, "http", &[("listen", addresses(listen)), ("proxy_group", optional(proxy_group))]);
        if let Some(https) = https {
            section(&mut text, "https", &https_keys(https));
        }
        let Login { sign_up, providers, pam } = login;
        let sign_up = match sign_up {
            SignUp::Closed => "closed",
            SignUp::Open => "open",
        };
        section(&mut text, "login", &[("sign_up", string(sign_up))]);
        for (name, provider) in providers {
            section(&mut text, &format!("login.{name}"), &provider_keys(provider));
        }
        if let Some(pam) = pam {
            section(&mut text, &format!("login.{}", pam.login), &pam_keys(pam));
        }
        section(&mut text, "roles", &roles_keys(roles));
        for (name, Group { members, limits }) in groups {
            let name = format!("groups.{}", quoted(name.as_str()));
            section(&mut text, &name, &[("members", list(members.iter().map(ToString::to_string)))]);
            overrides(&mut text, &name, limits);
        }
        for (name, UserSettings { limits }) in users {
            overrides(&mut text, &format!("users.{}", quoted(name.as_str())), limits);
        }
        section(&mut text, "accounts", &accounts_keys(accounts));
        section(&mut text, "limits", &limits_keys(limits));
        section(&mut text, "servers", &servers_keys(servers));
        for (name, App { title, description, command, prefix, ready, network }) in apps {
            let keys = [
                ("title", string(title)),
                ("description", optional(description)),
                ("command", list(command.iter().cloned())),
                ("prefix", string(prefix.name())),
                ("ready", string(ready)),
                ("network", Some(Value::Boolean(*network))),
            ];
            section(&mut text, &format!("apps.{name}"), &keys);
        }
        let Sessions { lifetime } = sessions;
        section(&mut text, "sessions", &[("lifetime", string(write_duration(*lifetime)))]);
        let Machine { reserve, denied_addresses } = machine;
        let reserve = reserve.and_then(|reserve| string(write_bytes(reserve)));
        let denied_addresses = list(denied_addresses.iter().map(ToString::to_string));
        section(&mut text, "machine", &[("reserve", reserve), ("denied_addresses", denied_addresses)]);
        let Environment {
            packages,
            keep,
            kernels,
            apt,
            apt_by_admins,
            index_url,
            extra_index_urls,
            conda_channels,
            conda_channel_alias,
        } = environment;
        let keys = [
            ("packages", list(packages.iter().cloned())),
            ("keep", integer(*keep)),
            ("apt", list(apt.iter().map(ToString::to_string))),
            ("apt_by_admins", Some(Value::Boolean(*apt_by_admins))),
            ("index_url", index_url.as_ref().and_then(|url| string(url.as_str()))),
            ("extra_index_urls", list(extra_index_urls.iter().map(|url| url.as_str().to_owned()))),
            ("conda_channels", list(conda_channels.iter().map(ToString::to_string))),
            ("conda_channel_alias", string(conda_channel_alias)),
        ];
        section(&mut text, "environment", &keys);
        for (name, Kernel { packages, conda, channels }) in kernels {
            let mut keys = vec![("packages", list(packages.iter().cloned()))];
            // A kernel of the index alone is shown as such.
            if !conda.is_empty() {
                keys.push(("conda", list(conda.iter().map(ToString::to_string))));
                keys.push(("channels", list(channels.iter().map(ToString::to_string))));
            }
            section(&mut text, &format!("environment.kernels.{name}"), &keys);
        }
        let Upgrade { source, channel, automatic, window, max_online } = upgrade;
        let keys = [
            ("source", optional(source)),
            ("channel", string(channel.name())),
            ("automatic", Some(Value::Boolean(*automatic))),
            ("window", string(window.to_string())),
            ("max_online", integer(*max_online)),
        ];
        section(&mut text, "upgrade", &keys);
        let Backup { repository, password_file, enabled, at, keep_daily, keep_weekly, keep_monthly } = backup;
        let keys = [
            ("repository", repository.as_ref().and_then(|place| string(place.to_string()))),
            ("password_file", string(password_file.to_string_lossy())),
            ("enabled", Some(Value::Boolean(*enabled))),
            ("at", string(at.to_string())),
            ("keep_daily", integer(*keep_daily)),
            ("keep_weekly", integer(*keep_weekly)),
            ("keep_monthly", integer(*keep_monthly)),
        ];
        section(&mut text, "backup", &keys);
        text
    }
}

type Key = (&'static str, Option<Value>);

fn https_keys(https: &Https) -> Vec<Key> {
    let Https { listen, method, hsts } = https;
    let path = |path: &std::path::Path| string(path.to_string_lossy());
    let mut keys = vec![("listen", addresses(listen)), ("hsts", Some(Value::Boolean(*hsts)))];
    keys.extend(match method {
        HttpsMethod::Files { certificate, key } => {
            vec![("method", string("files")), ("certificate", path(certificate)), ("key", path(key))]
        }
        HttpsMethod::Acme { email, domains, directory, directory_ca } => vec![
            ("method", string("acme")),
            ("email", string(email)),
            ("domains", list(domains.iter().cloned())),
            ("directory", directory.as_ref().and_then(string)),
            ("directory_ca", directory_ca.as_deref().and_then(path)),
        ],
        HttpsMethod::Lan { domains } if domains.is_empty() => vec![("method", string("lan")), ("domains", None)],
        HttpsMethod::Lan { domains } => vec![("method", string("lan")), ("domains", list(domains.iter().cloned()))],
    });
    keys
}

fn provider_keys(provider: &Provider) -> [Key; 11] {
    let Provider {
        title,
        issuer,
        client_id,
        client_secret_file,
        scopes,
        username_claim,
        groups_claim,
        allow_domains,
        allow_groups,
        enrol,
    } = provider;
    let rule = |rule: &Option<Vec<String>>| rule.as_ref().and_then(|rule| list(rule.iter().cloned()));
    [
        ("type", string("oidc")),
        ("title", string(title)),
        ("issuer", string(issuer)),
        ("client_id", string(client_id)),
        ("client_secret_file", client_secret_file.as_ref().and_then(|path| string(path.to_string_lossy()))),
        ("scopes", list(scopes.iter().cloned())),
        ("username_claim", string(username_claim)),
        ("groups_claim", string(groups_claim)),
        ("allow_domains", rule(allow_domains)),
        ("allow_groups", rule(allow_groups)),
        ("enrol", Some(Value::Boolean(*enrol))),
    ]
}

fn pam_keys(pam: &Pam) -> [Key; 5] {
    let Pam { login: _, title, allow_groups, enrol, allow_privileged } = pam;
    [
        ("type", string("pam")),
        ("title", string(title)),
        ("allow_groups", allow_groups.as_ref().and_then(|groups| list(groups.iter().cloned()))),
        ("enrol", Some(Value::Boolean(*enrol))),
        ("allow_privileged", list(allow_privileged.iter().cloned())),
    ]
}

fn roles_keys(roles: &Roles) -> [Key; 5] {
    let Roles { admins, teachers, helpers, blocked, host_operators } = roles;
    let people = |people: &[crate::accounts::Username]| list(people.iter().map(ToString::to_string));
    [
        ("admins", people(admins)),
        ("teachers", people(teachers)),
        ("helpers", people(helpers)),
        ("blocked", people(blocked)),
        ("host_operators", list(host_operators.iter().cloned())),
    ]
}

fn limits_keys(limits: &Limits) -> [Key; 6] {
    let Limits { memory, swap, cpu_quota, cpu_weight, tasks, network } = limits;
    [
        ("memory", string(write_bytes(*memory))),
        ("swap", string(write_bytes(*swap))),
        ("cpu_quota", cpu_quota.map(Value::Float)),
        ("cpu_weight", integer(*cpu_weight)),
        ("tasks", integer(*tasks)),
        ("network", Some(Value::Boolean(*network))),
    ]
}

/// The limits that somebody has, without those that are as everybody's.
fn overrides(text: &mut String, table: &str, limits: &LimitOverrides) {
    let LimitOverrides { memory, swap, cpu_quota, cpu_weight, tasks, network } = limits;
    let keys: [Key; 6] = [
        ("memory", memory.and_then(|memory| string(write_bytes(memory)))),
        ("swap", swap.and_then(|swap| string(write_bytes(swap)))),
        ("cpu_quota", cpu_quota.map(Value::Float)),
        ("cpu_weight", cpu_weight.and_then(integer)),
        ("tasks", tasks.and_then(integer)),
        ("network", network.map(Value::Boolean)),
    ];
    let said: Vec<Key> = keys.into_iter().filter(|(_, value)| value.is_some()).collect();
    section(text, &format!("{table}.limits"), &said);
}

fn accounts_keys(accounts: &Accounts) -> [Key; 4] {
    let Accounts { prefix, homes, most, most_per_hour } = accounts;
    [
        ("prefix", string(prefix)),
        ("homes", string(homes.to_string_lossy())),
        ("most", integer(*most as u64)),
        ("most_per_hour", integer(*most_per_hour as u64)),
    ]
}

fn servers_keys(servers: &Servers) -> [Key; 5] {
    let Servers { default_app, idle_timeout, start_timeout, stop_timeout, concurrent_starts } = servers;
    let app = match default_app {
        DefaultApp::Lab => "lab",
        DefaultApp::Notebook => "notebook",
    };
    [
        ("default_app", string(app)),
        ("idle_timeout", string(idle_timeout.map_or_else(|| "off".to_owned(), write_duration))),
        ("start_timeout", string(write_duration(*start_timeout))),
        ("stop_timeout", string(write_duration(*stop_timeout))),
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

#[cfg(test)]
mod tests {
    use super::super::parse;

    const FULL: &str = r#"[hub]
name = "Statistics \"A\""
url = "https://hub.example.org"
announcement = "No hub on Friday."

[http]
listen = ["0.0.0.0:80", "[::1]:8000"]
proxy_group = "www-data"

[https]
listen = ["[::]:443"]
hsts = false
method = "files"
certificate = "/etc/ssl/hub.pem"
key = "/etc/ssl/hub.key"

[login]
sign_up = "closed"

[login.school]
type = "oidc"
title = "School"
issuer = "https://id.example.org/realms/school"
client_id = "hub"
client_secret_file = "/etc/hubd/secrets/school"
scopes = ["openid", "groups"]
username_claim = "uid"
groups_claim = "roles"
allow_domains = ["school.example"]
allow_groups = ["physics"]
enrol = true

[login.staff]
type = "pam"
title = "Password of the university"
allow_groups = ["physics", "maths"]
enrol = true
allow_privileged = ["grace"]

[roles]
admins = ["ada", "bob"]
teachers = ["grace"]
helpers = []
blocked = ["mallory"]
host_operators = ["debian"]

[groups.lab]
members = ["ada", "eve"]

[groups.lab.limits]
memory = "4G"
network = false

[users."ada.lovelace".limits]
cpu_quota = 1.5
tasks = 2000

[accounts]
prefix = "class-"
homes = "/srv/homes"
most = 300
most_per_hour = 60

[limits]
memory = "1536M"
swap = "1000"
cpu_quota = 2.0
cpu_weight = 50
tasks = 700
network = true

[servers]
default_app = "notebook"
idle_timeout = "off"
start_timeout = "90s"
stop_timeout = "15s"
concurrent_starts = 3

[sessions]
lifetime = "36h"

[machine]
reserve = "512M"
denied_addresses = ["169.254.169.254", "10.0.0.0/8"]

[environment]
packages = ["pandas>=2"]
keep = 5
apt = ["r-cran-irkernel"]
apt_by_admins = true
index_url = "https://ada:secret@mirror.example.org/simple/"
extra_index_urls = ["file:///srv/index/"]
conda_channels = ["conda-forge"]
conda_channel_alias = "https://conda.anaconda.org"

[environment.kernels.pytorch]
packages = ["torch==2.9.*"]

[environment.kernels.r]
packages = []
conda = ["r-base>=4.4", "r-irkernel"]
channels = ["conda-forge", "file:///srv/own"]

[upgrade]
source = "https://downloads.example.org/hubd"
channel = "testing"
automatic = true
window = "22:30-04:00"
max_online = 2

[backup]
repository = "sftp:backup@nas.example.org:/srv/hubd"
password_file = "/etc/hubd/own.password"
enabled = false
at = "22:15"
keep_daily = 3
keep_weekly = 2
keep_monthly = 1
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
