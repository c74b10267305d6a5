//! Which keys somebody inside the hub may read and change, and with which role; operators may what administrators may. What is
//! not named here is changed by root only: paths, commands, addresses, unix accounts and groups, roles, rules about logging in,
//! indexes, certificates, listeners, denied addresses, the reserve. A new key is root's before somebody decided otherwise.

use super::super::edit::KeyPath;
use super::super::{Config, Role};
use super::{find, table_of};
use crate::requester::Requester;

/// Keys that may be changed inside, by table and name (`*`: every key of the table), and the lowest role that may.
const CHANGEABLE: &[(&str, &str, Role)] = &[
    ("hub", "name", Role::Admin),
    ("hub", "announcement", Role::Teacher),
    ("groups.NAME", "members", Role::Admin),
    ("groups.NAME.limits", "*", Role::Admin),
    ("users.NAME.limits", "*", Role::Admin),
    ("limits", "*", Role::Admin),
    ("servers", "*", Role::Admin),
];

/// Tables that everybody with a role may read; administrators read the others, too.
const ABOUT_PEOPLE: &[&str] = &["hub", "groups.NAME", "groups.NAME.limits", "users.NAME.limits", "limits", "servers"];

/// Keys that may hold a password or a token, in an address: read on the machine only.
const SECRET: &[(&str, &str)] = &[
    ("environment", "index_url"),
    ("environment", "extra_index_urls"),
    ("environment", "conda_channels"),
    ("environment", "conda_channel_alias"),
    ("environment.kernels.NAME", "channels"),
    ("upgrade", "source"),
    ("backup", "repository"),
];

/// The lowest role that may change the key at `path` from inside the hub; `None`: it is changed on the machine.
pub fn may_change(path: &str) -> Option<Role> {
    let (table, key) = (table_of(path.rsplit_once('.')?.0)?, find(path)?);
    let is_it = |(of, name, _): &&(&str, &str, Role)| *of == table.name && (*name == "*" || *name == key.name);
    CHANGEABLE.iter().find(is_it).map(|(_, _, role)| *role)
}

/// The lowest role that may read the key at `path` inside the hub; `None`: it is read on the machine.
pub fn may_read(path: &str) -> Option<Role> {
    let (table, key) = (table_of(path.rsplit_once('.')?.0)?, find(path)?);
    if SECRET.contains(&(table.name, key.name)) {
        return None;
    }
    Some(if ABOUT_PEOPLE.contains(&table.name) { Role::Helper } else { Role::Admin })
}

/// Whether `key` is a whole group, which can be taken away with its members and limits.
fn is_group(key: &KeyPath) -> bool {
    matches!(key.parts(), [table, _] if table == "groups")
}

