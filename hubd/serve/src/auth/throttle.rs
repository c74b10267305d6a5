//! How often somebody may guess. Only wrong passwords count, three ways: for one account from one source, for one
//! account from everywhere it never came from before, and for one source; a source is an address of version 4, or of
//! version 6 a network and, more generously, the network around it. What others do can slow a person down, but not keep
//! them out: a browser that got in before has an account of its own, a source from which others do get in (a classroom
//! behind one address) is slowed instead of shut out, and so is, after a few tries, whoever comes from a new place while
//! the whole world guesses. The table has a fixed size.

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
/// For one account from one browser that got in with it before.
const BROWSER: Allowance = Allowance { free: 10.0, regain: Duration::from_secs(30) };
/// For one account from all of a site: of version 6, which has 65,536 networks, or of the machine itself.
const SITE_PAIR: Allowance = Allowance { free: 30.0, regain: Duration::from_secs(10) };
/// For one account from sources it never came from: one source alone can't use it up ([`PAIR`] is slower). Beyond it
/// each try waits, and each source has no more than a [`STRANGER`] has.
const ACCOUNT: Allowance = Allowance { free: 100.0, regain: Duration::from_secs(6) };
/// For one account under attack from one source it never came from: a few tries for whoever is on a journey.
const STRANGER: Allowance = Allowance { free: 3.0, regain: Duration::from_secs(300) };
/// For all of a site of version 6 that nobody gets in from.
const SITE: Allowance = Allowance { free: 120.0, regain: Duration::from_millis(2500) };
/// For one source that nobody gets in from; each person who does speeds it up by as much again.
const SOURCE: Allowance = Allowance { free: 30.0, regain: Duration::from_secs(10) };

/// How long it counts that somebody got in from a source, for the source and for the account.
const SOURCE_MEMORY: Duration = Duration::from_secs(24 * 3600);
const PAIR_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// People remembered for one source; more don't make it faster.
const MOST_PEOPLE: usize = 40;
/// Longest time somebody at a busy source is kept waiting instead of being sent away.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// How long a try waits for an account under attack, and between two for an account whose tries somebody at the same
/// source has used up.
const PENALTY: Duration = Duration::from_secs(10);
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
    Browser(u64, u64),
    Pair(IpAddr, u64),
    SitePair(Ipv6Addr, u64),
    Account(u64),
    Stranger(IpAddr, u64),
    Source(IpAddr),
    Site(Ipv6Addr),
}

/// Where a try comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The address.
    pub source: IpAddr,
    /// The browser, if it proved that it got in as this very person before.
    pub browser: Option<u64>,
}

impl From<IpAddr> for Origin {
    fn from(source: IpAddr) -> Self {
        Self { source, browser: None }
    }
}

/// What a try counts for.
struct Keys {
    browser: Option<Key>,
    pair: Key,
    site_pair: Option<Key>,
    account: Key,
    stranger: Key,
    source: Key,
    site: Option<Key>,
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
        let regain = allowance(key).regain;
        if key.is_source() { regain / (1 + u32::try_from(self.people(now, None)).unwrap_or(u32::MAX)) } else { regain }
    }

    /// How many people got in, `but` one.
    fn people(&self, now: Duration, but: Option<u64>) -> usize {
        let recent = |at: &Duration| now.saturating_sub(*at) < SOURCE_MEMORY;
        self.successes.iter().filter(|(account, at)| recent(at) && Some(**account) != but).count()
    }

    /// Guesses left at `now`.
    fn left(&self, key: Key, now: Duration) -> f64 {
        let regained = now.saturating_sub(self.updated).as_secs_f64() / self.regain(key, now).as_secs_f64();
        (self.tokens + regained).min(allowance(key).free)
    }

    fn until_next(&self, key: Key, now: Duration) -> Option<Duration> {
        let missing = 1.0 - self.left(key, now);
        (missing > 0.0).then(|| self.regain(key, now).mul_f64(missing))
    }

    fn is_forgettable(&self, key: Key, now: Duration) -> bool {
        let memory = if key.is_source() { SOURCE_MEMORY } else { PAIR_MEMORY };
        self.left(key, now) >= allowance(key).free && self.successes.values().all(|at| now.saturating_sub(*at) >= memory)
    }
}

impl Key {
    fn is_source(self) -> bool {
        matches!(self, Self::Source(_) | Self::Site(_))
    }
}

fn allowance(key: Key) -> Allowance {
    match key {
        Key::Browser(..) => BROWSER,
        Key::Pair(..) => PAIR,
        Key::SitePair(..) => SITE_PAIR,
        Key::Account(_) => ACCOUNT,
        Key::Stranger(..) => STRANGER,
        Key::Source(_) => SOURCE,
        Key::Site(_) => SITE,
    }
}

