//! What `hubctl` and the hub say to each other over the control and the admin socket.
//!
//! One request and one reply per connection. These types are also what `hubctl --json` prints: they are stable.

pub mod change;
pub mod environment;
pub mod logins;
pub mod roster;
pub mod tokens;
pub mod usage;

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::accounts::Username;
use crate::config::{ExplainedLimit, Rights, Role};
pub use crate::refusal::{Refusal, RefusalKind};
use crate::upgrade::{UpgradeReply, UpgradeRequest};
use crate::wire;
use tokens::{Scope, TokenInfo};
use usage::{History, Shortage, Span};

/// Longest wait for an answer that the hub has at hand.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(15);
/// Longest wait for something to be done; a server start may queue behind a whole class.
pub const ACT_PATIENCE: Duration = Duration::from_secs(300);

/// What `hubctl` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Is the hub well, and who is on it?
    Status,
    /// Read the configuration again and put it in force. For root only.
    Reload,
    /// Enrol people. Those without a password get a one-time link.
    UserAdd {
        /// Who.
        users: Vec<NewUser>,
    },
    /// Say what a class list would change, or change it.
    Roster {
        /// The list.
        ask: Box<roster::RosterRequest>,
    },
    /// Everybody who is enrolled.
    UserList,
    /// What somebody may do, and which lines of the configuration say so.
    UserShow {
        /// Who.
        name: Username,
    },
    /// Take somebody off the list: sessions end, the server stops; the home stays.
    UserRemove {
        /// Who.
        name: Username,
    },
    /// Set a password; other sessions of that person end.
    UserPassword {
        /// Who.
        name: Username,
        /// The new password.
        password: String,
    },
    /// A new one-time link with which somebody sets a password.
    UserLink {
        /// Who.
        name: Username,
    },
    /// Make this the one-time link of somebody: the installer says beforehand where the first administrator's will be.
    /// For root only.
    UserLinkAs {
        /// Who.
        name: Username,
        /// The secret in it, as [`crate::token::Token`] has it.
        token: String,
    },
    /// Leave a copy of the database, whole, where root finds it. For root only.
    CopyDatabase,
    /// Keep somebody out (sessions end, the server stops), or let them in again.
    UserBlock {
        /// Who.
        name: Username,
        /// `true` keeps out.
        blocked: bool,
    },
    /// End all logins of somebody, who can log in again at once. Their server goes on.
    UserLogout {
        /// Who.
        name: Username,
    },
    /// Move the packages that somebody installed aside, inside the home; with `settings`, those of Jupyter and IPython too.
    UserResetPackages {
        /// Whose.
        name: Username,
        /// Whether settings go as well.
        settings: bool,
    },
    /// Make an API token, by the right of whoever asks.
    TokenCreate {
        /// What it may do.
        scopes: Vec<Scope>,
        /// What it is for.
        note: String,
        /// Seconds until it stops working; `None`: never by itself.
        lifetime_seconds: Option<u64>,
    },
    /// Every API token, without the secrets.
    TokenList,
    /// End an API token.
    TokenRevoke {
        /// Its number.
        id: i64,
    },
    /// Which logins at providers there are, and who came by them.
    LoginList,
    /// Forget which accounts of providers are somebody; their sessions end.
    LoginUnlink {
        /// Who.
        name: Username,
    },
    /// What is short on the machine?
    Shortages,
    /// What was used of the machine?
    UsageHistory {
        /// How far back.
        span: Span,
    },
    /// Every server that is not stopped.
    ServerList,
    /// Start a server and wait until it answers.
    ServerStart {
        /// Whose.
        name: Username,
        /// Whether what its owner installed and set is left out this time.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        without_own: bool,
    },
    /// Start a server anew, whatever it does, and wait until it answers. It comes up again also when nobody waits for it any more.
    ServerRestart {
        /// Whose.
        name: Username,
        /// Whether what its owner installed and set is left out this time.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        without_own: bool,
    },
    /// Stop a server.
    ServerStop {
        /// Whose.
        name: Username,
    },
    /// The last lines a server logged.
    ServerLogs {
        /// Whose.
        name: Username,
        /// How many lines.
        lines: u32,
    },
    /// How https is doing.
    Https,
    /// The value in force of one key of the configuration.
    ConfigGet {
        /// The names of its sections, and its own.
        key: Vec<String>,
    },
    /// Change one key of the configuration. For operators and people inside the hub: root's hubctl does it by itself.
    ConfigChange {
        /// What.
        change: change::KeyChange,
    },
    /// What somebody may use, and why.
    Limits {
        /// Who.
        name: Username,
    },
    /// About the shared Python environment.
    Environment {
        /// What.
        ask: environment::EnvironmentRequest,
    },
    /// About newer releases of hubd.
    Upgrade {
        /// What.
        ask: UpgradeRequest,
    },
}

