//! How often somebody may guess. Only wrong passwords count, three ways: for one account from one source, for one
//! account from everywhere it never came from before, and for one source. A source from which people do get in (a
//! classroom behind one address) is slowed down instead of shut out. The table has a fixed size.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wrong guesses that are free, and the time after which one more is.
struct Allowance {
    free: f64,
    regain: Duration,
}

/// For one account from one source: enough for a forgetful person, at most 2,900 guesses a day.
const PAIR: Allowance = Allowance { free: 10.0, regain: Duration::from_secs(30) };
/// For one account from sources it never came from: one source alone can't use it up ([`PAIR`] is slower).
const ACCOUNT: Allowance = Allowance { free: 100.0, regain: Duration::from_secs(6) };
/// For one source that nobody gets in from; each person who does speeds it up by as much again.
const SOURCE: Allowance = Allowance { free: 30.0, regain: Duration::from_secs(10) };

/// How long it counts that somebody got in from a source, for the source and for the account.
const SOURCE_MEMORY: Duration = Duration::from_secs(24 * 3600);
const PAIR_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// People remembered for one source; more don't make it faster.
const MOST_PEOPLE: usize = 40;
/// Longest time somebody at a busy source is kept waiting instead of being sent away.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// Most entries of the table.
const MOST_ENTRIES: usize = 65_536;

/// What may happen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Check the password.
    Go,
    /// Check the password after so long: the place in the line is reserved.
    Slow(Duration),
    /// Check nothing; it makes sense to come back after so long.
    Refuse(Duration),
}

/// Remembers wrong guesses.
#[derive(Debug, Default)]
pub struct Throttle {
    table: Mutex<HashMap<Key, Entry>>,
    hasher: RandomState,
}

/// Accounts are kept as keyed hashes: any text can be tried as a name, of any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair(IpAddr, u64),
    Account(u64),
    Source(IpAddr),
}

#[derive(Debug)]
struct Entry {
    tokens: f64,
    updated: Duration,
    /// Who got in, by account, and when.
    successes: HashMap<u64, Duration>,
    /// When the next one in a slowed line may try.
    next: Duration,
}

impl Entry {
    fn regain(&self, key: Key, now: Duration) -> Duration {
        match key {
            Key::Pair(..) => PAIR.regain,
            Key::Account(_) => ACCOUNT.regain,
            Key::Source(_) => SOURCE.regain / (1 + u32::try_from(self.people(now)).unwrap_or(u32::MAX)),
        }
    }

    fn people(&self, now: Duration) -> usize {
        self.successes.values().filter(|at| now.saturating_sub(**at) < SOURCE_MEMORY).count()
    }

    /// Guesses left at `now`.
    fn left(&self, key: Key, now: Duration) -> f64 {
        let regained = now.saturating_sub(self.updated).as_secs_f64() / self.regain(key, now).as_secs_f64();
        (self.tokens + regained).min(free(key))
    }

    fn until_next(&self, key: Key, now: Duration) -> Option<Duration> {
        let missing = 1.0 - self.left(key, now);
        (missing > 0.0).then(|| self.regain(key, now).mul_f64(missing))
    }

    fn is_forgettable(&self, key: Key, now: Duration) -> bool {
        let memory = if matches!(key, Key::Source(_)) { SOURCE_MEMORY } else { PAIR_MEMORY };
        self.left(key, now) >= free(key) && self.successes.values().all(|at| now.saturating_sub(*at) >= memory)
    }
}

fn free(key: Key) -> f64 {
    match key {
        Key::Pair(..) => PAIR.free,
        Key::Account(_) => ACCOUNT.free,
        Key::Source(_) => SOURCE.free,
    }
}