impl Throttle {
    /// Whether a password for `account` (any text) from `origin` may be checked at `now`. Ask again after every wait:
    /// others may have failed meanwhile. `slowed`: the wait was one of [`Verdict::Slow`], the turn has come.
    pub fn ask(&self, origin: impl Into<Origin>, account: &str, now: Duration, slowed: bool) -> Verdict {
        let keys = self.keys(origin.into(), account);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(browser) = keys.browser {
            return until_next(&table, browser, now).map_or(Verdict::Go, Verdict::Refuse);
        }
        let Key::Account(own) = keys.account else { return Verdict::Go };
        let people = |table: &HashMap<Key, Entry>, key, but| table.get(&key).map_or(0, |entry| entry.people(now, but));
        let known = is_known(&table, keys.pair, now);
        let mut turns: Vec<(Key, Duration, Duration)> = Vec::new();
        let site = keys.site_pair.zip(keys.site).filter(|_| !known);
        for (key, source) in [(keys.pair, keys.source)].into_iter().chain(site) {
            let Some(wait) = until_next(&table, key, now) else { continue };
            if people(&table, source, Some(own)) == 0 {
                return Verdict::Refuse(wait);
            }
            turns.push((key, PENALTY, 2 * PENALTY));
        }
        let mut delay = Duration::ZERO;
        if !known {
            if until_next(&table, keys.account, now).is_some() {
                if let Some(wait) = until_next(&table, keys.stranger, now) {
                    return Verdict::Refuse(wait);
                }
                delay = PENALTY;
            }
            for key in [Some(keys.source), keys.site].into_iter().flatten() {
                let Some(wait) = until_next(&table, key, now).filter(|_| !slowed) else { continue };
                if people(&table, key, None) == 0 {
                    return Verdict::Refuse(wait);
                }
                turns.push((key, wait, LONGEST_DELAY));
            }
        }
        if slowed {
            return Verdict::Go;
        }
        for (key, wait, longest) in turns {
            let entry = entry(&mut table, key, now);
            let turn = entry.next.max(now + wait);
            if turn - now > longest {
                return Verdict::Refuse(turn - now);
            }
            entry.next = turn + if key.is_source() { entry.regain(key, now) } else { PENALTY };
            delay = delay.max(turn - now);
        }
        if delay.is_zero() { Verdict::Go } else { Verdict::Slow(delay) }
    }

    /// Notes a wrong password.
    pub fn failed(&self, origin: impl Into<Origin>, account: &str, now: Duration) {
        let keys = self.keys(origin.into(), account);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(browser) = keys.browser {
            return spend(&mut table, browser, now);
        }
        let known = is_known(&table, keys.pair, now);
        let is_attacked = until_next(&table, keys.account, now).is_some();
        spend(&mut table, keys.pair, now);
        if known {
            return;
        }
        let stranger = is_attacked.then_some(keys.stranger);
        for key in [keys.site_pair, Some(keys.account), Some(keys.source), keys.site, stranger].into_iter().flatten() {
            spend(&mut table, key, now);
        }
    }

    /// Notes that `account` got in from `origin`, so long ago.
    pub fn succeeded(&self, origin: impl Into<Origin>, account: &str, now: Duration) {
        let keys = self.keys(origin.into(), account);
        let Key::Account(account) = keys.account else { return };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(browser) = keys.browser {
            table.remove(&browser);
        }
        let entry = entry(&mut table, keys.pair, now);
        entry.tokens = PAIR.free;
        entry.updated = now;
        entry.successes.insert(account, now);
        for key in [Some(keys.source), keys.site].into_iter().flatten() {
            let entry = self::entry(&mut table, key, now);
            if entry.successes.len() >= MOST_PEOPLE {
                entry.successes.retain(|_, at| now.saturating_sub(*at) < SOURCE_MEMORY);
            }
            if entry.successes.len() < MOST_PEOPLE || entry.successes.contains_key(&account) {
                // What was regained so far was regained at the old speed.
                entry.tokens = entry.left(key, now);
                entry.updated = now;
                entry.successes.insert(account, now);
            }
        }
    }

    fn keys(&self, origin: Origin, account: &str) -> Keys {
        let (source, site) = (network(origin.source), site(origin.source));
        let account = self.hasher.hash_one(account);
        Keys {
            browser: origin.browser.map(|browser| Key::Browser(browser, account)),
            pair: Key::Pair(source, account),
            site_pair: site.map(|site| Key::SitePair(site, account)),
            account: Key::Account(account),
            stranger: Key::Stranger(site.map_or(source, IpAddr::V6), account),
            source: Key::Source(source),
            site: site.map(Key::Site),
        }
    }
}

/// What counts as one place: whoever has an IPv6 address has 2^64 of them.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

/// The /48 of an address of version 6: what one provider's customer has. The loopback addresses of version 4, too: everybody with
/// a shell on the machine has them all.
fn site(source: IpAddr) -> Option<Ipv6Addr> {
    match source.to_canonical() {
        address if address.is_loopback() => Some(Ipv6Addr::LOCALHOST),
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80))),
        IpAddr::V4(_) => None,
    }
}

fn until_next(table: &HashMap<Key, Entry>, key: Key, now: Duration) -> Option<Duration> {
    table.get(&key).and_then(|entry| entry.until_next(key, now))
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
    table.entry(key).or_insert_with(|| Entry { tokens: allowance(key).free, updated: now, successes: HashMap::new(), next: now })
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