impl Request {
    /// How long an answer may take.
    pub fn patience(&self) -> Duration {
        match self {
            Self::Status
            | Self::UserList
            | Self::UserShow { .. }
            | Self::TokenList
            | Self::LoginList
            | Self::Shortages
            | Self::UsageHistory { .. }
            | Self::ServerList
            | Self::ServerLogs { .. }
            | Self::Https
            | Self::ConfigGet { .. }
            | Self::Limits { .. } => LOOKUP_PATIENCE,
            _ => ACT_PATIENCE,
        }
    }
}

/// Somebody to enrol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name to log in with.
    pub name: Username,
    /// The first password; without one the reply has a one-time link.
    #[serde(default)]
    pub password: Option<String>,
}

/// What the hub answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// It is done; nothing to say.
    Done,
    /// Answers [`Request::Status`].
    Status(HubStatus),
    /// Answers [`Request::Reload`].
    Reloaded(Reloaded),
    /// Answers [`Request::UserAdd`], in the order asked.
    Added {
        /// One for each name.
        users: Vec<AddedUser>,
    },
    /// Answers [`Request::Roster`].
    Roster(Box<roster::RosterReply>),
    /// Answers [`Request::UserList`], by name.
    Users {
        /// Everybody who is enrolled.
        users: Vec<UserInfo>,
    },
    /// Answers [`Request::UserShow`].
    User {
        /// As on the list; `None`: not enrolled.
        user: Option<UserInfo>,
        /// What the configuration says.
        rights: Rights,
    },
    /// Answers [`Request::UserLink`] and [`Request::UserLinkAs`].
    Link {
        /// A whole URL when the hub knows its address, else a path.
        link: String,
        /// When it stops working, RFC 3339, UTC.
        expires: String,
    },
    /// Answers [`Request::TokenCreate`].
    TokenCreated {
        /// The only copy of the secret.
        token: String,
        /// What is told of it from now on.
        info: TokenInfo,
    },
    /// Answers [`Request::TokenList`].
    Tokens {
        /// In the order they were made.
        tokens: Vec<TokenInfo>,
    },
    /// Answers [`Request::LoginList`].
    Logins {
        /// Those of the configuration.
        logins: Vec<logins::LoginInfo>,
        /// Who came by them, by name.
        links: Vec<logins::LinkedLogin>,
    },
    /// Answers [`Request::UserResetPackages`].
    PackagesReset {
        /// Where they are now; nothing when there were none.
        places: Vec<std::path::PathBuf>,
        /// Whether that person's server runs, with what it has loaded.
        is_running: bool,
    },
    /// Answers [`Request::ServerList`], [`Request::ServerStart`], [`Request::ServerRestart`] and [`Request::ServerStop`].
    Servers {
        /// By name.
        servers: Vec<ServerInfo>,
    },
    /// Answers [`Request::Shortages`].
    Shortages {
        /// Nothing: nothing is short.
        shortages: Vec<Shortage>,
    },
    /// Answers [`Request::UsageHistory`].
    UsageHistory {
        /// What is known.
        history: History,
    },
    /// Answers [`Request::ServerLogs`].
    Logs {
        /// Oldest first.
        lines: Vec<String>,
        /// What the kernel ended in the server for want of memory.
        #[serde(default)]
        memory_kills: MemoryKills,
        /// Memory allowed, bytes.
        #[serde(default)]
        memory_limit_bytes: Option<u64>,
    },
    /// Answers [`Request::Https`].
    Https(HttpsStatus),
    /// Answers [`Request::ConfigGet`].
    ConfigValue {
        /// As in the file; `None`: it has no value.
        value: Option<toml::Value>,
    },
    /// Answers [`Request::ConfigChange`].
    ConfigChanged {
        /// What came of it.
        ended: change::Ended,
    },
    /// Answers [`Request::Limits`].
    Limits {
        /// In the order of `[limits]`.
        limits: Vec<ExplainedLimit>,
    },
    /// Answers [`Request::Environment`].
    Environment {
        /// What the launcher says.
        answer: Box<environment::EnvironmentReply>,
    },
    /// Answers [`Request::Upgrade`].
    Upgrade {
        /// What.
        answer: UpgradeReply,
    },
    /// It could not be done.
    Refused(Refusal),
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a changed configuration did to people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Who was an administrator and is none any more: their sessions have ended.
    pub demoted: Vec<Username>,
    /// Who rose: their sessions have ended, and a link for them works only if its maker may make one for this role.
    #[serde(default)]
    pub promoted: Vec<Username>,
    /// Who has a role and can't log in with the password they have: it came from somebody who may not give one to people of
    /// that role (any more).
    #[serde(default)]
    pub need_link: Vec<Username>,
    /// Whom the configuration keeps out: they have no session.
    pub blocked: Vec<Username>,
    /// Whose servers are on their way down because of this.
    pub stopping: Vec<Username>,
    /// Whether a new process is needed, because the listening sockets are other ones.
    pub restart_needed: bool,
}

