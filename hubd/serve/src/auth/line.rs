//! A line of people who wait for one of a few places: where their password is checked. It has an end, so that a rush of logins can't
//! take all memory, and nobody fills it alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest line of people waiting.
const MOST_WAITING: usize = 2_000;

/// Of them, for one account from one place: more is no person who types.
const MOST_WAITING_FOR_ONE: usize = 4;

/// Longest wait in that line.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(60);

/// The line is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many people are logging in right now; no place was free within {} seconds", QUEUE_TIMEOUT.as_secs())]
pub struct Busy;

/// The line, and how many are served at a time.
#[derive(Debug)]
pub struct Line {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// How many wait for one account from one place, by both.
    waiting_for: Mutex<HashMap<u64, usize>>,
    keys: RandomState,
}

/// The right to have one password checked.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "its end is what counts")] OwnedSemaphorePermit);

impl Line {
    /// One of which `parallel` are served at a time.
    pub fn new(parallel: usize) -> Self {
        let places = Arc::new(Semaphore::new(parallel.max(1)));
        Self { places, waiting: AtomicUsize::new(0), waiting_for: Mutex::default(), keys: RandomState::new() }
    }

    /// As [`Line::place`], for a password of `account` (any text) from `source`. Right passwords are not throttled: without this
    /// one person could fill the line with their own.
    ///
    /// # Errors
    /// As [`Line::place`], and when several wait for the same already.
    pub async fn place_for(&self, account: &str, source: IpAddr) -> Result<Place, Busy> {
        struct InLine<'line>(&'line Line, u64);
        impl Drop for InLine<'_> {
            fn drop(&mut self) {
                let mut waiting = self.0.waiting_for();
                if let Entry::Occupied(mut count) = waiting.entry(self.1) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
        }
        let key = self.keys.hash_one((account, source));
        let _in_line = {
            let mut waiting = self.waiting_for();
            let count = waiting.entry(key).or_default();
            if *count >= MOST_WAITING_FOR_ONE {
                return Err(Busy);
            }
            *count += 1;
            InLine(self, key)
        };
        self.place().await
    }

    fn waiting_for(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits in line.
    ///
    /// # Errors
    /// When the line is too long or the wait is.
    pub async fn place(&self) -> Result<Place, Busy> {
        struct InLine<'line>(&'line AtomicUsize);
        impl Drop for InLine<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _in_line = InLine(&self.waiting);
        if before >= MOST_WAITING {
            return Err(Busy);
        }
        match tokio::time::timeout(QUEUE_TIMEOUT, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place(permit)),
            _ => Err(Busy),
        }
    }
}
