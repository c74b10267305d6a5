//! What one person may use: their own limits go before their groups', and those before everybody's.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Config, GroupName};
use crate::accounts::Username;
use crate::quantity;

/// `[limits]`: what everything that one person runs may use together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of swap on top.
    pub swap: u64,
    /// Processor time in cores; `None`: as much as is free.
    pub cpu_quota: Option<f64>,
    /// Share of the processors when everybody wants them (100 is the usual).
    pub cpu_weight: u64,
    /// Processes and threads.
    pub tasks: u64,
    /// Whether there is a network beyond loopback.
    pub network: bool,
}

/// Limits of a group or of one person; `None`: as for everybody else.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LimitOverrides {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of swap on top.
    pub swap: Option<u64>,
    /// Processor time in cores.
    pub cpu_quota: Option<f64>,
    /// Share of the processors.
    pub cpu_weight: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// Whether there is a network beyond loopback.
    pub network: Option<bool>,
}

/// Where a limit comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", content = "name", rename_all = "lowercase")]
pub enum Origin {
    /// The file does not say it.
    Default,
    /// `[limits]`
    Everybody,
    /// `[groups.NAME.limits]`
    Group(GroupName),
    /// `[users.NAME.limits]`
    User,
}

/// One limit of one person, and why it is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedLimit {
    /// The key, as in `[limits]`.
    pub key: String,
    /// The value as the file would say it; `unlimited` where there is none.
    pub value: String,
    /// Whose value it is.
    #[serde(flatten)]
    pub origin: Origin,
    /// The line of the file, counted from 1, where the file says it.
    pub line: Option<usize>,
}

/// A value and where it comes from.
type Source<T> = (T, Origin);

impl Config {
    /// What `name` may use.
    pub fn limits_of(&self, name: &Username) -> Limits {
        let everybody = &self.limits;
        Limits {
            memory: self.pick(name, everybody.memory, |limits| limits.memory).0,
            swap: self.pick(name, everybody.swap, |limits| limits.swap).0,
            cpu_quota: self.quota(name).0,
            cpu_weight: self.pick(name, everybody.cpu_weight, |limits| limits.cpu_weight).0,
            tasks: self.pick(name, everybody.tasks, |limits| limits.tasks).0,
            network: self.pick(name, everybody.network, |limits| limits.network).0,
        }
    }

    /// What `name` may use, each with the reason; in the order of `[limits]`.
    pub fn explain_limits(&self, name: &Username) -> Vec<ExplainedLimit> {
        let Limits { memory, swap, cpu_quota: _, cpu_weight, tasks, network } = self.limits;
        let explain = |key, (value, origin): Source<String>| self.explain(name, key, value, origin);
        let bytes = |(bytes, origin): Source<u64>| (quantity::write_bytes(bytes), origin);
        let (quota, origin) = self.quota(name);
        vec![
            explain("memory", bytes(self.pick(name, memory, |limits| limits.memory))),
            explain("swap", bytes(self.pick(name, swap, |limits| limits.swap))),
            explain("cpu_quota", (quota.map_or("unlimited".to_owned(), |cores| cores.to_string()), origin)),
            explain("cpu_weight", written(self.pick(name, cpu_weight, |limits| limits.cpu_weight))),
            explain("tasks", written(self.pick(name, tasks, |limits| limits.tasks))),
            explain("network", written(self.pick(name, network, |limits| limits.network))),
        ]
    }

    /// Whether anybody may have swap.
    pub fn has_swap(&self) -> bool {
        let groups = self.groups.values().map(|group| &group.limits);
        let own = groups.chain(self.users.values().map(|user| &user.limits));
        self.limits.swap > 0 || own.filter_map(|limits| limits.swap).any(|swap| swap > 0)
    }

    fn explain(&self, name: &Username, key: &'static str, value: String, origin: Origin) -> ExplainedLimit {
        let line = |table: &str| self.places.line(&format!("{table}limits.{key}"));
        let line = match &origin {
            Origin::User => line(&format!("users.{name}.")),
            Origin::Group(group) => line(&format!("groups.{group}.")),
            Origin::Everybody | Origin::Default => line(""),
        };
        let origin = if origin == Origin::Everybody && line.is_none() { Origin::Default } else { origin };
        ExplainedLimit { key: key.to_owned(), value, origin, line }
    }

    fn quota(&self, name: &Username) -> Source<Option<f64>> {
        self.pick(name, self.limits.cpu_quota, |limits| limits.cpu_quota.map(Some))
    }

    /// The person's own value, or the largest of their groups', or everybody's.
    fn pick<T: PartialOrd + Copy>(
        &self,
        name: &Username,
        everybody: T,
        read: impl Fn(&super::LimitOverrides) -> Option<T>,
    ) -> Source<T> {
        if let Some(own) = self.users.get(name).and_then(|user| read(&user.limits)) {
            return (own, Origin::User);
        }
        let mut largest: Option<Source<T>> = None;
        for (group, settings) in &self.groups {
            let Some(value) = read(&settings.limits).filter(|_| settings.members.contains(name)) else { continue };
            if largest.as_ref().is_none_or(|(largest, _)| value > *largest) {
                largest = Some((value, Origin::Group(group.clone())));
            }
        }
        largest.unwrap_or((everybody, Origin::Everybody))
    }
}

fn written<T: fmt::Display>((value, origin): Source<T>) -> Source<String> {
    (value.to_string(), origin)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const FILE: &str = r#"[limits]
memory = "2G"
network = false

[groups.lab]
members = ["ada", "bob"]
[groups.lab.limits]
memory = "4G"
cpu_quota = 1.5
network = true

[groups.exam]
members = ["ada", "eve"]
limits = { memory = "512M", network = false, cpu_quota = 0.5, tasks = 64 }

[users.bob.limits]
memory = "256M"
"#;

    fn limits(name: &str) -> Limits {
        parse(FILE, "config.toml").unwrap().limits_of(&name.parse().unwrap())
    }

    #[test]
    fn a_persons_own_limit_goes_before_the_groups_and_everybodys() {
        assert_eq!(limits("bob").memory, 256 << 20);
        assert_eq!(limits("bob").cpu_quota, Some(1.5));
        assert_eq!(limits("eve").memory, 512 << 20);
        assert_eq!(limits("tom").memory, 2 << 30);
        assert_eq!((limits("tom").cpu_quota, limits("tom").tasks, limits("tom").network), (None, 512, false));
    }

    #[test]
    fn of_several_groups_the_largest_value_counts_key_by_key() {
        let ada = limits("ada");
        assert_eq!((ada.memory, ada.cpu_quota, ada.tasks, ada.network), (4 << 30, Some(1.5), 64, true));
    }

    #[test]
    fn each_limit_says_where_it_comes_from() {
        let config = parse(FILE, "config.toml").unwrap();
        let explained = |name: &str| -> Vec<String> {
            let explain = |limit: ExplainedLimit| format!("{} {} {:?} {:?}", limit.key, limit.value, limit.origin, limit.line);
            config.explain_limits(&name.parse().unwrap()).into_iter().map(explain).collect()
        };
        assert_eq!(
            explained("bob"),
            [
                "memory 256M User Some(17)",
                "swap 0 Default None",
                "cpu_quota 1.5 Group(GroupName(Username(\"lab\"))) Some(9)",
                "cpu_weight 100 Default None",
                "tasks 512 Default None",
                "network true Group(GroupName(Username(\"lab\"))) Some(10)",
            ]
        );
        assert_eq!(explained("tom")[0], "memory 2G Everybody Some(2)");
    }
}
