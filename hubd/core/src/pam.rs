//! What the hub asks of `hubd-pam`, the program that asks the machine's PAM: one attempt for each connection and process.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Longest name of an account that is asked about, in bytes.
pub const LONGEST_NAME: usize = 256;
/// Longest password that is passed on, in bytes.
pub const LONGEST_PASSWORD: usize = 1024;
/// Attempts at a time: systemd hangs up on more (`MaxConnections=` of the socket). The hub itself makes half as many.
pub const MOST: usize = 64;

/// Whether this name and this password belong together.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The account.
    pub name: String,
    /// What was typed.
    pub password: Password,
    /// Where it was typed, for the modules and their logs.
    pub source: Option<IpAddr>,
}

/// A password on its way. It is in no log, whoever prints what it is part of.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// What was typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// It, for the one who checks it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(..)")
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether they may log in.
    pub verdict: Verdict,
    /// What the modules had to say to whoever logs in, a line each. Empty for [`Verdict::Wrong`], where it would tell apart who there
    /// is and who not.
    #[serde(default)]
    pub messages: Vec<String>,
    /// Why, for whoever runs the machine: to root alone.
    #[serde(default)]
    pub detail: Option<String>,
}

/// Whether somebody may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They are this account.
    Allowed(Account),
    /// Not with this name and this password; or the hub may not ask about this account.
    Wrong,
    /// The password is right, and has to be changed first.
    Expired,
    /// The password is right, and the account is shut.
    Locked,
    /// Too many attempts for this account of late; it makes sense to come back after so many seconds.
    TooMany {
        /// How many.
        seconds: u64,
    },
    /// PAM can't tell, or not in time.
    Unavailable,
    /// There is no login of this type in the configuration, or this is no request.
    NotAllowed,
}

/// An account of the machine, as the machine names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// As people call its owner.
    pub full_name: Option<String>,
    /// Which of the groups that the configuration asks about it is in.
    pub groups: Vec<String>,
}

impl From<Verdict> for Reply {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, messages: Vec::new(), detail: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_log() {
        let request = Request { name: "cara".to_owned(), password: Password::new("hidden words"), source: None };
        assert!(!format!("{request:?}").contains("hidden"), "{request:?}");
        let sent = serde_json::to_string(&request).unwrap();
        let read: Request = serde_json::from_str(&sent).unwrap();
        assert_eq!(read.password.reveal(), "hidden words");
    }
}
