//! Passwords that are not ours: somebody else says whether they are right, and our throttle counts.

use super::throttle::Origin;
use super::{LoginError, People};

/// What a check says about a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// It was right.
    Right,
    /// It was wrong.
    Wrong,
    /// Nobody knows.
    Unknown,
}

impl People {
    /// Has `check` look at a password for `account` (any text) when it is its turn. Finishes even if the caller goes away: a guess
    /// that nobody waits for is a guess.
    ///
    /// # Errors
    /// [`LoginError::TooMany`] and [`LoginError::Busy`]: nothing was checked.
    pub async fn guess<T: Send + 'static>(
        &self,
        account: String,
        origin: impl Into<Origin>,
        check: impl Future<Output = (Guess, T)> + Send + 'static,
    ) -> Result<T, LoginError> {
        let (people, origin) = (self.clone(), origin.into());
        let guess = async move {
            let place = people.turn(&account, origin, &people.inner.foreign).await?;
            let (guess, outcome) = check.await;
            let (throttle, now) = (&people.inner.throttle, people.inner.clock.elapsed());
            match guess {
                Guess::Right => throttle.succeeded(origin, &account, now),
                Guess::Wrong => throttle.failed(origin, &account, now),
                Guess::Unknown => {}
            }
            // What waits for the place must see the outcome.
            drop(place);
            Ok(outcome)
        };
        tokio::spawn(guess).await.map_err(|error| LoginError::Internal(error.into()))?
    }
}
