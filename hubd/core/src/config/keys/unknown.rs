//! What to say about a name that is not a key: what it is called here, that it is still to come, or what is near.

use super::{TABLES, table_of};
use crate::config::diagnostic::Words;

/// What people who come from elsewhere type, and what to do instead: a key of ours, or a whole sentence.
const RENAMED: &[(&str, &str)] = &[
    ("limit", "limits"),
    ("limit.memory", "limits.memory"),
    ("limit.cpu", "limits.cpu_quota"),
    ("limits.mem", "limits.memory"),
    ("limits.mem_limit", "limits.memory"),
    ("limits.memory_max", "limits.memory"),
    ("limits.ram", "limits.memory"),
    ("limits.cpu", "limits.cpu_quota"),
    ("limits.cpus", "limits.cpu_quota"),
    ("limits.cores", "limits.cpu_quota"),
    ("limits.cpu_limit", "limits.cpu_quota"),
    ("limits.cpu_shares", "limits.cpu_weight"),
    ("limits.processes", "limits.tasks"),
    ("limits.pids", "limits.tasks"),
    ("limits.internet", "limits.network"),
    ("users.admin", "roles.admins"),
    ("users.admins", "roles.admins"),
    ("users.banned", "roles.blocked"),
    ("users.blocked", "roles.blocked"),
    ("users.allowed", "who is enrolled is not part of this file: sudo hubctl user add NAME"),
    ("users.extra_user_groups", "groups of the machine are not part of this file; [groups.NAME] is for limits"),
    ("roles.admin", "roles.admins"),
    ("roles.administrators", "roles.admins"),
    ("roles.teacher", "roles.teachers"),
    ("roles.instructors", "roles.teachers"),
    ("roles.helper", "roles.helpers"),
    ("roles.assistants", "roles.helpers"),
    ("roles.banned", "roles.blocked"),
    ("roles.block", "roles.blocked"),
    ("roles.operators", "roles.host_operators"),
    ("roles.sudo", "roles.host_operators"),
    ("roles.users", "who is enrolled is not part of this file: sudo hubctl user add NAME"),
    ("admin", "roles"),
    ("admins", "roles.admins"),
    ("group", "groups"),
    ("user", "users"),
    ("http.port", "the port is part of the address: listen = [\"0.0.0.0:8000\"]"),
    ("http.address", "http.listen"),
    ("http.bind", "http.listen"),
    ("https.enabled", "HTTPS is on as soon as [https] says where the certificate comes from; `method` says how"),
    ("https.port", "the port is part of the address: listen = [\"0.0.0.0:8443\"]"),
    ("https.address", "https.listen"),
    ("https.cert", "https.certificate"),
    ("https.tls.key", "https.key"),
    ("https.tls.cert", "https.certificate"),
    ("https.letsencrypt.email", "https.email"),
    ("https.letsencrypt.domains", "https.domains"),
    ("https.letsencrypt.staging", "https.directory"),
    ("tls", "https"),
    ("ssl", "https"),
    ("services.cull.enabled", "servers.idle_timeout"),
    ("services.cull.timeout", "servers.idle_timeout"),
    ("services.cull.every", "idle servers are looked for all the time; `idle_timeout` under [servers] says what is idle"),
    ("services.cull.max_age", "servers are stopped when idle, however old; see `idle_timeout` under [servers]"),
    ("services.cull.concurrency", "idle servers are stopped one by one; `idle_timeout` under [servers] says what is idle"),
    ("services.cull.users", "people are never taken off the list automatically; `idle_timeout` under [servers] stops servers"),
    ("servers.timeout", "servers.idle_timeout"),
    ("servers.cull", "servers.idle_timeout"),
    ("servers.cull_timeout", "servers.idle_timeout"),
    ("servers.default_url", "servers.default_app"),
    ("servers.app", "servers.default_app"),
    ("server", "servers"),
    ("user_environment.default_app", "servers.default_app"),
    ("user_environment", "environment"),
    ("auth.type", "people log in with a password here; who may enrol is `sign_up` under [login]"),
    ("auth", "login"),
    ("base_url", BASE),
    ("hub.base_url", BASE),
    ("hub.base_path", BASE),
    ("c.JupyterHub.base_url", BASE),
    ("http.trusted_proxies", "only the web server of `proxy_group` under [http] is believed, over a socket of its own"),
    ("hub.title", "hub.name"),
    ("hub.message", "hub.announcement"),
    ("hub.motd", "hub.announcement"),
    ("login.signup", "login.sign_up"),
    ("login.open_signup", "login.sign_up"),
    ("session", "sessions"),
    ("sessions.timeout", "sessions.lifetime"),
    ("machine.reserved", "machine.reserve"),
    ("account", "accounts"),
    ("accounts.home", "accounts.homes"),
    ("env", "environment"),
    ("environment.requirements", "environment.packages"),
    ("environment.pip", "environment.packages"),
    ("environment.channels", "environment.conda_channels"),
    ("environment.channel_alias", "environment.conda_channel_alias"),
    ("environment.conda", "conda packages make a kernel of their own: conda = [...] under [environment.kernels.NAME]"),
    ("c.Spawner.mem_limit", "limits.memory"),
    ("c.Spawner.cpu_limit", "limits.cpu_quota"),
    ("c.Spawner.default_url", "servers.default_app"),
    ("c.Spawner.start_timeout", "servers.start_timeout"),
    ("c.JupyterHub.bind_url", "http.listen"),
    ("c.JupyterHub.ip", "http.listen"),
    ("c.JupyterHub.port", "http.listen"),
    ("c.JupyterHub.ssl_cert", "https.certificate"),
    ("c.JupyterHub.ssl_key", "https.key"),
    ("c.JupyterHub.concurrent_spawn_limit", "servers.concurrent_starts"),
    ("c.Authenticator.admin_users", "roles.admins"),
    ("c.Authenticator.blocked_users", "roles.blocked"),
    ("c.Authenticator.allowed_users", "who is enrolled is not part of this file: sudo hubctl user add NAME"),
    ("c", "this is a line of jupyterhub_config.py; docs/reference/config.md has the keys of this file"),
];

