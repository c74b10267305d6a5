//! What is told of logins at providers.

use serde::{Deserialize, Serialize};

use crate::accounts::Username;
use crate::config::LoginName;

/// One login of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginInfo {
    /// Its name.
    pub name: LoginName,
    /// What is on its button.
    pub title: String,
    /// The provider; "pam": the machine itself.
    pub issuer: String,
    /// The address that the provider has to know; empty where nobody is sent anywhere.
    pub callback: String,
}

/// An account at a provider that is, or was, somebody here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedLogin {
    /// Who.
    pub name: Username,
    /// The provider.
    pub issuer: String,
    /// The account there, as the provider calls it for ever.
    pub subject: String,
    /// Since when, RFC 3339, UTC.
    pub since: String,
    /// When somebody last came in by it, RFC 3339, UTC.
    pub last_used: Option<String>,
    /// Whether its owner was taken off the list: it opens nothing, and the name is not free for another account.
    pub is_gone: bool,
}
