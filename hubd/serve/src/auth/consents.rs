//! What people agreed to a moment ago: each once, in the session in which they were asked. Kept in memory alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Clock;

/// How long somebody's yes counts: a server may have to wait for its turn meanwhile.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// How many of one session are kept, the latest.
const MOST: usize = 8;

/// What was agreed to and not done yet; clones share it.
#[derive(Clone)]
pub struct Consents {
    clock: Clock,
    given: Arc<Mutex<Vec<Consent>>>,
}

struct Consent {
    /// The page key of the session, which no other session has.
    session: String,
    what: String,
    until: Duration,
}

impl Consents {
    /// Nobody has agreed to anything.
    pub fn new(clock: Clock) -> Self {
        Self { clock, given: Arc::default() }
    }

    /// Somebody in `session` agrees to `what`, once.
    pub fn give(&self, session: &str, what: &str) {
        let mut given = self.current();
        let own = |consent: &Consent| consent.session == session;
        if given.iter().filter(|consent| own(consent)).count() >= MOST
            && let Some(oldest) = given.iter().position(own)
        {
            given.remove(oldest);
        }
        given.push(Consent { session: session.to_owned(), what: what.to_owned(), until: self.clock.elapsed() + LIFETIME });
    }

    /// Whether somebody in `session` agreed to `what`.
    pub fn has(&self, session: &str, what: &str) -> bool {
        self.current().iter().any(|consent| consent.is(session, what))
    }

    /// The same, and it counts no longer.
    pub fn take(&self, session: &str, what: &str) -> bool {
        let mut given = self.current();
        let found = given.iter().position(|consent| consent.is(session, what));
        found.map(|at| given.remove(at)).is_some()
    }

    fn current(&self) -> MutexGuard<'_, Vec<Consent>> {
        let now = self.clock.elapsed();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|consent| now < consent.until);
        given
    }
}

impl Consent {
    fn is(&self, session: &str, what: &str) -> bool {
        self.session == session && self.what == what
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_counts_once_in_its_session_and_not_for_long() {
        let clock = Clock::manual();
        let consents = Consents::new(clock.clone());
        consents.give("ada", "x");
        assert!(consents.has("ada", "x") && !consents.has("ada", "y") && !consents.has("bob", "x"));
        assert!(!consents.take("bob", "x") && consents.take("ada", "x") && !consents.take("ada", "x"));
        consents.give("ada", "x");
        clock.advance(LIFETIME);
        assert!(!consents.take("ada", "x"));
    }

    #[test]
    fn nobody_fills_the_memory() {
        let consents = Consents::new(Clock::manual());
        consents.give("bob", "x");
        for number in 0..1000 {
            consents.give("ada", &number.to_string());
        }
        assert_eq!(consents.given.lock().unwrap().len(), MOST + 1);
        assert!(consents.has("bob", "x") && consents.has("ada", "999"));
    }
}
