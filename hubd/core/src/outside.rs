//! What the hub asks of `hubd-outside`, the program that speaks to providers of logins: one request and one reply for each
//! connection. A request names a login of root's configuration and never an address.

use serde::{Deserialize, Serialize};

use crate::config::{Claims, LoginName};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Where somebody goes to log in.
    Begin {
        /// By which login.
        login: LoginName,
        /// Comes back with them.
        state: String,
        /// Comes back in what the provider signs.
        nonce: String,
        /// The SHA-256 of what is shown at the end, as PKCE has it.
        challenge: String,
    },
    /// Who came back.
    Finish {
        /// By which login.
        login: LoginName,
        /// What the provider gave them.
        code: String,
        /// What `challenge` was made of.
        verifier: String,
        /// As at the beginning.
        nonce: String,
    },
    /// What is wrong with a login. Root only: it shows how the configuration is.
    Check {
        /// With which.
        login: LoginName,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Begin`]: the address.
    Begun {
        /// At the provider.
        address: String,
    },
    /// To [`Request::Finish`].
    Person(Claims),
    /// To [`Request::Check`]: what was looked at.
    Checked(Vec<Looked>),
    /// It did not work.
    Refused(Trouble),
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// How it is.
    pub verdict: Verdict,
    /// One sentence.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It can't be told from here, or is not as usual.
    Unsure,
    /// Nobody gets in like this.
    Bad,
}

/// Why something did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Trouble {
    /// Whose matter it is.
    pub kind: TroubleKind,
    /// What happened, for whoever runs the hub.
    pub message: String,
}

/// Whose matter a trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// There is no such login, or the peer may not ask this.
    NotAllowed,
    /// The provider does not answer, or not in time.
    Away,
    /// The provider answers, and hub and provider do not fit together.
    Settings,
    /// What came back is over, was used, or is not of this login.
    Stale,
    /// What the provider is said to have signed does not hold.
    Forged,
    /// Too much at once.
    Busy,
}

impl Trouble {
    /// A trouble.
    pub fn new(kind: TroubleKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}
