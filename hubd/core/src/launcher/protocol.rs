//! What `hubd serve` and the launcher say to each other. One request and one reply per connection.

use std::path::PathBuf;

use crate::accounts::Username;
use crate::config::AppName;
use crate::control::change::{Ended, KeyChange, Requester};
use crate::control::environment::{Asker, EnvironmentReply, EnvironmentRequest};
pub use crate::refusal::{Refusal, RefusalKind};
use crate::sys::room::Room;
use crate::upgrade::{UpgradeReply, UpgradeRequest};
use serde::{Deserialize, Serialize};

/// What may be asked. Everything else (paths, accounts, limits, commands) the launcher derives from root's own files. A server is
/// somebody's Jupyter or, with `app`, an app that they start beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Are you there?
    Ping,
    /// Make sure the person has a unix account and a home.
    Ensure {
        /// Who.
        name: Username,
    },
    /// Start the person's server; the reply comes when systemd has started the process (it may not answer yet).
    Start {
        /// Whose.
        name: Username,
        /// Which app of theirs; `None`: Jupyter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<AppName>,
    },
    /// As `start`, without what the person installed and set for themselves.
    StartPlain {
        /// Whose.
        name: Username,
    },
    /// Stop the person's server if it runs, and start it. Once begun it is done to its end, whatever becomes of who asked.
    Restart {
        /// Whose.
        name: Username,
        /// Whether it starts without what the person installed and set for themselves.
        plain: bool,
        /// Which app of theirs; `None`: Jupyter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<AppName>,
    },
    /// Stop the person's server; the reply comes when nothing of it runs any more.
    Stop {
        /// Whose.
        name: Username,
        /// Which app of theirs; `None`: Jupyter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<AppName>,
    },
    /// Stop the person's server, and end whatever else runs as the account, wherever.
    Expel {
        /// Whose.
        name: Username,
    },
    /// How the person's server is.
    State {
        /// Whose.
        name: Username,
        /// Which app of theirs; `None`: Jupyter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<AppName>,
    },
    /// How every server is that systemd knows.
    List {
        /// Everybody's of which app; `None`: Jupyter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<AppName>,
    },
    /// The last lines the server logged since its latest start.
    Logs {
        /// Whose.
        name: Username,
        /// At most this many.
        lines: u32,
        /// Which app of theirs; `None`: Jupyter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<AppName>,
    },
    /// Move the packages that the person installed aside, inside the home; with `settings`, those of Jupyter and IPython too.
    MoveAside {
        /// Whose.
        name: Username,
        /// Whether settings go as well.
        settings: bool,
    },
    /// Whose unix account this is.
    WhoIs {
        /// The account's number.
        uid: u32,
    },
    /// Let everything that runs follow the configuration: limits, and rights that were taken away. For root only.
    Apply,
    /// Delete the person's account; with `home`, the home too. For root only.
    Remove {
        /// Whose.
        name: Username,
        /// Whether the home goes as well.
        home: bool,
    },
    /// About the shared environment. The hub may only ask for an administrator.
    Environment {
        /// Who asks.
        asker: Asker,
        /// What.
        ask: EnvironmentRequest,
    },
    /// Change one key of the configuration, for an operator or for somebody inside the hub whose role grants it.
    Configure {
        /// Who asks.
        requester: Requester,
        /// What.
        change: KeyChange,
    },
    /// About newer releases. The hub may only ask for an administrator.
    Upgrade {
        /// Who asks.
        asker: Asker,
        /// What.
        ask: UpgradeRequest,
    },
}

