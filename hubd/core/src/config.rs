//! `/etc/hubd/config.toml`: text in, either a whole valid [`Config`] or every problem with its place out.

mod address_range;
pub mod apps;
mod check;
mod decode;
mod diagnostic;
pub mod edit;
pub mod effects;
mod file;
mod findings;
mod group_name;
pub mod history;
mod index_url;
pub mod keys;
mod limits;
pub mod logins;
mod pam;
mod places;
mod render;
mod repository;
mod rights;
mod roles;
mod time_of_day;
mod tree;
mod window;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use crate::quantity::{format_bytes, format_cores, parse_bytes, parse_duration, write_bytes, write_duration};
pub use address_range::{AddressRange, Denied};
pub use apps::{App, AppName};
pub use check::{address_of_hub, parse};
pub use decode::{LARGEST, decode};
pub use diagnostic::{Diagnostic, Problems};
pub use file::{Loaded, ReadError, denied, read, validate};
pub use findings::{Finding, HomesInReach, Reality, findings};
pub use group_name::GroupName;
pub use index_url::{IndexUrl, without_secret};
pub use keys::Effect;
pub use limits::{ExplainedLimit, LimitOverrides, Limits, Origin};
pub use logins::{Claims, KeptOut, LoginName, Provider};
pub use pam::{PRIVILEGED_GROUPS, Pam};
pub use places::Places;
pub use repository::Repository;
pub use rights::{Membership, Rights};
pub use roles::{Group, Role, Roles, UserSettings};
pub use time_of_day::TimeOfDay;
pub use window::Window;

use crate::accounts::Username;
use crate::packages::PackageName;
use crate::packages::conda;
use crate::packages::{CondaSpec, KernelName};

/// A configuration that has passed every check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// How the hub presents itself.
    pub hub: Hub,
    /// The plain listener.
    pub http: Http,
    /// The encrypted listener; `None` without a certificate.
    pub https: Option<Https>,
    /// How people log in.
    pub login: Login,
    /// Who may do more than use a server, and who may do nothing.
    pub roles: Roles,
    /// People who have something in common.
    pub groups: BTreeMap<GroupName, Group>,
    /// What applies to one person only.
    pub users: BTreeMap<Username, UserSettings>,
    /// Unix accounts behind the people.
    pub accounts: Accounts,
    /// What one student's servers may use together.
    pub limits: Limits,
    /// How servers start and stop.
    pub servers: Servers,
    /// Web programs beside Jupyter.
    pub apps: BTreeMap<AppName, App>,
    /// How long a login lasts.
    pub sessions: Sessions,
    /// The machine underneath.
    pub machine: Machine,
    /// The Python environment of everybody's servers.
    pub environment: Environment,
    /// Where newer releases come from.
    pub upgrade: Upgrade,
    /// Copies of what can't be made again.
    pub backup: Backup,
    /// Where the file says what; no part of what it says.
    #[serde(skip)]
    pub places: Places,
}

/// `[hub]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hub {
    /// Shown on every page.
    pub name: String,
    /// Where people reach the hub, without a slash at the end; used in links.
    pub url: Option<String>,
    /// A plain text on every page.
    pub announcement: Option<String>,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Http {
    /// Addresses and ports.
    pub listen: Vec<SocketAddr>,
    /// The unix group of a web server in front of the hub, which has a socket of its own; `None`: there is none.
    pub proxy_group: Option<String>,
}

/// `[https]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Https {
    /// Addresses and ports.
    pub listen: Vec<SocketAddr>,
    /// Where the certificate comes from.
    pub method: HttpsMethod,
    /// Whether browsers are told to use nothing but https here from now on.
    pub hsts: bool,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "method", rename_all = "lowercase")]
pub enum HttpsMethod {
    /// From two files.
    Files {
        /// PEM file with the certificate and its chain.
        certificate: PathBuf,
        /// PEM file with the private key.
        key: PathBuf,
    },
    /// From an authority that speaks ACME, and renewed from there.
    Acme {
        /// Whom the authority may write to.
        email: String,
        /// Names that the certificate is for.
        domains: Vec<String>,
        /// The authority's directory; `None`: Let's Encrypt.
        directory: Option<String>,
        /// PEM file with the root that vouches for the directory; `None`: the machine's own roots.
        directory_ca: Option<PathBuf>,
    },
    /// From an authority of the hub's own.
    Lan {
        /// Names and addresses that the certificate is for.
        domains: Vec<String>,
    },
}

/// `[login]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Login {
    /// Whether people can enrol themselves.
    pub sign_up: SignUp,
    /// Logins of an institution.
    pub providers: BTreeMap<LoginName, Provider>,
    /// The login by the machine's PAM.
    pub pam: Option<Pam>,
}

/// Whether people can enrol themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUp {
    /// Somebody has to enrol them.
    Closed,
    /// Anybody may choose a free name and a password.
    Open,
}