/// How the hub is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubStatus {
    /// Version of the running `hubd serve`.
    pub version: String,
    /// The hub's public address, where known.
    pub url: Option<String>,
    /// Seconds since `hubd serve` started.
    pub uptime_seconds: u64,
    /// Version of the running launcher; `None`: it does not answer.
    pub launcher_version: Option<String>,
    /// What is wrong with the launcher, for people; `None`: it answers.
    pub launcher_problem: Option<String>,
    /// Number of the environment new servers get.
    pub environment: Option<u32>,
    /// People enrolled.
    pub users: u64,
    /// People with a live session.
    pub sessions: u64,
    /// Memory of all servers together; `None`: systemd does not tell.
    pub memory: Option<Memory>,
    /// Servers that are not stopped.
    pub servers: Vec<ServerInfo>,
    /// What is short on the machine, for teachers and administrators; nothing for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
    /// What is wrong with https, for people; `None`: nothing, or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https_problem: Option<String>,
    /// Why somebody was refused an account, for people; `None`: nobody was, or that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts_problem: Option<String>,
    /// What is wrong with backups, for people; `None`: nothing, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_problem: Option<crate::backup::Problem>,
    /// When the latest backup was made, RFC 3339, UTC; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// Where the hub should listen and does not, for people; `None`: it listens everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_problem: Option<String>,
}

/// How https is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpsStatus {
    /// Where the certificate comes from: "files", "acme", "lan"; "off" without https.
    pub method: String,
    /// The certificate that browsers get; `None`: there is none.
    pub certificate: Option<CertificateInfo>,
    /// What is wrong, for people.
    pub problem: Option<String>,
    /// How often in a row the hub tried in vain to get a certificate.
    pub failures: u32,
    /// When the next certificate is asked for, RFC 3339, UTC; `None`: not by the hub.
    pub next: Option<String>,
    /// The SHA-256 fingerprint of the local authority that people have to trust, with "lan".
    pub authority: Option<String>,
    /// What the running hub answers at `/.well-known/acme-challenge/hubd-check`.
    pub check: String,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateInfo {
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// The moment it begins to be good, RFC 3339, UTC.
    pub not_before: String,
    /// The moment it stops being good, RFC 3339, UTC.
    pub not_after: String,
    /// Whole days until then; negative: it has stopped.
    pub days_left: i64,
    /// SHA-256, in hexadecimal pairs with colons.
    pub fingerprint: String,
}

