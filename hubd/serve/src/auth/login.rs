//! From a name and a password, or a one-time link, to a new session.

use std::net::IpAddr;
use std::time::Duration;

use hub_core::accounts::Username;
use hub_core::config::Role;
use rusqlite::TransactionBehavior;

use super::line::{Busy, Line, Place};
use super::password::{self, PasswordProblem};
use super::sessions::{self, Session, cookie_value};
use super::throttle::{self, Origin, Verdict};
use super::token::Token;
use super::{People, PeopleError};
use crate::store::sessions::SessionRow;
use crate::store::{StoreError, people, sessions as rows};

/// Sessions one person can have at a time; the oldest goes first.
pub(super) const MOST_SESSIONS: u32 = 50;

/// A session that has just begun. Its cookie is the only copy of the secret.
pub struct NewSession {
    /// The session.
    pub session: Session,
    token: Token,
}

impl NewSession {
    pub(super) fn new(session: Session, token: Token) -> Self {
        Self { session, token }
    }

    /// The value of the `Set-Cookie` header that gives the session to the browser.
    pub fn cookie(&self, https: bool) -> String {
        cookie_value(Some(&self.token), https)
    }
}

/// Why somebody did not get in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Nobody has this name and this password.
    #[error("wrong name or password")]
    Wrong,
    /// Name and password are right, and this person is kept out.
    #[error("this person is blocked")]
    Blocked,
    /// Name and password are right, and the password came from somebody who may not give one to a person of this role.
    #[error("the password was given by somebody who may not give one to this person")]
    Outranked,
    /// Too many wrong passwords.
    #[error("too many wrong passwords; expected a pause of {} seconds", .0.as_secs())]
    TooMany(Duration),
    /// This can't be anybody's password.
    #[error(transparent)]
    Malformed(PasswordProblem),
    /// The new password is not acceptable.
    #[error(transparent)]
    WeakPassword(PasswordProblem),
    /// Too many passwords are being checked.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Anything else.
    #[error("logging somebody in")]
    Internal(#[source] anyhow::Error),
}

/// Somebody who proved who they are.
pub(super) struct Verified {
    pub(super) name: Username,
    /// The password's hash, as it was checked or set.
    pub(super) hash: String,
    /// What they were at that moment.
    pub(super) role: Role,
}

impl People {
    /// Begins a session for whoever has this name and password. `name` is what was typed: a text that is no name gets the
    /// same answer, after the same time, as a name nobody has.
    ///
    /// # Errors
    /// Why not.
    pub async fn log_in(&self, name: &str, password: &str, origin: impl Into<Origin>) -> Result<NewSession, LoginError> {
        let origin = origin.into();
        let verified = self.verified(name, password, origin).await?;
        self.begin(verified, origin.source).await?.ok_or(LoginError::Wrong)
    }

