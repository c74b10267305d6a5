//! A class list put in force: people come, are called otherwise, leave, all of it or nothing.

use futures_util::{StreamExt, TryStreamExt, stream};
use hub_core::accounts::Username;
use hub_roster::{ClassChange, Known, Listed};
use rusqlite::TransactionBehavior;

use super::{Added, LINK_LIFETIME, Link, Maker, People, PeopleError, Token};
use crate::store::people::{self, LinkRow, PersonRow};
use crate::store::{roster, seconds};

/// Passwords on their way to be hashed; how many are at a time is decided elsewhere.
const HASHES_AHEAD: usize = 8;

impl People {
    /// Who is there, for a class list.
    ///
    /// # Errors
    /// What the database said.
    pub async fn known(&self) -> Result<Known, PeopleError> {
        let read = |connection: &mut rusqlite::Connection| Ok((people::list(connection)?, roster::made_names(connection)?));
        let (rows, made) = self.inner.store.run(read).await?;
        let sessions = &self.inner.sessions;
        let listed = |row: PersonRow| Listed {
            is_blocked: row.blocked || sessions.is_blocked(&row.name),
            name: row.name,
            profile: row.profile,
        };
        Ok(Known { people: rows.into_iter().map(listed).collect(), made })
    }

    /// Puts `change` in force, in one transaction; returns what came of each comer. Whoever leaves has no session when this
    /// returns. `own`: who takes their rights away and stays in, also with a password from one of them.
    ///
    /// # Errors
    /// [`PeopleError::Changed`], a password that is not acceptable, or what the database said. Then nothing was done.
    pub async fn apply(&self, change: ClassChange, maker: &Maker, own: Option<&Username>) -> Result<Vec<Added>, PeopleError> {
        let hashed = stream::iter(change.comers.clone()).map(|comer| async move {
            match comer.password {
                Some(password) => self.hash(&comer.name, &password).await.map(Some),
                None => Ok(None),
            }
        });
        let hashes: Vec<Option<String>> = hashed.buffered(HASHES_AHEAD).try_collect().await?;
        let expires = self.inner.clock.now() + LINK_LIFETIME;
        let mut tokens = Vec::with_capacity(hashes.len());
        for hash in &hashes {
            let token = hash.is_none().then(Token::random).transpose();
            tokens.push(token.map_err(|error| PeopleError::Internal(error.into()))?);
        }
        let link = |token: &Option<Token>| {
            let path = format!("/hub/link/{}", token.as_ref()?.as_str());
            Some(Link { path, expires })
        };
        let added = tokens.iter().map(|token| Added { added: true, link: link(token) }).collect();
        let (rank, giver, now, own) = (maker.rank(), maker.giver(), self.now(), own.cloned());
        let (sessions, leavers) = (self.inner.sessions.clone(), change.leavers.clone());
        let work = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for ((comer, hash), token) in change.comers.iter().zip(&hashes).zip(&tokens) {
                if !people::add(&transaction, &comer.name, hash.as_deref(), (rank, giver.as_ref()), now)? {
                    return Ok(false);
                }
                people::set_profile(&transaction, &comer.name, &comer.profile)?;
                if let Some(token) = token {
                    let (name, expires, maker) = (comer.name.clone(), seconds(expires), giver.clone());
                    let row = LinkRow { name, expires, maker, rank, revoked: false, blocked: false };
                    people::set_link(&transaction, &token.hash().0, &row)?;
                }
            }
            for (name, profile) in &change.profiles {
                if !people::set_profile(&transaction, name, profile)? {
                    return Ok(false);
                }
            }
            for (identity, name) in &change.identities {
                roster::keep_made(&transaction, identity, name)?;
            }
            for name in &change.leavers {
                if let Some(own) = &own {
                    people::adopt_password(&transaction, own, name)?;
                }
                if !people::set_blocked(&transaction, name, true)? {
                    return Ok(false);
                }
            }
            transaction.commit()?;
            for name in &change.leavers {
                sessions.end_all(name);
            }
            Ok(true)
        };
        if !self.inner.store.run(work).await? {
            return Err(PeopleError::Changed);
        }
        if !leavers.is_empty() {
            self.revoke_grants().await?;
        }
        Ok(added)
    }
}
