//! Logins that were begun at a provider and did not come back yet: each counts once, in the browser in which it began. Kept in
//! memory alone.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_core::config::LoginName;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Clock;
use super::token::{Token, TokenHash};

/// How long somebody may take at the provider: passwords are looked for, second factors too.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How many are open in one browser, the latest: tabs.
const MOST_IN_BROWSER: usize = 8;
/// How many are open from one address: a class behind one.
const MOST_FROM_ADDRESS: usize = 2000;
/// How many are open in all.
const MOST: usize = 20_000;

/// What was begun and did not come back yet; clones share it.
#[derive(Clone)]
pub struct Attempts {
    clock: Clock,
    /// The oldest first.
    open: Arc<Mutex<VecDeque<Open>>>,
}

struct Open {
    state: TokenHash,
    browser: String,
    source: IpAddr,
    until: Duration,
    attempt: Attempt,
}

/// What a login at a provider is for, and what must come back from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// By which login.
    pub login: LoginName,
    /// What it is for.
    pub purpose: Purpose,
    /// Where to go afterwards.
    pub next: String,
    /// What the provider signs.
    pub nonce: String,
    /// What the provider is shown at the end.
    pub verifier: String,
}

/// What a login at a provider is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// To begin a session.
    LogIn,
    /// To link the account there to the person of a session, which is known by its page key.
    Link {
        /// That key.
        session: String,
    },
}

/// What goes to the provider.
pub struct Begun {
    /// Comes back with whoever logs in there.
    pub state: Token,
    /// Comes back in what it signs.
    pub nonce: String,
    /// The SHA-256 of what it is shown at the end.
    pub challenge: String,
}

/// In which browser, from where.
#[derive(Debug, Clone, Copy)]
pub struct Browser<'browser> {
    /// What no other browser can say.
    pub mark: &'browser str,
    /// Its address.
    pub source: IpAddr,
}

impl Attempts {
    /// Nobody has begun anything.
    pub fn new(clock: Clock) -> Self {
        Self { clock, open: Arc::default() }
    }

    /// Somebody goes to a provider.
    ///
    /// # Errors
    /// Without random numbers.
    pub fn begin(
        &self,
        login: &LoginName,
        purpose: Purpose,
        next: &str,
        browser: Browser<'_>,
    ) -> Result<Begun, getrandom::Error> {
        let (state, nonce, verifier) = (Token::random()?, Token::random()?, Token::random()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_str().as_bytes()));
        let nonce = nonce.as_str().to_owned();
        let attempt = Attempt {
            login: login.clone(),
            purpose,
            next: next.to_owned(),
            nonce: nonce.clone(),
            verifier: verifier.as_str().to_owned(),
        };
        let source = network(browser.source);
        let mut open = self.current();
        make_room(&mut open, MOST_IN_BROWSER, |other| other.browser == browser.mark);
        make_room(&mut open, MOST_FROM_ADDRESS, |other| other.source == source);
        make_room(&mut open, MOST, |_| true);
        let until = self.clock.elapsed() + LIFETIME;
        let entry = Open { state: state.hash(), browser: browser.mark.to_owned(), source, until, attempt };
        open.push_back(entry);
        Ok(Begun { state, nonce, challenge })
    }

    /// What came back with `state` by the way back of `login`, in that browser; it counts no longer. `None`: nothing that began
    /// there, or it is over.
    pub fn take(&self, state: &str, login: &LoginName, mark: &str) -> Option<Attempt> {
        let state = Token::parse(state)?.hash();
        let mut open = self.current();
        let is_it = |other: &Open| {
            bool::from(other.state.0.ct_eq(&state.0))
                && bool::from(other.browser.as_bytes().ct_eq(mark.as_bytes()))
                && other.attempt.login == *login
        };
        let at = open.iter().position(is_it)?;
        open.remove(at).map(|open| open.attempt)
    }

    fn current(&self) -> MutexGuard<'_, VecDeque<Open>> {
        let now = self.clock.elapsed();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.front().is_some_and(|oldest| oldest.until <= now) {
            open.pop_front();
        }
        open
    }
}

/// Of IPv6 the network that one site has: who is in it has countless addresses.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 80 << 80).into()),
        address => address,
    }
}

/// Lets the oldest go of those that are counted together, so that one more has a place.
fn make_room(open: &mut VecDeque<Open>, most: usize, counts: impl Fn(&Open) -> bool) {
    if open.len() >= most
        && open.iter().filter(|other| counts(other)).count() >= most
        && let Some(oldest) = open.iter().position(&counts)
    {
        open.remove(oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn name(text: &str) -> LoginName {
        text.parse().unwrap()
    }

    fn begin(attempts: &Attempts, mark: &str) -> String {
        let begun = attempts.begin(&name("school"), Purpose::LogIn, "/hub/home", Browser { mark, source: HERE }).unwrap();
        begun.state.as_str().to_owned()
    }

    #[test]
    fn security_18_a_state_counts_once_in_its_browser_for_its_login() {
        let clock = Clock::manual();
        let attempts = Attempts::new(clock.clone());
        let state = begin(&attempts, "a");
        for (text, login, mark) in [
            ("", "school", "a"),
            ("x", "school", "a"),
            (&"A".repeat(43), "school", "a"),
            (&state, "other", "a"),
            (&state, "school", "b"),
            (&state, "school", ""),
        ] {
            assert_eq!(attempts.take(text, &name(login), mark), None, "{text} {login} {mark}");
        }
        assert_eq!(attempts.take(&state, &name("school"), "a").map(|found| found.next), Some("/hub/home".to_owned()));
        assert_eq!(attempts.take(&state, &name("school"), "a"), None, "once");
        let state = begin(&attempts, "a");
        clock.advance(LIFETIME);
        assert_eq!(attempts.take(&state, &name("school"), "a"), None, "over");
    }

    #[test]
    fn security_19_the_challenge_is_of_this_verifier_and_no_two_are_alike() {
        let attempts = Attempts::new(Clock::manual());
        let browser = Browser { mark: "a", source: HERE };
        let begun = attempts.begin(&name("school"), Purpose::LogIn, "", browser).unwrap();
        let other = attempts.begin(&name("school"), Purpose::LogIn, "", browser).unwrap();
        let attempt = attempts.take(begun.state.as_str(), &name("school"), "a").unwrap();
        assert!(attempt.verifier.len() >= 43 && attempt.verifier != attempt.nonce && attempt.verifier != begun.state.as_str());
        assert_eq!(begun.challenge, URL_SAFE_NO_PAD.encode(Sha256::digest(attempt.verifier.as_bytes())));
        assert_eq!(begun.nonce, attempt.nonce);
        assert!(begun.challenge != other.challenge && begun.nonce != other.nonce);
    }

    #[test]
    fn nobody_fills_the_memory_or_pushes_out_others() {
        let attempts = Attempts::new(Clock::manual());
        let elsewhere = Browser { mark: "bob", source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)) };
        let bob = attempts.begin(&name("school"), Purpose::LogIn, "", elsewhere).unwrap();
        for _ in 0..20 {
            begin(&attempts, "a");
        }
        assert_eq!(attempts.current().len(), 1 + MOST_IN_BROWSER);
        for number in 0..MOST_FROM_ADDRESS + 100 {
            begin(&attempts, &number.to_string());
        }
        assert_eq!(attempts.current().len(), 1 + MOST_FROM_ADDRESS);
        assert!(attempts.take(bob.state.as_str(), &name("school"), "bob").is_some());
    }
}