const BASE: &str = "the path is part of the hub's address, as in url = \"https://www.example.org/jupyter\" under [hub]";

/// Keys and tables that are planned, so that nobody looks for a typing error.
const LATER: &[&str] = &["login.methods"];

/// Values that are planned: the key, and the value as written in the file.
const LATER_VALUES: &[(&str, &str)] = &[("login.sign_up", "\"open\"")];

/// Whether `value`, as the file would write it, of the key at `path` is planned, and not in this version.
pub(in crate::config) fn not_in_this_version(path: &str, value: &str) -> bool {
    LATER_VALUES.contains(&(path, value))
}

/// Whether `path` itself has a successor.
pub(in crate::config) fn has_successor(path: &str) -> bool {
    RENAMED.iter().any(|(old, _)| *old == path)
}

/// Whether something below `path` has a successor of its own.
pub(in crate::config) fn has_successors(path: &str) -> bool {
    RENAMED.iter().any(|(old, _)| old.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// What to say about `name` in `table` (empty: at the top of the file), which is not a key there; `is_table`: nor a table.
pub(in crate::config) fn unknown(table: &str, name: &str, is_table: bool) -> Words {
    let path = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
    let written = path.escape_debug().to_string();
    if LATER.contains(&path.as_str()) {
        let hint = Some("remove it: this version can't do that yet".to_owned());
        return Words { kind: "not_in_this_version", message: format!("`{written}` is not in this version of hubd"), hint };
    }
    // What is below a name is the same for every name.
    let general = if table.ends_with(".limits") { format!("limits.{name}") } else { path.clone() };
    if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == general) {
        return renamed(table, &path, new);
    }
    let elsewhere = || TABLES.iter().find(|known| !known.name.contains("NAME") && known.keys.iter().any(|key| key.name == name));
    let known = if table.is_empty() { top() } else { table_of(table).map_or(Vec::new(), |known| names(known.keys)) };
    if !table.is_empty() && table_of(table).is_none() {
        let message = format!("`{written}` is not a key of this hub");
        let hint = Some("docs/reference/config.md has all keys".to_owned());
        return Words { kind: "unknown_key", message, hint };
    }
    let hint = match (nearest(name, &known), elsewhere()) {
        (Some(near), _) if table.is_empty() => format!("did you mean [{near}]?"),
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, Some(table)) if !is_table => format!("`{name}` belongs under [{}]", table.name),
        (None, _) if table.is_empty() => format!("the tables are {}", listed(&known)),
        (None, _) => format!("the keys here are {}", listed(&known)),
    };
    let message = match (table, is_table) {
        ("", true) => format!("there is no table [{written}]"),
        ("", false) => format!("there is no key `{written}` outside of a table"),
        _ => format!("`{}` is not a key of [{}]", name.escape_debug(), table.escape_debug()),
    };
    Words { kind: "unknown_key", message, hint: Some(hint) }
}

