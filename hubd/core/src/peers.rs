//! Places at a Unix socket to which more than one account may connect, counted for each account apart, so that none keeps
//! another from being answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wire::Intake;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How much one account may have at a time.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Connections. One more is closed.
    pub open: usize,
    /// Of these, conversations. The others wait for their turn.
    pub talking: usize,
}

/// Who is connected to one socket; clones share it.
#[derive(Clone)]
pub struct Peers {
    most: Most,
    /// By uid; nobody is in it without a connection.
    accounts: Arc<Mutex<HashMap<u32, Account>>>,
    open: watch::Sender<usize>,
}

struct Account {
    open: usize,
    turns: Arc<Semaphore>,
    intake: Arc<Intake>,
}

/// A connection that is counted for its account, until this is dropped.
pub struct Place {
    peers: Peers,
    uid: u32,
    turns: Arc<Semaphore>,
    intake: Arc<Intake>,
}

impl Peers {
    /// Nobody is there.
    pub fn new(most: Most) -> Self {
        Self { most, accounts: Arc::default(), open: watch::Sender::new(0) }
    }

    /// A place for one more connection of the account; `None`: it has as many as it may.
    pub fn place(&self, uid: u32) -> Option<Place> {
        let (turns, intake) = {
            let mut accounts = self.accounts();
            let fresh = || Account { open: 0, turns: Arc::new(Semaphore::new(self.most.talking)), intake: Arc::default() };
            let account = accounts.entry(uid).or_insert_with(fresh);
            if account.open == self.most.open {
                return None;
            }
            account.open += 1;
            (Arc::clone(&account.turns), Arc::clone(&account.intake))
        };
        self.open.send_modify(|open| *open += 1);
        Some(Place { peers: self.clone(), uid, turns, intake })
    }

    /// Waits until nobody is connected.
    pub async fn gone(&self) {
        // The other end is `self`.
        drop(self.open.subscribe().wait_for(|open| *open == 0).await);
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<u32, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// What this account's large requests wait for: another's never wait for them.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Waits for the turn of this connection among those of its account; `None`: never, which does not happen.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut accounts = self.peers.accounts();
            if let Some(account) = accounts.get_mut(&self.uid) {
                account.open -= 1;
                if account.open == 0 {
                    accounts.remove(&self.uid);
                }
            }
        }
        self.peers.open.send_modify(|open| *open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_account_takes_its_own_places_only() {
        let peers = Peers::new(Most { open: 3, talking: 1 });
        let held: Vec<Place> = (0..5).filter_map(|_| peers.place(7)).collect();
        assert_eq!(held.len(), 3);
        let turn = held[0].turn().await;
        assert!(held[1].turn().now_or_never().is_none(), "two talk at a time");
        let other = peers.place(8).unwrap();
        assert!(std::ptr::eq(held[0].intake(), held[1].intake()) && !std::ptr::eq(held[0].intake(), other.intake()));
        drop(other);
        assert!(peers.place(8).is_some_and(|other| other.turn().now_or_never().is_some()));
        drop(turn);
        assert!(held[1].turn().now_or_never().is_some());
        assert!(peers.gone().now_or_never().is_none());
        drop(held);
        peers.gone().now_or_never().unwrap();
        assert!(peers.accounts().is_empty() && peers.place(7).is_some());
    }
}
