//! What one person may do, and which lines of the configuration say so.

use serde::{Deserialize, Serialize};

use super::{Config, ExplainedLimit, GroupName, Role};
use crate::accounts::Username;

/// What the configuration says of somebody; who is enrolled is not its business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Whether it keeps this person out.
    pub blocked: bool,
    /// The line that does.
    pub blocked_line: Option<usize>,
    /// What this person may do.
    pub role: Role,
    /// The line that says so.
    pub role_line: Option<usize>,
    /// The groups this person is in.
    pub groups: Vec<Membership>,
    /// In the order of `[limits]`.
    pub limits: Vec<ExplainedLimit>,
}

/// A group somebody is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Its name.
    pub name: GroupName,
    /// The line that puts this person there.
    pub line: Option<usize>,
}

impl Config {
    /// What `name` may do, and which lines say so.
    pub fn rights_of(&self, name: &Username) -> Rights {
        let line = |what: String| self.places.line(&what);
        let role = self.role_of(name);
        let list = match role {
            Role::Admin => Some("admins"),
            Role::Teacher => Some("teachers"),
            Role::Helper => Some("helpers"),
            Role::Student => None,
        };
        let groups = self.groups.iter().filter(|(_, group)| group.members.contains(name));
        Rights {
            blocked: self.is_blocked(name),
            blocked_line: line(format!("roles.blocked[{name}]")),
            role,
            role_line: list.and_then(|list| line(format!("roles.{list}[{name}]"))),
            groups: groups
                .map(|(group, _)| Membership { name: group.clone(), line: line(format!("groups.{group}.members[{name}]")) })
                .collect(),
            limits: self.explain_limits(name),
        }
    }
}