fn renamed(table: &str, path: &str, new: &str) -> Words {
    let (message, hint) = match new.rsplit_once('.') {
        _ if new.contains(' ') => (format!("`{path}` is not a key of this hub"), new.to_owned()),
        // A successor that is still to come: say that at once.
        _ if LATER.contains(&new) => {
            return Words {
                kind: "not_in_this_version",
                message: format!("`{path}` is not in this version of hubd"),
                hint: Some(format!("it will be called `{new}`; take it out until then")),
            };
        }
        None => (format!("there is no table [{path}]"), format!("it is called [{new}] here")),
        Some((_, key)) if table.ends_with(".limits") => {
            (format!("`{path}` is not a key of this hub"), format!("it is called `{key}` here"))
        }
        Some((home, key)) if home == table => {
            (format!("`{path}` is not a key of this hub"), format!("it is called `{key}` here"))
        }
        Some((home, key)) => {
            (format!("`{path}` is not a key of this hub"), format!("it is called `{key}` here, and belongs under [{home}]"))
        }
    };
    Words { kind: "renamed", message, hint: Some(hint) }
}

/// The first parts of all tables.
fn top() -> Vec<&'static str> {
    let mut names: Vec<&str> = TABLES.iter().filter_map(|table| table.name.split('.').next()).collect();
    names.dedup();
    names
}

fn names(keys: &[super::Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The known name that differs least, if that is little enough to be a typing error.
pub(in crate::config) fn nearest<'known>(name: &str, known: &[&'known str]) -> Option<&'known str> {
    let typed = name.to_lowercase().replace('-', "_");
    let most = (typed.chars().count() / 3).clamp(1, 3);
    let near = known.iter().map(|candidate| (distance(&typed, candidate), *candidate)).min();
    near.filter(|(distance, _)| *distance <= most).map(|(_, candidate)| candidate)
}

/// How many letters have to be put in, taken out, exchanged or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(40).collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let change = last[column] + usize::from(letter != wanted);
            let mut least = change.min(last[column + 1] + 1).min(next[column] + 1);
            if row > 0 && column > 0 && one[row - 1] == *wanted && other[column - 1] == *letter {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::*;

    #[test]
    fn typing_errors_have_a_nearest_name() {
        let known = ["memory", "swap", "tasks", "cpu_quota"];
        for (typed, near) in [("memroy", "memory"), ("MEMORY", "memory"), ("cpu-quota", "cpu_quota"), ("task", "tasks")] {
            assert_eq!(nearest(typed, &known), Some(near), "{typed}");
        }
        for typed in ["banana", "x", "", "quota"] {
            assert_eq!(nearest(typed, &known), None, "{typed}");
        }
    }

    #[test]
    fn successors_exist() {
        for (old, new) in RENAMED {
            let exists = new.contains(' ') || LATER.contains(new) || find(new).is_some() || top().contains(new);
            assert!(exists, "{old} is said to be called {new}");
            assert!(
                find(old).is_none() && table_of(old).is_none_or(|table| ["users.NAME", "login.NAME"].contains(&table.name)),
                "{old} is a key"
            );
        }
        for path in LATER {
            assert!(find(path).is_none() && !top().contains(path), "{path} is in this version");
        }
        for (path, _) in LATER_VALUES {
            assert!(find(path).is_some(), "{path} is not a key");
        }
    }
}
