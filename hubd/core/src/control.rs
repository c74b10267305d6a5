//! What `hubctl` and the hub say to each other over the control and the admin socket.
//!
//! One request and one reply per connection. These types are also what `hubctl --json` prints: they are stable.

pub mod change;
pub mod environment;
pub mod logins;
pub mod people;
pub mod roster;
pub mod servers;
pub mod status;
pub mod tokens;
pub mod usage;

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::accounts::Username;
use crate::config::{ExplainedLimit, Rights};
pub use crate::refusal::{Refusal, RefusalKind};
use crate::upgrade::{UpgradeReply, UpgradeRequest};
use crate::wire;
pub use people::{AddedUser, NewUser, OpenLink, Reloaded, UserInfo};
pub use servers::{MemoryKills, ServerInfo, ServerPhase};
pub use status::{CertificateInfo, HttpsStatus, HubStatus, Memory};
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
    /// Look whether the database is whole. For root only.
    CheckDatabase,
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
    /// Answers [`Request::CheckDatabase`].
    Database {
        /// The first thing that is wrong; `None`: it is whole.
        problem: Option<String>,
    },
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
