//! The command line of `hubctl token`.

use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;
use hub_core::config::parse_duration;
use hub_core::control::tokens::Scope;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make an API token and print it, once
    #[command(
        after_help = "A token acts with the rights of whoever made it, and can only do what its scopes allow. It stops working \
when it expires or is revoked, and when its maker is blocked, removed, or no longer an administrator or operator.

Scopes:
  list:users           see who is enrolled, and who is an administrator
  read:users           see role, groups and last activity of people, and whether a server runs
  read:users:activity  see when people were last active
  read:servers         see people's servers
  start:servers        start servers
  delete:servers       stop servers
  servers              see, start and stop servers; admin:servers is the same
  read:metrics         read /hub/metrics
  read:hub             see the versions of the hub

Examples:
  sudo hubctl token create read:metrics --note prometheus --expires never
  sudo hubctl token create list:users read:users:activity read:servers delete:servers --note culler
  sudo hubctl token create list:users --expires 1d --json"
    )]
    Create {
        /// What it may do
        #[arg(required = true, value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// What it is for; the list shows this
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        /// When it stops working: 12h, 30d, never
        #[arg(long, value_name = "TIME", default_value = "90d")]
        expires: Lifetime,
    },
    /// List the API tokens: who made each, what it may do, until when, when it was used last
    #[command(after_help = "Examples:
  sudo hubctl token list
  sudo hubctl token list --json")]
    List,
    /// End API tokens at once
    #[command(after_help = "Example:
  sudo hubctl token revoke 3")]
    Revoke {
        /// Their numbers, as the list shows them
        #[arg(required = true, value_name = "NUMBER")]
        ids: Vec<i64>,
    },
}

/// How long a token works; `None`: until it is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime(pub(crate) Option<Duration>);

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self(None)),
            text => parse_duration(text).map(|duration| Self(Some(duration))).map_err(|error| format!("{error}, or \"never\"")),
        }
    }
}
