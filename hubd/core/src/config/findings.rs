//! What a valid configuration says that this machine, or the people on it, do not bear out: more memory than there is, limits
//! for a name that no one has. Pure: what is known of the machine in, findings out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::keys::nearest;
use super::{Config, LimitOverrides, format_bytes, write_bytes};
use crate::accounts::Username;
use crate::accounts::homes::is_in_reach;

/// Less than this for all students together, and no server starts.
const LEAST_FOR_STUDENTS: u64 = 128 << 20;
/// Names that are listed.
const SHOWN: usize = 5;

/// What is known of the machine; what can't be found out is `None`, and nothing is said about it.
#[derive(Clone, Copy)]
pub struct Reality<'a> {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of swap.
    pub swap: Option<u64>,
    /// Processors.
    pub cores: Option<usize>,
    /// Everybody who is enrolled.
    pub people: Option<&'a BTreeSet<Username>>,
    /// What of people's homes others than root get to.
    pub homes: &'a HomesInReach,
    /// Whether there is such a unix account.
    pub has_account: &'a dyn Fn(&str) -> bool,
    /// Whether there is such a unix group.
    pub has_group: &'a dyn Fn(&str) -> bool,
}

/// Homes that programs outside of the sandbox get to, which may obey what lies there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HomesInReach {
    /// Whether homes to come will be among them.
    pub to_come: bool,
    /// Those that are there.
    pub there: Vec<PathBuf>,
}

impl HomesInReach {
    /// Looks at this machine; `homes` are those of accounts that there are.
    pub fn probe(config: &Config, mut homes: Vec<PathBuf>) -> Self {
        homes.retain(|home| home.parent().is_some_and(is_in_reach));
        Self { to_come: is_in_reach(&config.accounts.homes), there: homes }
    }
}

/// Something the configuration says that is not so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The key, as in `limits.memory`.
    pub key: String,
    /// The line that says it, counted from 1.
    pub line: Option<usize>,
    /// What is the matter; a sentence without its period.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether no server could start.
    pub is_fatal: bool,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.line.map_or_else(String::new, |line| format!(" (line {line})"));
        write!(formatter, "`{}`{line}: {}; {}", self.key, self.what, self.remedy)
    }
}

/// Everything in `config` that is not as it says.
pub fn findings(config: &Config, reality: &Reality<'_>) -> Vec<Finding> {
    let mut search = Search { config, reality, found: Vec::new() };
    search.reserve();
    let (groups, users) = (&config.groups, &config.users);
    let everybody = LimitOverrides {
        memory: Some(config.limits.memory),
        swap: Some(config.limits.swap),
        cpu_quota: config.limits.cpu_quota,
        ..LimitOverrides::default()
    };
    search.limits("limits", &everybody);
    for (name, group) in groups {
        search.limits(&format!("groups.{name}.limits"), &group.limits);
        search.enrolled(&format!("groups.{name}.members"), group.members.iter());
    }
    for (name, user) in users {
        search.limits(&format!("users.{name}.limits"), &user.limits);
    }
    search.enrolled("users", users.keys());
    let roles = &config.roles;
    for (key, names) in [
        ("roles.admins", &roles.admins),
        ("roles.teachers", &roles.teachers),
        ("roles.helpers", &roles.helpers),
        ("roles.blocked", &roles.blocked),
    ] {
        search.enrolled(key, names.iter());
    }
    search.accounts();
    search.homes();
    search.found
}

struct Search<'a> {
    config: &'a Config,
    reality: &'a Reality<'a>,
    found: Vec<Finding>,
}

