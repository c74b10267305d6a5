//! The token verbs: make, list, revoke.

use std::time::Duration;

use hub_core::control::tokens::{Scope, TokenInfo};
use hub_core::control::{RefusalKind, Reply};
use hub_core::text::is_unseen;

use super::access::Actor;
use super::people::moment;
use super::{ControlContext, Refusal};
use crate::auth::{Giver, NoToken, PeopleError};
use crate::store::time;
use crate::store::tokens::TokenRow;

/// Longest note, in characters.
const LONGEST_NOTE: usize = 200;
/// Shortest and longest time that a token may work, if it is to end by itself.
const LIFETIMES: std::ops::RangeInclusive<u64> = 1..=10 * 366 * 86_400;

pub(super) async fn create(
    context: &ControlContext,
    actor: &Actor,
    scopes: &[Scope],
    note: &str,
    lifetime_seconds: Option<u64>,
) -> Result<Reply, Refusal> {
    let mut scopes = scopes.to_vec();
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(invalid("a token without scopes could do nothing").hint("hubctl token create --help lists them"));
    }
    if note.chars().count() > LONGEST_NOTE || note.chars().any(|character| character.is_control() || is_unseen(character)) {
        return Err(invalid(format!("a note is one line of at most {LONGEST_NOTE} characters")));
    }
    if lifetime_seconds.is_some_and(|seconds| !LIFETIMES.contains(&seconds)) {
        return Err(invalid("a token works for a second to ten years, or until it is revoked"));
    }
    let lifetime = lifetime_seconds.map(Duration::from_secs);
    let (token, row) = context.people.make_token(&actor.maker(), scopes, note.to_owned(), lifetime).await?;
    tracing::info!(token = row.id, %actor, "API token {} was made by {actor}", row.id);
    Ok(Reply::TokenCreated { token: token.as_str().to_owned(), info: describe(row) })
}

pub(super) async fn list(context: &ControlContext) -> Result<Reply, Refusal> {
    let rows = context.people.tokens().await.map_err(PeopleError::from)?;
    Ok(Reply::Tokens { tokens: rows.into_iter().map(describe).collect() })
}

pub(super) async fn revoke(context: &ControlContext, id: i64) -> Result<Reply, Refusal> {
    match context.people.revoke_token(id).await.map_err(PeopleError::from)? {
        true => Ok(Reply::Done),
        false => Err(invalid(format!("there is no API token {id}")).hint("hubctl token list shows them")),
    }
}

fn describe(row: TokenRow) -> TokenInfo {
    let at = |seconds| moment(time(seconds));
    TokenInfo {
        id: row.id,
        maker: match &row.maker {
            None => "root on the host".to_owned(),
            Some(Giver::Person(name)) => name.to_string(),
            Some(Giver::Operator(account)) => format!("{account} on the host"),
        },
        note: row.note,
        scopes: row.scopes,
        created: at(row.created),
        expires: row.expires.map(at),
        last_used: row.last_used.map(at),
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Invalid, message)
}

impl From<NoToken> for Refusal {
    fn from(error: NoToken) -> Self {
        match error {
            NoToken::Full => invalid(error.to_string()).hint("hubctl token list shows them; hubctl token revoke ends one"),
            NoToken::Store(error) => PeopleError::from(error).into(),
            error => {
                Self::new(RefusalKind::Failed, format!("{:#}", anyhow::Error::new(error))).hint("on the host: journalctl -u hubd")
            }
        }
    }
}