impl Request {
    /// The request's name, as it travels and as logs show it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Ensure { .. } => "ensure",
            Self::Start { .. } => "start",
            Self::StartPlain { .. } => "start_plain",
            Self::Restart { .. } => "restart",
            Self::Stop { .. } => "stop",
            Self::Expel { .. } => "expel",
            Self::State { .. } => "state",
            Self::List { .. } => "list",
            Self::Logs { .. } => "logs",
            Self::MoveAside { .. } => "move_aside",
            Self::WhoIs { .. } => "who_is",
            Self::Apply => "apply",
            Self::Remove { .. } => "remove",
            Self::Environment { .. } => "environment",
            Self::Configure { .. } => "configure",
            Self::Upgrade { .. } => "upgrade",
        }
    }
}

/// What the launcher answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Answers [`Request::Ping`].
    Pong {
        /// Version of the launcher.
        version: String,
        /// The environment generation that new servers get.
        environment: Option<u32>,
        /// Why somebody was refused an account, as long as that is still so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accounts_problem: Option<String>,
        /// The disk with people's homes, which the hub does not see; `None`: the kernel does not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        homes: Option<Room>,
    },
    /// It is done.
    Done,
    /// Answers [`Request::Ensure`].
    Account {
        /// The account's number.
        uid: u32,
        /// The account's name.
        account: String,
    },
    /// Answers [`Request::Start`], [`Request::Restart`] and [`Request::State`].
    State(UnitState),
    /// Answers [`Request::List`].
    States {
        /// By name.
        states: Vec<UnitState>,
    },
    /// Answers [`Request::Apply`].
    Applied(Applied),
    /// Answers [`Request::Logs`], oldest first.
    Logs {
        /// Message texts without terminal escapes.
        lines: Vec<String>,
    },
    /// Answers [`Request::Environment`].
    Environment {
        /// What is answered, a refusal too.
        answer: Box<EnvironmentReply>,
    },
    /// Answers [`Request::Configure`].
    Configured {
        /// What came of it.
        ended: Ended,
    },
    /// Answers [`Request::MoveAside`].
    Moved {
        /// Where it is now; nothing when there was nothing.
        places: Vec<PathBuf>,
    },
    /// Answers [`Request::Upgrade`].
    Upgrade {
        /// What is answered, a refusal too.
        answer: Box<UpgradeReply>,
    },
    /// Answers [`Request::WhoIs`].
    Name {
        /// `None`: no account of the hub.
        name: Option<Username>,
    },
    /// It could not be done.
    Refused(Refusal),
}

/// What a changed configuration did to what runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Whose limits were changed, and read back from the kernel.
    pub limited: Vec<Username>,
    /// Whose server was ended, because it had rights that its owner has no more.
    pub stopped: Vec<Username>,
    /// What did not work, one sentence each.
    pub problems: Vec<String>,
}

/// systemd's view of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Active {
    /// Not loaded or not running.
    Inactive,
    /// On its way up.
    Activating,
    /// Up.
    Active,
    /// On its way down.
    Deactivating,
    /// Ended by itself with an error.
    Failed,
}

/// How one server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// Whose.
    pub name: Username,
    /// The unit's name.
    pub unit: String,
    /// systemd's view of it.
    pub active: Active,
    /// systemd's `Result=`: `success`, `oom-kill`, `exit-code`, `signal`, `timeout`, ...
    pub result: String,
    /// Exit status of the main process, where it ended.
    pub exit_status: Option<i32>,
    /// The main process.
    pub main_pid: Option<u32>,
    /// Memory in use by all of the unit, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory the person may use, bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Programs of it that the kernel ended because that memory was used up, since it started.
    #[serde(default)]
    pub memory_kills: u64,
    /// When it started, seconds since 1970.
    pub started: Option<u64>,
    /// The environment generation it runs with.
    pub environment: Option<u32>,
    /// Whether it runs without what its owner installed and set.
    #[serde(default)]
    pub without_own: bool,
    /// Where it listens; `None` when it does not run.
    pub endpoint: Option<Endpoint>,
}

/// Where a server listens and who must be behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The Unix socket.
    pub socket: PathBuf,
    /// The uid its listener must have; anything else is an impostor.
    pub uid: u32,
}
