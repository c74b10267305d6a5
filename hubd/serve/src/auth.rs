//! Who is enrolled, who is who, and who is logged in. Nothing here knows of HTML or of servers.

mod attempts;
mod clock;
mod consents;
mod devices;
mod foreign;
mod grants;
mod line;
pub mod password;
pub mod sessions;
pub mod throttle;

mod login;
mod logins;
mod revocation;
mod roster;
mod tokens;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use hub_core::accounts::Username;
use rusqlite::TransactionBehavior;

pub use attempts::{Attempt, Attempts, Browser, Purpose};
pub use clock::Clock;
pub use consents::Consents;
pub use foreign::Guess;
pub use grants::{Maker, OpenLink};
pub use hub_core::token::{self, Token};
pub use login::{LoginError, NewSession};
pub use logins::{NotIn, NotLinked, Vouched};
pub use password::PasswordProblem;
pub use sessions::{Policy, Session, Sessions};
pub use tokens::{Holder, NoToken};

pub use crate::store::people::Giver;
use crate::store::{Store, StoreError, keys, people, seconds, time};
use devices::Devices;
pub use hub_roster::{ClassChange, Known, Listed, NewPerson, Profile};
use line::{Busy, Line};
use password::{Cost, Hasher, Slot};
use throttle::{Origin, Throttle};

/// How long a one-time link works.
const LINK_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How often it is stored which sessions were used; a power cut forgets at most this much of it.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// The key that proves which browsers got in before.
const BROWSERS: &str = "browsers";

/// Everybody who is enrolled, their passwords and sessions; clones share them.
#[derive(Clone)]
pub struct People {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    hasher: Hasher,
    /// Where people wait for a password to be checked that is not ours.
    foreign: Line,
    sessions: Sessions,
    throttle: Throttle,
    /// For wrong tokens alone: whoever has many of those is in the way of nobody who logs in.
    token_throttle: Throttle,
    devices: Devices,
    consents: Consents,
    attempts: Attempts,
    clock: Clock,
}

/// One enrolled person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name to log in with.
    pub name: Username,
    /// Whether this person is kept out.
    pub blocked: bool,
    /// Whether a password is set.
    pub has_password: bool,
    /// When this person last did something, give or take a minute.
    pub last_active: Option<SystemTime>,
    /// When this person was enrolled.
    pub added: SystemTime,
    /// What a class list said about them.
    pub profile: Profile,
}

/// A link with which somebody sets their password, once.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// The path of its page, below the hub's address. Whoever has it can become this person: it belongs in no log.
    pub path: String,
    /// When it stops working.
    pub expires: SystemTime,
}

/// What came of enrolling somebody.
#[derive(Clone, PartialEq, Eq)]
pub struct Added {
    /// Whether the person was new; `false`: already enrolled, nothing changed.
    pub added: bool,
    /// The one-time link, for a new person without a password.
    pub link: Option<Link>,
}