    /// Sets a new password for somebody who knows the current one. All sessions of that person end; the new one takes the
    /// place of the one the change was made in.
    ///
    /// # Errors
    /// Why not.
    pub async fn change_password(
        &self,
        name: &Username,
        current: &str,
        new: &str,
        origin: impl Into<Origin>,
    ) -> Result<NewSession, LoginError> {
        let origin = origin.into();
        password::check(name, new).map_err(LoginError::WeakPassword)?;
        let verified = self.verified(name.as_str(), current, origin).await?;
        let hash = self.hash(name, new).await.map_err(LoginError::from_people)?;
        // Whoever gave the current one may be the person who changes it. And it may have been replaced in the meantime, so that
        // whoever knew it is out.
        let (row, sessions) = (name.clone(), self.inner.sessions.clone());
        let (current, stored) = (verified.hash.clone(), hash.clone());
        let change = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let is_changed = people::change_password(&transaction, &row, &current, &stored)?;
            transaction.commit()?;
            if is_changed {
                sessions.end_all(&row);
            }
            Ok(is_changed)
        };
        if !self.inner.store.run(change).await? {
            return Err(LoginError::Wrong);
        }
        self.begin(Verified { hash, ..verified }, origin.source).await?.ok_or(LoginError::Wrong)
    }

    /// Whether `password` is that of `name`, who is logged in: asked before something that outlives the session.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn knows_password(&self, name: &Username, password: &str, origin: impl Into<Origin>) -> Result<(), LoginError> {
        self.verified(name.as_str(), password, origin.into()).await.map(drop)
    }

    /// Uses a one-time link up: sets the password and begins a session. Of many at once exactly one succeeds.
    ///
    /// # Errors
    /// [`PeopleError::LinkOver`], [`PeopleError::LinkRevoked`], [`PeopleError::Blocked`], a password that is not acceptable, or what the database said.
    pub async fn use_link(&self, token: &Token, password: &str, source: IpAddr) -> Result<NewSession, PeopleError> {
        password::check(&self.look_at_link(token).await?, password)?;
        // Looking again with the slot in hand, and keeping it until the link is used, spares the losers of a race their hash.
        let slot = self.inner.hasher.slot().await?;
        let name = self.look_at_link(token).await?;
        let (hash, _slot) = self.hash_in(slot, password).await?;
        let (link, now, judge) = (token.hash(), self.now(), self.clone());
        let (row, stored) = (name.clone(), hash.clone());
        let used = self
            .inner
            .store
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let Some(found) = people::find_link(&transaction, &link.0, now)?.filter(|found| found.name == row) else {
                    return Ok(Err(PeopleError::LinkOver));
                };
                let role = match judge.hold(&found) {
                    Ok(role) => role,
                    Err(refused) => return Ok(Err(refused)),
                };
                if !people::set_password(&transaction, &row, &stored, (found.rank, found.maker.as_ref()))? {
                    return Ok(Err(PeopleError::LinkOver));
                }
                transaction.commit()?;
                judge.inner.sessions.end_all(&row);
                Ok(Ok(role))
            })
            .await?;
        let role = used?;
        tracing::info!(user = %name, "password set by one-time link");
        match self.begin(Verified { name, hash, role }, source).await {
            Ok(session) => session.ok_or(PeopleError::LinkOver),
            Err(LoginError::Store(error)) => Err(PeopleError::Store(error)),
            Err(error) => Err(PeopleError::Internal(error.into())),
        }
    }

    /// Ends a session: whoever watches it learns at once, and after a restart it is still over.
    ///
    /// # Errors
    /// What the database said. The session has ended all the same, and storing that is tried again every minute.
    pub async fn log_out(&self, session: &Session) -> Result<(), StoreError> {
        self.inner.sessions.end(session.id());
        tracing::info!(user = %session.user, "logged out");
        self.save().await
    }

    /// The person of that name and password, with the hash that was checked. Finishes even if the caller goes away: a
    /// guess that nobody waits for is a guess.
    async fn verified(&self, name: &str, password: &str, origin: Origin) -> Result<Verified, LoginError> {
        password::check_form(password).map_err(LoginError::Malformed)?;
        let (people, name, password) = (self.clone(), name.to_owned(), password.to_owned());
        tokio::spawn(async move { people.verify(&name, password, origin).await })
            .await
            .map_err(|error| LoginError::Internal(error.into()))?
    }

    async fn verify(&self, name: &str, password: String, origin: Origin) -> Result<Verified, LoginError> {
        let source = origin.source;
        let slot = self.inner.hasher.slot_at(self.turn(name, origin, self.inner.hasher.line()).await?);
        let row = match name.parse::<Username>() {
            Ok(name) => self.row(&name).await?,
            Err(_) => None,
        };
        let hash = row.as_ref().and_then(|row| row.password.clone());
        let right = tokio::task::spawn_blocking(move || {
            let right = slot.verify(&password, hash.as_deref());
            (right, slot)
        });
        // The slot is kept until the outcome is noted: what waits for it must see the outcome.
        let (right, _slot) = right.await.map_err(|error| LoginError::Internal(error.into()))?;
        let right = right.map_err(LoginError::Internal)?;
        let now = self.inner.clock.elapsed();
        match row {
            Some(row @ people::PersonRow { password: Some(_), .. }) if right => {
                let is_outranked = self.is_outranked(&row);
                let people::PersonRow { name, password, blocked, .. } = row;
                self.inner.throttle.succeeded(origin, name.as_str(), now);
                if blocked || self.inner.sessions.is_blocked(&name) {
                    tracing::info!(user = %name, %source, "kept out: blocked");
                    return Err(LoginError::Blocked);
                }
                let role = self.inner.sessions.role_of(&name);
                if is_outranked {
                    tracing::warn!(user = %name, %source, %role, "kept out: the password is not from somebody who may give one for this role");
                    return Err(LoginError::Outranked);
                }
                Ok(Verified { name, hash: password.unwrap_or_default(), role })
            }
            _ => {
                self.inner.throttle.failed(origin, name, now);
                let known = row.as_ref().map_or("-", |row| row.name.as_str());
                tracing::info!(%source, user = known, "wrong name or password");
                Err(LoginError::Wrong)
            }
        }
    }

    /// Waits until a password for `name` (any text) may be checked where `line` leads.
    pub(super) async fn turn(&self, name: &str, origin: Origin, line: &Line) -> Result<Place, LoginError> {
        let mut slowed = false;
        loop {
            match self.inner.throttle.ask(origin, name, self.inner.clock.elapsed(), slowed) {
                Verdict::Go => {}
                Verdict::Refuse(wait) => return Err(LoginError::TooMany(wait)),
                Verdict::Slow(wait) => {
                    tokio::time::sleep(wait).await;
                    slowed = true;
                    continue;
                }
            }
            let place = line.place_for(name, throttle::network(origin.source)).await?;
            match self.inner.throttle.ask(origin, name, self.inner.clock.elapsed(), slowed) {
                Verdict::Go => return Ok(place),
                Verdict::Refuse(wait) => return Err(LoginError::TooMany(wait)),
                Verdict::Slow(wait) => {
                    drop(place);
                    tokio::time::sleep(wait).await;
                    slowed = true;
                }
            }
        }
    }

    /// Begins a session, unless the person's password is another by now, or they are kept out, or something else than they
    /// were when it was checked.
    pub(super) async fn begin(&self, verified: Verified, source: IpAddr) -> Result<Option<NewSession>, LoginError> {
        let Verified { name, hash, role } = verified;
        let token = Token::random().map_err(|error| LoginError::Internal(error.into()))?;
        let now = self.now();
        let row = SessionRow { id: token.hash().0, name, created: now, last_seen: now, source, rank: Some(sessions::rank(role)) };
        let (live, shown, kept, checked) = (self.inner.sessions.clone(), token.clone(), row.clone(), hash.clone());
        let begun = self
            .inner
            .store
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let dropped = rows::add(&transaction, &row, &hash, MOST_SESSIONS)?;
                people::set_last_active(&transaction, &row.name, now)?;
                transaction.commit()?;
                let Some(dropped) = dropped else { return Ok(None) };
                for id in dropped {
                    live.end(super::token::TokenHash(id));
                }
                // Still alone with the database: whoever blocks or removes this person comes before or after.
                Ok(Some(live.admit(&shown, row.name.clone(), source, role)))
            })
            .await;
        let begun = match begun {
            // Whoever has the right password can work; at the next start of the hub this session is over.
            Err(StoreError::Full { .. } | StoreError::ReadOnly { .. }) => {
                let found = self.row(&kept.name).await?;
                let is_still = found.is_some_and(|found| {
                    !found.blocked && !self.is_outranked(&found) && found.password.as_ref() == Some(&checked)
                });
                is_still.then(|| self.inner.sessions.admit(&token, kept.name, source, role))
            }
            begun => begun?,
        };
        let begun = begun.map(|session| NewSession { session, token });
        if let Some(begun) = &begun {
            tracing::info!(user = %begun.session.user, %source, "logged in");
        }
        Ok(begun)
    }
}

impl LoginError {
    fn from_people(error: PeopleError) -> Self {
        match error {
            PeopleError::Unknown(_)
            | PeopleError::Blocked
            | PeopleError::Changed
            | PeopleError::LinkOver
            | PeopleError::LinkRevoked => Self::Wrong,
            PeopleError::WeakPassword(problem) => Self::WeakPassword(problem),
            PeopleError::Busy(busy) => Self::Busy(busy),
            PeopleError::Store(error) => Self::Store(error),
            PeopleError::Internal(error) => Self::Internal(error),
        }
    }
}