/// `[accounts]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accounts {
    /// Put before a person's name to make the unix account's.
    pub prefix: String,
    /// Where homes are made.
    pub homes: PathBuf,
    /// Accounts that the launcher makes in all.
    pub most: usize,
    /// Accounts that the launcher makes within an hour.
    pub most_per_hour: usize,
}

/// `[servers]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Servers {
    /// What opens first.
    pub default_app: DefaultApp,
    /// Stop a server nobody has used for so long; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// How long a server may take until it answers, waiting in the queue not counted.
    pub start_timeout: Duration,
    /// How long a server may take to end before it is killed.
    pub stop_timeout: Duration,
    /// Servers that start at the same time; `None`: by the number of processors and their load.
    pub concurrent_starts: Option<usize>,
}

/// What a student sees first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DefaultApp {
    /// JupyterLab.
    Lab,
    /// Jupyter Notebook 7.
    Notebook,
}

impl DefaultApp {
    /// The path below the server's own base URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Lab => "/lab",
            Self::Notebook => "/tree",
        }
    }
}

/// `[sessions]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sessions {
    /// A login ends when it has not been used for this long.
    pub lifetime: Duration,
}

/// `[machine]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// Bytes of memory that all students together can never have; `None`: an eighth of the machine, at least 384 MiB
    /// or a quarter of it.
    pub reserve: Option<u64>,
    /// What neither people's programs nor builds reach, but for name servers; see [`Machine::denied`].
    pub denied_addresses: Vec<AddressRange>,
}

/// `[environment]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Environment {
    /// What is installed beside JupyterLab, each as in a requirements file.
    pub packages: Vec<String>,
    /// How many generations are kept.
    pub keep: u64,
    /// Where packages come from; `None`: as the install was told, or the usual index. May hold a password.
    pub index_url: Option<IndexUrl>,
    /// Indexes that are asked, too. May hold passwords.
    pub extra_index_urls: Vec<IndexUrl>,
    /// Where conda kernels that name no channels have their packages from.
    pub conda_channels: Vec<conda::Channel>,
    /// The address below which channels are that are named without one.
    pub conda_channel_alias: String,
    /// Kernels that are environments of their own.
    pub kernels: BTreeMap<KernelName, Kernel>,
    /// What the machine has of its distribution for everybody.
    pub apt: Vec<PackageName>,
    /// Whether administrators may change that from inside the hub.
    pub apt_by_admins: bool,
}

/// `[environment.kernels.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kernel {
    /// What is installed in it, each as in a requirements file.
    pub packages: Vec<String>,
    /// What is installed in it from conda's channels; empty: nothing, it stands on the machine's Python.
    pub conda: Vec<CondaSpec>,
    /// Those channels; empty: those of all conda kernels.
    pub channels: Vec<conda::Channel>,
}

impl Hub {
    /// The path below which the hub is on its host, as in `/jupyter`; empty: at the top.
    pub fn base(&self) -> &str {
        self.split_url().map_or("", |(_, base)| base)
    }

    /// Scheme, host and port of the hub's address.
    pub fn origin(&self) -> Option<&str> {
        self.split_url().map(|(origin, _)| origin)
    }

    fn split_url(&self) -> Option<(&str, &str)> {
        let url = self.url.as_deref()?;
        let host = url.find("://")? + 3;
        let end = url.get(host..)?.find('/').map_or(url.len(), |slash| host + slash);
        Some(url.split_at(end))
    }
}

/// Where newer releases come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upgrade {
    /// The web address of the folder with the releases, without a slash at the end.
    pub source: Option<String>,
    /// Which of them.
    pub channel: Channel,
    /// Whether the hub upgrades by itself.
    pub automatic: bool,
    /// When it may begin to, in the machine's local time.
    pub window: Window,
    /// It does not while more people than this have a server that runs.
    pub max_online: u64,
}

/// Copies of what can't be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Where they go; `None`: there are none.
    pub repository: Option<Repository>,
    /// Holds the password without which nobody reads them.
    pub password_file: PathBuf,
    /// Whether they are made by themselves.
    pub enabled: bool,
    /// When, in the machine's local time.
    pub at: TimeOfDay,
    /// Of how many days one is kept.
    pub keep_daily: u64,
    /// Of how many weeks one is kept.
    pub keep_weekly: u64,
    /// Of how many months one is kept.
    pub keep_monthly: u64,
}

/// Which releases are meant when none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Those for everybody.
    Stable,
    /// Those that come before, too.
    Testing,
}

impl Channel {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Testing => "testing",
        }
    }
}

impl Config {
    /// The address to which the provider of a login sends people back; `None`: nobody knows where the hub is.
    pub fn login_callback(&self, login: &LoginName) -> Option<String> {
        self.hub.url.as_ref().map(|url| format!("{url}/hub/login/{login}/callback"))
    }

    /// Bytes of memory that all students together may use on a machine that has `total`.
    pub fn users_memory(&self, total: u64) -> u64 {
        let reserve = self.machine.reserve.unwrap_or_else(|| (total / 8).max((384 << 20).min(total / 4)));
        total.saturating_sub(reserve).max(64 << 20)
    }
}