/// Why something about a person could not be done.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// Nobody of that name.
    #[error("nobody named `{0}` is enrolled")]
    Unknown(Username),
    /// Not a password.
    #[error(transparent)]
    WeakPassword(#[from] PasswordProblem),
    /// The one-time link was used, is over, or never was.
    #[error("this link does not work (any more)")]
    LinkOver,
    /// The one-time link was made by somebody who may not make it any more, or for somebody who has risen since.
    #[error("whoever made this link may not give one to this person (any more)")]
    LinkRevoked,
    /// The one-time link is good, and its owner is blocked.
    #[error("whoever this link is for is blocked")]
    Blocked,
    /// Somebody changed the list of people at the same moment.
    #[error("the list of people has changed meanwhile, and nothing was done")]
    Changed,
    /// Too many passwords are being checked.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Anything else.
    #[error("computing a password hash")]
    Internal(#[source] anyhow::Error),
}

impl People {
    /// Opens the database at `database` and takes over the sessions in it, as far as `policy` lets them live.
    ///
    /// # Errors
    /// When the database can't be used; the message says what to do.
    pub async fn open(database: &Path, policy: Policy) -> Result<Self, StoreError> {
        Self::open_with(database, policy, Clock::system(), Cost::STANDARD).await
    }

    pub(crate) async fn open_with(database: &Path, policy: Policy, clock: Clock, cost: Cost) -> Result<Self, StoreError> {
        let store = Store::open(database).await?;
        let rows = store.run(|connection| crate::store::sessions::list(connection)).await?;
        let sessions = Sessions::new(policy.clone(), clock.clone());
        let throttle = Throttle::default();
        let unranked: Vec<_> = rows.iter().filter(|row| row.rank.is_none()).map(|row| (row.id, row.name.clone())).collect();
        for (user, source) in sessions.load(rows) {
            throttle.succeeded(source, user.as_str(), clock.elapsed());
        }
        sessions.set_policy(policy);
        revocation::take_over(&sessions, store.revoked());
        let fresh = Token::random().map_err(|_| StoreError::Aborted { path: database.to_owned() })?.hash().0;
        let key = store.run(move |connection| keys::keep(connection, BROWSERS, fresh)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "browsers that got in before are known until the hub is started again");
            fresh
        });
        let parallel = std::thread::available_parallelism().map_or(1, usize::from);
        let (hasher, devices, consents) = (Hasher::new(parallel, cost), Devices::new(key), Consents::new(clock.clone()));
        let token_throttle = Throttle::default();
        let attempts = Attempts::new(clock.clone());
        let foreign = Line::new(hub_core::pam::MOST / 2);
        let inner = Inner { store, hasher, foreign, sessions, throttle, token_throttle, devices, consents, attempts, clock };
        let people = Self { inner: Arc::new(inner) };
        for written in [people.rank(unranked).await, people.save().await, people.revoke_grants().await] {
            if let Err(error) = written {
                // Reading works, so people can work; what has ended is over in memory.
                tracing::error!(error = %format_args!("{:#}", anyhow::Error::from(error)), "the database can't be written");
            }
        }
        Ok(people)
    }

    /// Notes for sessions of an earlier version what their owners are now.
    async fn rank(&self, unranked: Vec<([u8; 32], Username)>) -> Result<(), StoreError> {
        if unranked.is_empty() {
            return Ok(());
        }
        let sessions = self.inner.sessions.clone();
        let rank = move |connection: &mut rusqlite::Connection| {
            unranked.iter().try_for_each(|(id, name)| {
                crate::store::sessions::set_rank(connection, id, sessions::rank(sessions.role_of(name)))
            })
        };
        self.inner.store.run(rank).await
    }

    /// Puts another policy in force: people whom it keeps out are out when this returns, with all they have open.
    pub fn set_policy(&self, policy: Policy) {
        self.inner.sessions.set_policy(policy);
    }

    /// The live sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// What people agreed to a moment ago.
    pub fn consents(&self) -> &Consents {
        &self.inner.consents
    }

    /// Logins that were begun at a provider.
    pub fn attempts(&self) -> &Attempts {
        &self.inner.attempts
    }

    /// How many people have a live session.
    pub fn session_count(&self) -> u64 {
        self.inner.sessions.people()
    }

    /// Where a try to log in as `account` (any text) comes from, for the throttle.
    pub fn origin(&self, source: IpAddr, headers: &HeaderMap, https: bool, account: &str) -> Origin {
        Origin { source, browser: self.inner.devices.find(headers, https, account) }
    }

    /// The value of the `Set-Cookie` header by which the browser is known from now on as one that got in as `name`. Without
    /// random numbers there is none.
    pub fn browser_cookie(&self, headers: &HeaderMap, https: bool, name: &Username) -> Option<String> {
        self.inner.devices.remember(headers, https, name.as_str()).ok()
    }

    /// Stores once a minute which sessions were used and ends those that were not. Never returns: spawn it once.
    pub async fn upkeep(self) {
        loop {
            tokio::time::sleep(SAVE_INTERVAL).await;
            self.inner.store.keep_room().await;
            if let Err(error) = self.save().await {
                tracing::warn!(error = %format_args!("{:#}", anyhow::Error::from(error)), "saving sessions; next try in a minute");
            }
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.inner.store.run(|connection| people::count(connection)).await.map(drop)
    }

    /// How many are enrolled.
    ///
    /// # Errors
    /// What the database said.
    pub async fn count(&self) -> Result<u64, PeopleError> {
        Ok(self.inner.store.run(|connection| people::count(connection)).await?)
    }

    /// Leaves a copy of the database in `directory`.
    ///
    /// # Errors
    /// What the database said.
    pub async fn copy_database(&self, directory: &Path) -> Result<(), PeopleError> {
        Ok(self.inner.store.copy(directory).await?)
    }

    /// The first thing that is wrong with the file of the database; `None`: it is whole.
    ///
    /// # Errors
    /// When it can't be looked at.
    pub async fn check_database(&self) -> Result<Option<String>, PeopleError> {
        Ok(self.inner.store.check().await?)
    }

    /// Enrols `name`, with a password or with a one-time link to set one.
    ///
    /// # Errors
    /// When the password is not acceptable, or the database refuses.
    pub async fn add(&self, name: &Username, password: Option<&str>, maker: &Maker) -> Result<Added, PeopleError> {
        let hash = match password {
            Some(password) => Some(self.hash(name, password).await?),
            None => None,
        };
        let (row, rank, giver, now) = (name.clone(), maker.rank(), maker.giver(), self.now());
        let add = move |connection: &mut _| people::add(connection, &row, hash.as_deref(), (rank, giver.as_ref()), now);
        let added = self.inner.store.run(add).await?;
        let link = if added && password.is_none() { Some(self.new_link(name, maker).await?) } else { None };
        Ok(Added { added, link })
    }

    /// Everybody who is enrolled, by name.
    ///
    /// # Errors
    /// What the database said.
    pub async fn list(&self) -> Result<Vec<Person>, PeopleError> {
        let rows = self.inner.store.run(|connection| people::list(connection)).await?;
        Ok(rows.into_iter().map(|row| self.person(row)).collect())
    }

    /// The enrolled person of that name.
    ///
    /// # Errors
    /// What the database said.
    pub async fn find(&self, name: &Username) -> Result<Option<Person>, PeopleError> {
        Ok(self.row(name).await?.map(|row| self.person(row)))
    }

    /// Takes `name` off the list; their sessions end at once. `false`: was not enrolled.
    ///
    /// # Errors
    /// What the database said; the sessions have ended all the same.
    pub async fn remove(&self, name: &Username) -> Result<bool, PeopleError> {
        let (name, sessions) = (name.clone(), self.inner.sessions.clone());
        sessions.end_all(&name);
        let removed = self
            .inner
            .store
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let removed = people::remove(&transaction, &name)?;
                transaction.commit()?;
                sessions.end_all(&name);
                Ok(removed)
            })
            .await?;
        self.revoke_grants().await?;
        Ok(removed)
    }

    /// Sets the password of `name`. Their sessions end and a link not used yet stops working.
    ///
    /// # Errors
    /// When nobody has that name, the password is not acceptable, or the database refuses.
    pub async fn set_password(&self, name: &Username, password: &str, maker: &Maker) -> Result<(), PeopleError> {
        if self.row(name).await?.is_none() {
            return Err(PeopleError::Unknown(name.clone()));
        }
        let hash = self.hash(name, password).await?;
        let (row, sessions, rank, giver) = (name.clone(), self.inner.sessions.clone(), maker.rank(), maker.giver());
        let set = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = people::set_password(&transaction, &row, &hash, (rank, giver.as_ref()))?;
            transaction.commit()?;
            sessions.end_all(&row);
            Ok(known)
        };
        if self.inner.store.run(set).await? { Ok(()) } else { Err(PeopleError::Unknown(name.clone())) }
    }

    /// A new one-time link for `name`; an older one stops working.
    ///
    /// # Errors
    /// When nobody has that name, or the database refuses.
    pub async fn new_link(&self, name: &Username, maker: &Maker) -> Result<Link, PeopleError> {
        let token = Token::random().map_err(|error| PeopleError::Internal(error.into()))?;
        self.set_link(name, &token, maker).await
    }

    /// Makes `token` the secret of the one-time link for `name`; an older one stops working.
    ///
    /// # Errors
    /// When nobody has that name, or the database refuses.
    pub async fn set_link(&self, name: &Username, token: &Token, maker: &Maker) -> Result<Link, PeopleError> {
        let expires = self.inner.clock.now() + LINK_LIFETIME;
        let row = people::LinkRow {
            name: name.clone(),
            expires: seconds(expires),
            maker: maker.giver(),
            rank: maker.rank(),
            revoked: false,
            blocked: false,
        };
        let hash = token.hash();
        let known = self.inner.store.run(move |connection| people::set_link(connection, &hash.0, &row)).await?;
        if !known {
            return Err(PeopleError::Unknown(name.clone()));
        }
        Ok(Link { path: format!("/hub/link/{}", token.as_str()), expires })
    }

    /// Ends all sessions of `name`, who can log in again.
    ///
    /// # Errors
    /// What the database said; the sessions have ended all the same.
    pub async fn log_out_everywhere(&self, name: &Username) -> Result<(), StoreError> {
        self.inner.sessions.end_all(name);
        self.save().await
    }

    /// Stores that `name` is kept out, or let in again.
    async fn store_block(&self, name: &Username, blocked: bool) -> Result<(), PeopleError> {
        let (row, sessions) = (name.clone(), self.inner.sessions.clone());
        if blocked {
            sessions.end_all(&row);
        }
        let known = self
            .inner
            .store
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let known = people::set_blocked(&transaction, &row, blocked)?;
                transaction.commit()?;
                if blocked {
                    sessions.end_all(&row);
                }
                Ok(known)
            })
            .await?;
        if blocked {
            self.revoke_grants().await?;
        }
        if known { Ok(()) } else { Err(PeopleError::Unknown(name.clone())) }
    }

    /// Whose password the link with this token sets, as long as it works. Looking uses nothing up.
    ///
    /// # Errors
    /// [`PeopleError::LinkOver`], [`PeopleError::LinkRevoked`], [`PeopleError::Blocked`], or what the database said.
    pub async fn look_at_link(&self, token: &Token) -> Result<Username, PeopleError> {
        let (hash, now) = (token.hash(), self.now());
        let found = self.inner.store.run(move |connection| people::find_link(connection, &hash.0, now)).await?;
        let link = found.ok_or(PeopleError::LinkOver)?;
        self.hold(&link)?;
        Ok(link.name)
    }

    async fn row(&self, name: &Username) -> Result<Option<people::PersonRow>, StoreError> {
        let name = name.clone();
        self.inner.store.run(move |connection| people::find(connection, &name)).await
    }

    fn person(&self, row: people::PersonRow) -> Person {
        let stored = row.last_active.map(time);
        let live = self.inner.sessions.idle(&row.name).map(|idle| self.inner.clock.now() - idle);
        Person {
            has_password: row.password.is_some(),
            last_active: stored.max(live),
            added: time(row.added),
            profile: row.profile,
            blocked: row.blocked || self.inner.sessions.is_blocked(&row.name),
            name: row.name,
        }
    }

    /// The database, to be kept from writing.
    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Stores what a class list says about `name`.
    #[cfg(test)]
    pub(crate) async fn set_profile(&self, name: &Username, profile: Profile) -> Result<bool, StoreError> {
        let name = name.clone();
        self.inner.store.run(move |connection| people::set_profile(connection, &name, &profile)).await
    }

    fn now(&self) -> i64 {
        seconds(self.inner.clock.now())
    }

    async fn hash(&self, name: &Username, password: &str) -> Result<String, PeopleError> {
        password::check(name, password)?;
        let slot = self.inner.hasher.slot().await?;
        self.hash_in(slot, password).await.map(|(hash, _)| hash)
    }

    /// Gives the slot back, for work that must be done before the next in line has its turn.
    async fn hash_in(&self, slot: Slot, password: &str) -> Result<(String, Slot), PeopleError> {
        let password = password.to_owned();
        let (hash, slot) = tokio::task::spawn_blocking(move || (slot.hash(&password), slot))
            .await
            .map_err(|error| PeopleError::Internal(error.into()))?;
        hash.map(|hash| (hash, slot)).map_err(PeopleError::Internal)
    }
}

#[cfg(test)]
mod tests;
