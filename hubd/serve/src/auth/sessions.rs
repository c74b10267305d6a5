//! Live sessions, in memory in front of the database: looking one up is a hash and a map lookup. When one ends, whoever
//! watches it learns at once.

mod cookie;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderMap;
use hub_core::accounts::Username;
use hub_core::config::{Config, Role};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

pub use cookie::{SECURE_COOKIE, SESSION_COOKIE, candidates, cookie_value, values};

use super::clock::Clock;
use super::token::{Token, TokenHash};
use crate::store::people::Giver;
use crate::store::sessions::SessionRow;
use crate::store::{Store, StoreError, seconds, sessions};

/// What a form must carry to prove that it comes from one of our pages.
const FORM_PURPOSE: &str = "hubd form";

/// What pages of a person's server carry to prove that this session was given them.
const PAGE_PURPOSE: &str = "hubd page";
/// Keys of ended sessions that are remembered, so that their pages can go on after another login.
const MOST_FORMER: usize = 20_000;
/// Of them, of one person.
const MOST_FORMER_OF_ONE: usize = 100;

/// All live sessions; clones share them.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    live: RwLock<HashMap<TokenHash, Arc<Entry>>>,
    /// Ended ones that the database does not know of yet.
    ended: Mutex<Vec<TokenHash>>,
    /// Kept out although the database does not know it yet.
    held: Mutex<HashSet<Username>>,
    former: Mutex<Former>,
    policy: RwLock<Policy>,
    clock: Clock,
}

/// Whose the sessions were that ended lately, oldest first.
type Former = VecDeque<(TokenHash, Username)>;

struct Entry {
    user: Username,
    source: IpAddr,
    /// What this person was when they logged in. Whoever rises logs in anew: somebody else may be in that session.
    role: Role,
    /// On the scale of [`Clock::elapsed`], in seconds; negative: before this process.
    last_seen: AtomicI64,
    saved: AtomicI64,
    ended: watch::Sender<bool>,
}

/// What the administrator decided about logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// A session ends when it was not used for so long.
    pub lifetime: Duration,
    /// Who is kept out, whatever the database says.
    pub blocked: HashSet<Username>,
    /// Who is more than a student.
    pub roles: HashMap<Username, Role>,
    /// Accounts of the machine that give people links and passwords.
    pub operators: HashSet<String>,
}

impl From<&Config> for Policy {
    fn from(config: &Config) -> Self {
        let roles = &config.roles;
        let named = roles.admins.iter().chain(&roles.teachers).chain(&roles.helpers);
        Self {
            lifetime: config.sessions.lifetime,
            blocked: roles.blocked.iter().cloned().collect(),
            roles: named.map(|name| (name.clone(), config.role_of(name))).collect(),
            operators: roles.host_operators.iter().cloned().collect(),
        }
    }
}

impl Policy {
    fn role_of(&self, name: &Username) -> Role {
        self.roles.get(name).copied().unwrap_or(Role::Student)
    }
}

/// How the database keeps a role: a higher one is a higher number.
pub(super) fn rank(role: Role) -> i64 {
    role as i64
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who.
    pub user: Username,
    /// Turns true (or its sender goes away) when access must end now.
    pub ended: watch::Receiver<bool>,
    id: TokenHash,
}

impl Session {
    /// What every form of this session carries.
    pub fn form_token(&self) -> String {
        self.id.derive(FORM_PURPOSE)
    }

    /// What only pages know that this session was given: not the cookie, which every page of the hub makes a browser send.
    pub fn page_key(&self) -> String {
        self.id.derive(PAGE_PURPOSE)
    }

    /// Whether both are the same session.
    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// The id that the database has.
    pub(super) fn id(&self) -> TokenHash {
        self.id
    }
}