/// Whether `config`, which is root's, lets `requester` change `key`, or take the group away that it names.
///
/// # Errors
/// Why not, and who may.
pub fn granted(config: &Config, requester: &Requester, key: &KeyPath) -> Result<(), String> {
    let least = if is_group(key) { Some(Role::Admin) } else { may_change(&key.parts().join(".")) };
    let name = match requester {
        Requester::Person(name) => name,
        Requester::Operator(account) if !config.roles.host_operators.contains(account) => {
            return Err(format!("{account} is not an operator of this hub"));
        }
        Requester::Operator(_) if least.is_none() => return Err(format!("changing `{key}` needs full root on this machine")),
        Requester::Operator(_) => return Ok(()),
    };
    let role = if config.is_blocked(name) { Role::Student } else { config.role_of(name) };
    match least {
        None => Err(format!("`{key}` is changed on the machine only")),
        Some(least) if role >= least => Ok(()),
        Some(Role::Admin) => Err(format!("`{key}` is changed by administrators, and {name} is a {role}")),
        Some(_) => Err(format!("`{key}` is changed by teachers and administrators, and {name} is a {role}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::TABLES;
    use super::*;

    /// Every key of the table that somebody inside may change; all others are the host's.
    const EXPECTED: &[(&str, Role)] = &[
        ("hub.name", Role::Admin),
        ("hub.announcement", Role::Teacher),
        ("groups.NAME.members", Role::Admin),
        ("groups.NAME.limits.memory", Role::Admin),
        ("groups.NAME.limits.swap", Role::Admin),
        ("groups.NAME.limits.cpu_quota", Role::Admin),
        ("groups.NAME.limits.cpu_weight", Role::Admin),
        ("groups.NAME.limits.tasks", Role::Admin),
        ("groups.NAME.limits.network", Role::Admin),
        ("users.NAME.limits.memory", Role::Admin),
        ("users.NAME.limits.swap", Role::Admin),
        ("users.NAME.limits.cpu_quota", Role::Admin),
        ("users.NAME.limits.cpu_weight", Role::Admin),
        ("users.NAME.limits.tasks", Role::Admin),
        ("users.NAME.limits.network", Role::Admin),
        ("limits.memory", Role::Admin),
        ("limits.swap", Role::Admin),
        ("limits.cpu_quota", Role::Admin),
        ("limits.cpu_weight", Role::Admin),
        ("limits.tasks", Role::Admin),
        ("limits.network", Role::Admin),
        ("servers.default_app", Role::Admin),
        ("servers.idle_timeout", Role::Admin),
        ("servers.start_timeout", Role::Admin),
        ("servers.stop_timeout", Role::Admin),
        ("servers.concurrent_starts", Role::Admin),
    ];

    fn person(name: &str) -> Requester {
        Requester::Person(name.parse().unwrap())
    }

    fn every_key() -> Vec<String> {
        TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| format!("{}.{}", table.name, key.name))).collect()
    }

    #[test]
    fn every_key_is_changed_by_whom_it_says() {
        let config = "[roles]\nadmins = [\"ada\", \"olga\"]\nteachers = [\"tess\"]\nhelpers = [\"hugo\"]\n";
        let config = super::super::super::parse(config, "").unwrap();
        let mut found = Vec::new();
        for key in every_key() {
            let path: KeyPath = key.parse().unwrap();
            let may: Vec<&str> = ["ada", "tess", "hugo", "bob"]
                .into_iter()
                .filter(|name| granted(&config, &person(name), &path).is_ok())
                .collect();
            match may[..] {
                [] => assert_eq!(may_change(&key), None, "{key}"),
                ["ada"] => found.push((key, Role::Admin)),
                ["ada", "tess"] => found.push((key, Role::Teacher)),
                _ => panic!("{may:?} may change {key}"),
            }
        }
        let found: Vec<(&str, Role)> = found.iter().map(|(key, role)| (key.as_str(), *role)).collect();
        assert_eq!(found, EXPECTED);
    }

    #[test]
    fn a_whole_group_is_an_administrators() {
        let config = "[roles]\nadmins = [\"ada\"]\nteachers = [\"tess\"]\n[groups.lab]\nmembers = [\"bob\"]\n";
        let config = super::super::super::parse(config, "").unwrap();
        let may = |name: &str, key: &[&str]| granted(&config, &person(name), &KeyPath::new(key.iter().copied())).is_ok();
        assert!(may("ada", &["groups", "lab"]) && may("ada", &["groups", "year.2"]));
        assert!(!may("tess", &["groups", "lab"]));
        for key in
            [&["groups"][..], &["roles", "admins"], &["users", "bob"], &["http", "listen"], &["groups", "lab", "members", "x"]]
        {
            assert!(!may("ada", key), "{key:?}");
        }
    }

    #[test]
    fn who_is_kept_out_changes_nothing() {
        let config = "[roles]\nadmins = [\"ada\"]\nteachers = [\"tess\"]\nblocked = [\"tess\"]\n";
        let config = super::super::super::parse(config, "").unwrap();
        let key = "hub.announcement".parse().unwrap();
        assert!(granted(&config, &person("ada"), &key).is_ok());
        assert!(granted(&config, &person("tess"), &key).is_err());
    }

    #[test]
    fn operators_change_what_administrators_change_as_long_as_they_are_some() {
        let config = "[roles]\nadmins = [\"ada\"]\nhost_operators = [\"opal\"]\n";
        let config = super::super::super::parse(config, "").unwrap();
        let operator = |account: &str| Requester::Operator(account.to_owned());
        for key in every_key() {
            let path: KeyPath = key.parse().unwrap();
            let may = granted(&config, &operator("opal"), &path);
            assert_eq!(may.is_ok(), granted(&config, &person("ada"), &path).is_ok(), "{key}");
            if let Err(why) = may {
                assert_eq!(why, format!("changing `{path}` needs full root on this machine"));
            }
            // An account and a person of the same name are two.
            for other in [operator("ada"), operator("sten"), person("opal")] {
                assert!(granted(&config, &other, &path).is_err(), "{other} changes {key}");
            }
        }
    }

    #[test]
    fn what_may_hold_a_secret_is_read_by_nobody_inside() {
        let unread: Vec<String> = every_key().into_iter().filter(|key| may_read(key).is_none()).collect();
        let expected = [
            "environment.index_url",
            "environment.extra_index_urls",
            "environment.conda_channels",
            "environment.conda_channel_alias",
            "environment.kernels.NAME.channels",
            "upgrade.source",
            "backup.repository",
        ];
        assert_eq!(unread, expected);
        assert_eq!((may_read("limits.memory"), may_read("http.listen")), (Some(Role::Helper), Some(Role::Admin)));
    }
}