impl Throttle {
    /// Whether a password for `account` (any text) from `source` may be checked at `now`. Ask again after every wait:
    /// others may have failed meanwhile. `slowed`: the wait was one of [`Verdict::Slow`], the turn has come.
    pub fn ask(&self, source: IpAddr, account: &str, now: Duration, slowed: bool) -> Verdict {
        let (pair, account_key, source_key) = self.keys(source, account);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = |table: &HashMap<Key, Entry>, key: Key| table.get(&key).and_then(|entry| entry.until_next(key, now));
        if let Some(wait) = wait(&table, pair) {
            return Verdict::Refuse(wait);
        }
        if is_known(&table, pair, now) {
            return Verdict::Go;
        }
        if let Some(wait) = wait(&table, account_key) {
            return Verdict::Refuse(wait);
        }
        let Some(entry) = table.get_mut(&source_key).filter(|_| !slowed) else { return Verdict::Go };
        let Some(wait) = entry.until_next(source_key, now) else { return Verdict::Go };
        if entry.people(now) == 0 {
            return Verdict::Refuse(wait);
        }
        let turn = entry.next.max(now + wait);
        if turn - now > LONGEST_DELAY {
            return Verdict::Refuse(turn - now);
        }
        entry.next = turn + entry.regain(source_key, now);
        Verdict::Slow(turn - now)
    }

    /// Notes a wrong password.
    pub fn failed(&self, source: IpAddr, account: &str, now: Duration) {
        let (pair, account_key, source_key) = self.keys(source, account);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let known = is_known(&table, pair, now);
        spend(&mut table, pair, now);
        if !known {
            spend(&mut table, account_key, now);
            spend(&mut table, source_key, now);
        }
    }

    /// Notes that `account` got in from `source`, so long ago.
    pub fn succeeded(&self, source: IpAddr, account: &str, now: Duration) {
        let (pair, account_key, source_key) = self.keys(source, account);
        let Key::Account(account) = account_key else { return };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entry(&mut table, pair, now);
        entry.tokens = PAIR.free;
        entry.updated = now;
        entry.successes.insert(account, now);
        let entry = self::entry(&mut table, source_key, now);
        if entry.successes.len() >= MOST_PEOPLE {
            entry.successes.retain(|_, at| now.saturating_sub(*at) < SOURCE_MEMORY);
        }
        if entry.successes.len() < MOST_PEOPLE || entry.successes.contains_key(&account) {
            // What was regained so far was regained at the old speed.
            entry.tokens = entry.left(source_key, now);
            entry.updated = now;
            entry.successes.insert(account, now);
        }
    }

    fn keys(&self, source: IpAddr, account: &str) -> (Key, Key, Key) {
        let source = network(source);
        let account = self.hasher.hash_one(account);
        (Key::Pair(source, account), Key::Account(account), Key::Source(source))
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

fn is_known(table: &HashMap<Key, Entry>, pair: Key, now: Duration) -> bool {
    let recent = |at: &Duration| now.saturating_sub(*at) < PAIR_MEMORY;
    table.get(&pair).is_some_and(|entry| entry.successes.values().any(recent))
}

fn spend(table: &mut HashMap<Key, Entry>, key: Key, now: Duration) {
    let entry = entry(table, key, now);
    entry.tokens = (entry.left(key, now) - 1.0).max(0.0);
    entry.updated = now;
}

fn entry(table: &mut HashMap<Key, Entry>, key: Key, now: Duration) -> &mut Entry {
    if table.len() >= MOST_ENTRIES && !table.contains_key(&key) {
        make_room(table, now);
    }
    table.entry(key).or_insert_with(|| Entry { tokens: free(key), updated: now, successes: HashMap::new(), next: now })
}

/// Drops what no longer matters, and if that is not much, the eighth that was quiet for longest.
fn make_room(table: &mut HashMap<Key, Entry>, now: Duration) {
    table.retain(|key, entry| !entry.is_forgettable(*key, now));
    let wanted = MOST_ENTRIES - MOST_ENTRIES / 8;
    if table.len() > wanted {
        let mut ages: Vec<(Duration, Key)> = table.iter().map(|(key, entry)| (entry.updated, *key)).collect();
        let surplus = table.len() - wanted;
        ages.select_nth_unstable_by_key(surplus - 1, |(updated, _)| *updated);
        let oldest: HashSet<Key> = ages.into_iter().take(surplus).map(|(_, key)| key).collect();
        table.retain(|key, _| !oldest.contains(key));
    }
}

#[cfg(test)]
mod tests;
