//! The text as written: every key optional, every value with its place. Judging is `check`'s work.

use serde::Deserialize;
use toml::Spanned;

type Text = Option<Spanned<String>>;
type List = Option<Vec<Spanned<String>>>;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Document {
    pub(super) hub: Hub,
    pub(super) http: Http,
    pub(super) https: Https,
    pub(super) roles: Roles,
    pub(super) accounts: Accounts,
    pub(super) limits: Limits,
    pub(super) servers: Servers,
    pub(super) sessions: Sessions,
    pub(super) machine: Machine,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hub {
    pub(super) name: Text,
    pub(super) url: Text,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    pub(super) listen: List,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Https {
    pub(super) listen: List,
    pub(super) certificate: Text,
    pub(super) key: Text,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Roles {
    pub(super) admins: List,
    pub(super) host_operators: List,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Accounts {
    pub(super) prefix: Text,
    pub(super) homes: Text,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) memory: Text,
    pub(super) swap: Text,
    pub(super) cpu_quota: Option<Spanned<f64>>,
    pub(super) cpu_weight: Option<Spanned<u64>>,
    pub(super) tasks: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Servers {
    pub(super) default_app: Text,
    pub(super) idle_timeout: Text,
    pub(super) start_timeout: Text,
    pub(super) concurrent_starts: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sessions {
    pub(super) lifetime: Text,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Machine {
    pub(super) reserve: Text,
}