impl Search<'_> {
    fn note(&mut self, key: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>, is_fatal: bool) {
        let key = key.into();
        let line = self.config.places.line(&key);
        self.found.push(Finding { key, line, what: what.into(), remedy: remedy.into(), is_fatal });
    }

    fn reserve(&mut self) {
        let (Some(reserve), Some(memory)) = (self.config.machine.reserve, self.reality.memory) else { return };
        if memory.saturating_sub(reserve) < LEAST_FOR_STUDENTS {
            let what = format!(
                "{} are kept from students, and the machine has {}, so no server could start",
                write_bytes(reserve),
                format_bytes(memory)
            );
            self.note("machine.reserve", what, "without this line the hub keeps an eighth", true);
        }
    }

    /// The limits of one table, where the file says them.
    fn limits(&mut self, table: &str, limits: &LimitOverrides) {
        let Reality { memory, swap, cores, .. } = *self.reality;
        let is_said = |search: &Self, key: &str| search.config.places.line(&format!("{table}.{key}")).is_some();
        if let (Some(limit), Some(total)) = (limits.memory, memory)
            && limit > self.config.users_memory(total)
            && is_said(self, "memory")
        {
            let all = format_bytes(self.config.users_memory(total));
            let what = format!(
                "{} for one person, but all students together have {all} on this machine ({} less the reserve)",
                write_bytes(limit),
                format_bytes(total)
            );
            self.note(format!("{table}.memory"), what, "whoever reaches that first ends the others' programs", false);
        }
        if let (Some(limit), Some(total)) = (limits.swap, swap)
            && limit > total
            && is_said(self, "swap")
        {
            let there = if total == 0 { "no swap".to_owned() } else { format!("{} of it", format_bytes(total)) };
            let what = format!("{} of swap, but the machine has {there}", write_bytes(limit));
            self.note(format!("{table}.swap"), what, "add swap to the machine, or lower it", false);
        }
        if let (Some(quota), Some(cores)) = (limits.cpu_quota, cores)
            && quota > cores as f64
            && is_said(self, "cpu_quota")
        {
            let what = format!("{quota} processors, but the machine has {cores}");
            self.note(format!("{table}.cpu_quota"), what, "it limits no one", false);
        }
    }

    /// Names that no one has who is enrolled.
    fn enrolled<'name>(&mut self, key: &str, names: impl Iterator<Item = &'name Username>) {
        let Some(people) = self.reality.people else { return };
        let missing: Vec<&str> = names.filter(|name| !people.contains(*name)).map(Username::as_str).collect();
        let known: Vec<&str> = people.iter().map(Username::as_str).collect();
        match missing.as_slice() {
            [] => {}
            [name] => {
                let remedy = match nearest(name, &known) {
                    Some(near) => format!("did you mean {near}? Otherwise it counts once they are: hubctl user add {name}"),
                    None => format!("it counts once they are: hubctl user add {name}"),
                };
                self.note(key, format!("{name} is not enrolled"), remedy, false);
            }
            [..] => {
                let more = if missing.len() > SHOWN { format!(" and {} more", missing.len() - SHOWN) } else { String::new() };
                let shown = missing[..missing.len().min(SHOWN)].join(", ");
                self.note(key, format!("{shown}{more} are not enrolled"), "it counts once they are: hubctl user add", false);
            }
        }
    }

    fn homes(&mut self) {
        const WHY: &str =
            "a mail server on this machine that obeys `~/.forward` runs there what students write, outside of their sandboxes";
        let HomesInReach { to_come, there } = self.reality.homes;
        if *to_come {
            let place = self.config.accounts.homes.display();
            let what = format!("new homes would be in a directory that others than root can enter (`{place}`): {WHY}");
            let remedy = format!("if there is nothing else in it: sudo chmod 0700 {place}; else name a directory of its own");
            self.note("accounts.homes", what, remedy, false);
        }
        if let [first, others @ ..] = there.as_slice() {
            let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            let what = format!("homes are in a directory that others than root can enter (`{}`{more}): {WHY}", first.display());
            self.note("accounts.homes", what, "docs/howto/move.md says how to move them", false);
        }
    }

    fn accounts(&mut self) {
        let missing: Vec<&String> =
            self.config.roles.host_operators.iter().filter(|name| !(self.reality.has_account)(name)).collect();
        for name in missing {
            self.note("roles.host_operators", format!("this machine has no account `{name}`"), "sudo adduser makes one", false);
        }
        if let Some(group) = self.config.http.proxy_group.as_ref().filter(|group| !(self.reality.has_group)(group)) {
            self.note("http.proxy_group", format!("this machine has no group `{group}`"), "install the web server first", false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let people: BTreeSet<Username> = ["ada", "sam"].iter().map(|name| name.parse().unwrap()).collect();
        let reality = Reality {
            memory: Some(24 << 30),
            swap: Some(0),
            cores: Some(4),
            people: Some(&people),
            homes: &HomesInReach::default(),
            has_account: &|name| name == "debian",
            has_group: &|name| name == "www-data",
        };
        findings(&parse(text, "config.toml").unwrap(), &reality).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_machine_does_not_have_is_found() {
        for (text, expected) in [
            (
                "[limits]\nmemory = \"40G\"\n",
                "`limits.memory` (line 2): 40G for one person, but all students together have 21 GB on this machine \
                 (24 GB less the reserve); whoever reaches that first ends the others' programs",
            ),
            (
                "[machine]\nreserve = \"32G\"\n",
                "`machine.reserve` (line 2): 32G are kept from students, and the machine has 24 GB, so no server could start; \
                 without this line the hub keeps an eighth",
            ),
            (
                "[groups.lab]\nmembers = [\"ada\"]\nlimits = { swap = \"1G\" }\n",
                "`groups.lab.limits.swap` (line 3): 1G of swap, but the machine has no swap; add swap to the machine, or lower it",
            ),
            (
                "[users.ada.limits]\ncpu_quota = 8\n",
                "`users.ada.limits.cpu_quota` (line 2): 8 processors, but the machine has 4; it limits no one",
            ),
            (
                "[roles]\nhost_operators = [\"debina\"]\n",
                "`roles.host_operators` (line 2): this machine has no account `debina`; sudo adduser makes one",
            ),
            (
                "[http]\nproxy_group = \"nginx\"\n",
                "`http.proxy_group` (line 2): this machine has no group `nginx`; install the web server first",
            ),
        ] {
            assert_eq!(found(text), [expected]);
        }
        for text in ["", "[limits]\nmemory = \"8G\"\n[machine]\nreserve = \"2G\"\n[roles]\nhost_operators = [\"debian\"]\n"] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn names_that_no_one_has_are_found() {
        assert_eq!(
            found("[users.samm.limits]\nmemory = \"2G\"\n"),
            ["`users`: samm is not enrolled; did you mean sam? Otherwise it counts once they are: hubctl user add samm"]
        );
        assert_eq!(
            found("[roles]\nteachers = [\"grace\"]\nadmins = [\"ada\"]\n"),
            ["`roles.teachers` (line 2): grace is not enrolled; it counts once they are: hubctl user add grace"]
        );
        assert_eq!(
            found("[groups.b]\nmembers = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"sam\"]\n"),
            ["`groups.b.members` (line 2): a, b, c, d, e and 1 more are not enrolled; it counts once they are: hubctl user add"]
        );
    }

    fn nothing_known(homes: &HomesInReach) -> Reality<'_> {
        let (has_account, has_group) = (&|_: &str| true, &|_: &str| true);
        Reality { memory: None, swap: None, cores: None, people: None, homes, has_account, has_group }
    }

    #[test]
    fn homes_that_others_get_to_are_found() {
        let config = parse("[accounts]\nhomes = \"/srv/homes\"\n", "config.toml").unwrap();
        let there = ["/home/jupyter-ada", "/home/jupyter-bob"].map(PathBuf::from).to_vec();
        let found: Vec<String> =
            findings(&config, &nothing_known(&HomesInReach { to_come: true, there })).iter().map(ToString::to_string).collect();
        assert!(
            found.len() == 2
                && found[0].starts_with(
                    "`accounts.homes` (line 2): new homes would be in a directory that others than root can enter (`/srv/homes`): "
                )
                && found[0].contains("sudo chmod 0700 /srv/homes;")
                && found[1].contains("(`/home/jupyter-ada` and 1 more)"),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        let homes = HomesInReach::default();
        let reality = nothing_known(&homes);
        let text = "[limits]\nmemory = \"40G\"\nswap = \"9G\"\n[users.x.limits]\ncpu_quota = 99\n";
        assert_eq!(findings(&parse(text, "config.toml").unwrap(), &reality), []);
    }
}