/// Memory of all servers together, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// In use.
    pub used_bytes: u64,
    /// Allowed; `None`: no limit is set.
    pub allowed_bytes: Option<u64>,
}

/// What came of enrolling one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedUser {
    /// Who.
    pub name: Username,
    /// Whether the person was new; `false`: already enrolled, nothing changed.
    pub added: bool,
    /// The one-time link, for a new person without a password: a whole URL when the hub knows its address, else a path.
    pub link: Option<String>,
    /// When the link stops working, RFC 3339, UTC.
    pub expires: Option<String>,
}

/// One enrolled person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The name to log in with.
    pub name: Username,
    /// As people call them, by a class list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Where they get mail, by a class list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the configuration names this person as an administrator.
    pub admin: bool,
    /// What this person may do, by the configuration.
    #[serde(default)]
    pub role: Role,
    /// Whether this person is kept out.
    pub blocked: bool,
    /// Whether a password is set.
    pub has_password: bool,
    /// When this person last did something, RFC 3339, UTC.
    pub last_active: Option<String>,
    /// When this person was enrolled, RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<String>,
    /// The one-time link that was not used yet; `None`: there is none that works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<OpenLink>,
}

/// A one-time link that was not used yet, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLink {
    /// Who made it; `None`: somebody on the host.
    pub maker: Option<Username>,
    /// When it stops working, RFC 3339, UTC.
    pub expires: String,
}

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerPhase {
    /// Not running, and nobody asked for it.
    Stopped,
    /// Waits for its turn to start.
    Queued,
    /// systemd has it, the program inside does not answer yet.
    Starting,
    /// It answers.
    Running,
    /// On its way down.
    Stopping,
    /// It ended by itself, or never came up.
    Failed,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Whose.
    pub name: Username,
    /// Where it is in its life.
    pub phase: ServerPhase,
    /// The systemd unit.
    pub unit: String,
    /// Memory in use, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory allowed, bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Processors that it kept busy in the last seconds, 1.0 is all of one; `None`: not known (yet).
    #[serde(default)]
    pub cpu_cores: Option<f64>,
    /// Processors that it may use.
    #[serde(default)]
    pub cpu_limit_cores: Option<f64>,
    /// Seconds since it started.
    pub uptime_seconds: Option<u64>,
    /// Why it failed, for people.
    pub problem: Option<String>,
    /// Whether it is there without what its owner installed and set; a restart brings that back.
    #[serde(default)]
    pub without_own: bool,
    /// Whether it failed, and a start without what its owner installed and set may help.
    #[serde(default)]
    pub own_may_be_why: bool,
    /// What the kernel ended in it for want of memory.
    #[serde(default)]
    pub memory_kills: MemoryKills,
}

/// Programs of one server that the kernel ended because the server had used up its memory, since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryKills {
    /// How many.
    pub count: u64,
    /// Seconds since the hub noticed the latest; `None`: none, or before the hub itself was started.
    pub seconds_since_latest: Option<u64>,
}

/// Sends `request` to the hub listening on `socket` and waits for the reply.
///
/// # Errors
/// When nobody listens, the caller may not connect, or no reply comes within [`Request::patience`].
pub fn call(socket: &Path, request: &Request) -> io::Result<Reply> {
    wire::ask(socket, request, request.patience())
}
/// An error as `hubctl --json` prints it: `{"error": {"message": ..., "hint": ...}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What went wrong.
    pub error: Told,
}

/// What went wrong, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// A sentence without its period.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}
