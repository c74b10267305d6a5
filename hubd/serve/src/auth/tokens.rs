//! API tokens. A token acts by the right of whoever made it, and that is judged at every use: one of somebody who is no
//! administrator any more, or kept out, does nothing, and is taken back for good.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use hub_core::config::Role;
use hub_core::control::tokens::Scope;
use rusqlite::{Connection, TransactionBehavior};

use super::throttle::Verdict;
use super::token::Token;
use super::{Maker, People};
use crate::store::StoreError;
use crate::store::people::{self, Giver};
use crate::store::tokens::{self as rows, NewToken, Stored, TokenRow};

/// Uses closer together than this are noted once, seconds.
const NOTED_EVERY: i64 = 60;

/// A token that works, at the moment of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The token's number.
    pub id: i64,
    /// By whose right it acts; `None`: the host's.
    pub maker: Option<Giver>,
    /// All it may do, with what comes with that.
    pub scopes: BTreeSet<Scope>,
}

impl Holder {
    /// Whether it may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Why a text is no token that works, or a token was not made.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// It never was one, is over, was revoked, or its maker lost the right to it.
    #[error("this token does not work")]
    Wrong,
    /// Too many wrong ones came from the same place.
    #[error("too many wrong tokens; expected a pause of {} seconds", .0.as_secs())]
    TooMany(Duration),
    /// There are as many as there may be.
    #[error("there are a thousand tokens already")]
    Full,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Anything else.
    #[error("making a token")]
    Internal(#[source] anyhow::Error),
}

impl People {
    /// Makes a token that acts by the right of `maker`; gives the only copy of its secret.
    ///
    /// # Errors
    /// [`NoToken::Full`], [`NoToken::Wrong`] when `maker` is not enrolled any more, or what the database said.
    pub async fn make_token(
        &self,
        maker: &Maker,
        scopes: Vec<Scope>,
        note: String,
        lifetime: Option<Duration>,
    ) -> Result<(Token, TokenRow), NoToken> {
        let token = Token::random().map_err(|error| NoToken::Internal(error.into()))?;
        let now = self.now();
        let expires = lifetime.map(|lifetime| now.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)));
        let new = NewToken { hash: token.hash().0, maker: maker.giver(), scopes, note, expires };
        let row = new.clone();
        let add = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let stored = rows::add(&transaction, &row, now)?;
            transaction.commit()?;
            Ok(stored)
        };
        let NewToken { maker, scopes, note, expires, .. } = new;
        match self.inner.store.run(add).await? {
            Stored::As(id) => Ok((token, TokenRow { id, maker, scopes, note, created: now, expires, last_used: None })),
            Stored::TooMany => Err(NoToken::Full),
            Stored::Unknown => Err(NoToken::Wrong),
        }
    }

    /// Every token that was not revoked, in the order they were made.
    ///
    /// # Errors
    /// What the database said.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.inner.store.run(|connection| rows::list(connection)).await
    }

    /// Ends the token with that number; `false`: there is none.
    ///
    /// # Errors
    /// What the database said.
    pub async fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        self.inner.store.run(move |connection| rows::remove(connection, id)).await
    }

    /// What whoever sent `text` from `source` holds. A token that works does so however many wrong ones came from there.
    ///
    /// # Errors
    /// [`NoToken::Wrong`], [`NoToken::TooMany`], or what the database said.
    pub async fn holder(&self, text: &str, source: IpAddr) -> Result<Holder, NoToken> {
        let hash = Token::parse(text).map(|token| token.hash());
        let (now, judge) = (self.now(), self.clone());
        let find = move |connection: &mut rusqlite::Connection| {
            let Some(row) = hash.map(|hash| rows::find(connection, &hash.0, now)).transpose()?.flatten() else { return Ok(None) };
            if !judge.upholds(connection, &row)? {
                return Ok(None);
            }
            if row.last_used.is_none_or(|used| (now - used).abs() >= NOTED_EVERY)
                && let Err(error) = rows::set_last_used(connection, row.id, now)
            {
                // Reading works, so the token does.
                tracing::debug!(%error, token = row.id, "noting that a token was used");
            }
            Ok(Some(row))
        };
        let found = if hash.is_some() { self.inner.store.run(find).await? } else { None };
        if let Some(row) = found {
            let scopes = row.scopes.iter().flat_map(|scope| scope.with_implied()).copied().collect();
            return Ok(Holder { id: row.id, maker: row.maker, scopes });
        }
        // Tries with the same wrong token are one account's, so to speak; all wrong ones are their source's.
        let (account, elapsed) = (hash.map(|hash| hash.to_string()).unwrap_or_default(), self.inner.clock.elapsed());
        match self.inner.token_throttle.ask(source, &account, elapsed, false) {
            Verdict::Refuse(wait) | Verdict::Slow(wait) => Err(NoToken::TooMany(wait)),
            Verdict::Go => {
                tracing::info!(%source, "a wrong API token");
                self.inner.token_throttle.failed(source, &account, elapsed);
                Err(NoToken::Wrong)
            }
        }
    }

    /// Whether whoever made the token may have one now. An administrator whose password comes from somebody who may not give
    /// it any more is out, and with them what was made in their name.
    pub(super) fn upholds(&self, connection: &Connection, row: &TokenRow) -> rusqlite::Result<bool> {
        let Some(maker) = &row.maker else { return Ok(true) };
        let is_in = match maker {
            Giver::Operator(_) => true,
            Giver::Person(name) => {
                people::find(connection, name)?.is_some_and(|person| !person.blocked && !self.is_outranked(&person))
            }
        };
        Ok(is_in && self.inner.sessions.vouches_for(maker) == Some(Role::Admin))
    }
}