impl Sessions {
    pub(super) fn new(policy: Policy, clock: Clock) -> Self {
        let inner = Inner {
            live: RwLock::default(),
            ended: Mutex::default(),
            held: Mutex::default(),
            former: Mutex::default(),
            policy: RwLock::new(policy),
            clock,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes over what an earlier process stored, but for sessions of people who have risen since. Gives who came from
    /// where, for the throttle.
    pub(super) fn load(&self, rows: Vec<SessionRow>) -> Vec<(Username, IpAddr)> {
        let today = seconds(self.inner.clock.now());
        let now = self.now();
        for row in rows {
            // A calendar that was set back makes a session young, never invalid.
            let last_seen = now - (today - row.last_seen).max(0);
            let (now, then) = (self.role_of(&row.name), row.rank);
            let role = if then.is_some_and(|then| then < rank(now)) { Role::Student } else { now };
            self.put(TokenHash(row.id), row.name, row.source, role, last_seen);
        }
        self.inner.read().values().map(|entry| (entry.user.clone(), entry.source)).collect()
    }

    /// The session that the request's cookie is of. No input or output; costs a few hashes at most, however many cookies
    /// there are. `https`: whether the connection is encrypted, which decides which cookie counts.
    pub fn find(&self, headers: &HeaderMap, https: bool) -> Option<Session> {
        let now = self.now();
        let mut found: Option<Session> = None;
        for id in candidates(headers, https).map(|token| token.hash()) {
            let live = self.inner.read();
            let Some(entry) = live.get(&id) else { continue };
            if self.is_over(entry, now) || *entry.ended.borrow() || entry.role < self.role_of(&entry.user) {
                continue;
            }
            match &found {
                None => found = Some(Session { user: entry.user.clone(), ended: entry.ended.subscribe(), id }),
                // Somebody planted a cookie of their own beside the visitor's: nobody can tell which is which.
                Some(first) if first.user != entry.user => return None,
                Some(_) => {}
            }
            entry.last_seen.fetch_max(now, Ordering::Relaxed);
        }
        found
    }

    /// Whose the session is, or was lately, that `key` was made for. After a restart of the hub only live ones are known.
    pub fn owner_of_page(&self, key: &str) -> Option<Username> {
        let is_its = |id: &TokenHash| bool::from(id.derive(PAGE_PURPOSE).as_bytes().ct_eq(key.as_bytes()));
        let live = self.inner.read().iter().find(|(id, _)| is_its(id)).map(|(_, entry)| entry.user.clone());
        live.or_else(|| self.inner.former().iter().rev().find(|(id, _)| is_its(id)).map(|(_, user)| user.clone()))
    }

    /// Whose the session is, or was lately, that the request's cookie is of.
    pub fn last_owner(&self, headers: &HeaderMap, https: bool) -> Option<Username> {
        let ids: Vec<_> = candidates(headers, https).map(|token| token.hash()).collect();
        let live = ids.iter().find_map(|id| self.inner.read().get(id).map(|entry| entry.user.clone()));
        live.or_else(|| self.inner.former().iter().rev().find(|(id, _)| ids.contains(id)).map(|(_, user)| user.clone()))
    }

    /// How many people have a live session.
    pub fn people(&self) -> u64 {
        let live = self.inner.read();
        live.values().map(|entry| &entry.user).collect::<HashSet<_>>().len() as u64
    }

    /// How long ago `name` was last seen in a live session.
    pub(super) fn idle(&self, name: &Username) -> Option<Duration> {
        let live = self.inner.read();
        let latest =
            live.values().filter(|entry| entry.user == *name).map(|entry| entry.last_seen.load(Ordering::Relaxed)).max()?;
        Some(Duration::from_secs((self.now() - latest).max(0).unsigned_abs()))
    }

    /// Makes a session known that the database has just taken.
    pub(super) fn admit(&self, token: &Token, user: Username, source: IpAddr, role: Role) -> Session {
        let id = token.hash();
        let now = self.now();
        let entry = self.put(id, user.clone(), source, role, now);
        // The policy may have changed since the password was checked: it is either seen here, or sees this session.
        if self.is_blocked(&user) || role < self.role_of(&user) {
            self.end(id);
        }
        Session { user, ended: entry.ended.subscribe(), id }
    }

    /// Puts another policy in force: sessions of people whom it keeps out, and of those whom it raises, end now.
    pub(super) fn set_policy(&self, policy: Policy) {
        *self.inner.policy.write().unwrap_or_else(PoisonError::into_inner) = policy.clone();
        let ends = |entry: &Entry| policy.blocked.contains(&entry.user) || entry.role < policy.role_of(&entry.user);
        let ids: Vec<_> = self.inner.read().iter().filter(|(_, entry)| ends(entry)).map(|(id, _)| *id).collect();
        for id in ids {
            self.end(id);
        }
    }

    /// What the policy makes of `name`.
    pub(super) fn role_of(&self, name: &Username) -> Role {
        self.inner.policy().role_of(name)
    }

    /// The highest role of people to whom `giver` may give a link or a password now, as far as the policy says; `None`: to
    /// nobody.
    pub(super) fn vouches_for(&self, giver: &Giver) -> Option<Role> {
        match giver {
            Giver::Operator(account) => self.inner.policy().operators.contains(account).then_some(Role::Admin),
            Giver::Person(name) if self.is_blocked(name) => None,
            Giver::Person(name) => self.role_of(name).vouches_for(),
        }
    }

    /// Everybody who is more than a student.
    pub(super) fn with_role(&self) -> Vec<Username> {
        let mut names: Vec<_> = self.inner.policy().roles.keys().cloned().collect();
        names.sort();
        names
    }

    /// Whether the policy keeps `name` out, or a block that the database does not know of.
    pub(super) fn is_blocked(&self, name: &Username) -> bool {
        self.inner.policy().blocked.contains(name) || self.inner.held().contains(name)
    }

    /// Keeps `name` out in this process, whatever the database says; their sessions end now.
    pub(super) fn hold(&self, name: &Username) {
        self.inner.held().insert(name.clone());
        self.end_all(name);
    }

    /// Takes [`Sessions::hold`] back.
    pub(super) fn release(&self, name: &Username) {
        self.inner.held().remove(name);
    }

    /// Whom [`Sessions::hold`] keeps out.
    pub(super) fn held(&self) -> Vec<Username> {
        self.inner.held().iter().cloned().collect()
    }

    /// Sessions that ended and are still in the database.
    pub(super) fn ended(&self) -> Vec<TokenHash> {
        self.inner.ended().clone()
    }

    /// Ends one session now. The database learns of it with the next [`Sessions::save`].
    pub(super) fn end(&self, id: TokenHash) {
        let entry = self.inner.write().remove(&id);
        if let Some(entry) = entry {
            entry.ended.send_replace(true);
            self.inner.ended().push(id);
            let mut former = self.inner.former();
            // Whoever logs in over and over pushes out their own alone.
            if former.iter().filter(|(_, user)| *user == entry.user).count() >= MOST_FORMER_OF_ONE
                && let Some(oldest) = former.iter().position(|(_, user)| *user == entry.user)
            {
                former.remove(oldest);
            }
            former.push_back((id, entry.user.clone()));
            let excess = former.len().saturating_sub(MOST_FORMER);
            former.drain(..excess);
        }
    }

    /// Ends all sessions of `name` now.
    pub(super) fn end_all(&self, name: &Username) {
        let ids: Vec<_> = self.inner.read().iter().filter(|(_, entry)| entry.user == *name).map(|(id, _)| *id).collect();
        for id in ids {
            self.end(id);
        }
    }

    /// Ends what was not used for too long, and stores what the database does not know: which sessions ended and when
    /// the others were last used.
    pub(super) async fn save(&self, store: &Store) -> Result<(), StoreError> {
        let now = self.now();
        let over: Vec<_> = self.inner.read().iter().filter(|(_, entry)| self.is_over(entry, now)).map(|(id, _)| *id).collect();
        for id in over {
            self.end(id);
        }
        let ended = self.inner.ended().clone();
        let today = seconds(self.inner.clock.now());
        let used: Vec<_> = self
            .inner
            .read()
            .iter()
            .filter_map(|(id, entry)| entry.unsaved().map(|seen| (*id, Arc::clone(entry), seen)))
            .collect();
        if ended.is_empty() && used.is_empty() {
            return Ok(());
        }
        // Whoever waits for this may go away in the middle: nothing counts as stored before it is.
        let done = self.clone();
        store
            .run(move |connection| {
                let transaction = connection.transaction()?;
                for id in &ended {
                    sessions::remove(&transaction, &id.0)?;
                }
                for (id, entry, seen) in &used {
                    sessions::set_last_seen(&transaction, &id.0, &entry.user, today - (now - seen))?;
                }
                transaction.commit()?;
                done.inner.ended().retain(|id| !ended.contains(id));
                for (_, entry, seen) in &used {
                    entry.saved.store(*seen, Ordering::Relaxed);
                }
                Ok(())
            })
            .await
    }

    fn now(&self) -> i64 {
        i64::try_from(self.inner.clock.elapsed().as_secs()).unwrap_or(i64::MAX)
    }

    fn is_over(&self, entry: &Entry, now: i64) -> bool {
        let idle = now.saturating_sub(entry.last_seen.load(Ordering::Relaxed));
        idle >= i64::try_from(self.inner.policy().lifetime.as_secs()).unwrap_or(i64::MAX)
    }

    fn put(&self, id: TokenHash, user: Username, source: IpAddr, role: Role, last_seen: i64) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            user,
            source,
            role,
            last_seen: AtomicI64::new(last_seen),
            saved: AtomicI64::new(last_seen),
            ended: watch::Sender::new(false),
        });
        self.inner.write().insert(id, Arc::clone(&entry));
        entry
    }
}

impl Entry {
    /// When it was last used, unless the database knows.
    fn unsaved(&self) -> Option<i64> {
        let last_seen = self.last_seen.load(Ordering::Relaxed);
        (self.saved.load(Ordering::Relaxed) != last_seen).then_some(last_seen)
    }
}

impl Inner {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<TokenHash, Arc<Entry>>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<TokenHash, Arc<Entry>>> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn policy(&self) -> std::sync::RwLockReadGuard<'_, Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashSet<Username>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn former(&self) -> std::sync::MutexGuard<'_, Former> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, Vec<TokenHash>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
