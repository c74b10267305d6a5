//! Idle connections of one user's server, and the switch that ends all that is open to it. Nothing is shared between
//! users, so no answer can reach the wrong one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hub_core::accounts::Username;
use hub_core::launcher::protocol::Endpoint;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::upstream::Link;

/// Idle connections kept per server; a browser opens six at most.
const MOST_IDLE: usize = 32;

/// Requests, streams and tunnels that may be open to one person's servers at a time, all their apps together. A browser full of notebooks has a few dozen;
/// each may cost the hub about a megabyte, in sockets above all, when a client and a server both dawdle, which somebody could do
/// on purpose.
pub(super) const MOST_OPEN: usize = 256;

/// How many places each person has, at their server and all their apps together. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Places(Arc<Mutex<HashMap<Username, Weak<Semaphore>>>>);

impl Places {
    fn of(&self, user: &Username) -> Arc<Semaphore> {
        let mut places = lock(&self.0);
        if let Some(there) = places.get(user).and_then(Weak::upgrade) {
            return there;
        }
        places.retain(|_, place| place.strong_count() > 0);
        let new = Arc::new(Semaphore::new(MOST_OPEN));
        places.insert(user.clone(), Arc::downgrade(&new));
        new
    }
}

/// The pools of all users.
#[derive(Default)]
pub(super) struct Pools {
    by_user: Mutex<HashMap<Username, Arc<Pool>>>,
    places: Places,
}

/// The connections of one user's server.
pub(super) struct Pool {
    #[expect(clippy::vec_box, reason = "a link is large and moves between pool, request and body")]
    idle: Mutex<Vec<Box<Link>>>,
    places: Arc<Semaphore>,
    gone: watch::Sender<bool>,
}

impl Pools {
    /// None yet, with places that other pools may share.
    pub(super) fn new(places: Places) -> Self {
        Self { by_user: Mutex::default(), places }
    }

    /// The pool of `user`.
    pub(super) fn of(&self, user: &Username) -> Arc<Pool> {
        let mut pools = lock(&self.by_user);
        match pools.get(user) {
            Some(pool) => Arc::clone(pool),
            None => {
                let pool =
                    Arc::new(Pool { idle: Mutex::default(), places: self.places.of(user), gone: watch::Sender::new(false) });
                pools.insert(user.clone(), Arc::clone(&pool));
                pool
            }
        }
    }

    /// Ends everything that is open to `user`'s server.
    pub(super) fn forget(&self, user: &Username) {
        let pool = lock(&self.by_user).remove(user);
        if let Some(pool) = pool {
            pool.gone.send_replace(true);
            lock(&pool.idle).clear();
        }
    }

    /// Closes connections that were idle for `lifetime` or whose server has closed them.
    pub(super) fn sweep(&self, lifetime: Duration) {
        let mut pools = lock(&self.by_user);
        pools.retain(|_, pool| {
            let mut idle = lock(&pool.idle);
            idle.retain_mut(|link| link.idle().is_some_and(|idle| idle < lifetime) && link.is_ready());
            // Whoever uses a pool holds it, or watches for its end; others can come only through the lock held here.
            !idle.is_empty() || Arc::strong_count(pool) > 1 || pool.gone.receiver_count() > 0
        });
    }
}

impl Pool {
    /// Takes one of the places; it is free again when the permit is dropped.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// An idle connection to `endpoint` that is still alive and rested no longer than `longest`.
    pub(super) fn take(&self, endpoint: &Endpoint, longest: Duration) -> Option<Box<Link>> {
        loop {
            let mut link = lock(&self.idle).pop()?;
            if link.idle().is_some_and(|idle| idle <= longest) && link.leads_to(endpoint) && link.is_ready() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next request, if it can carry one.
    pub(super) fn put(&self, mut link: Box<Link>) {
        if !link.is_ready() {
            return;
        }
        link.rest();
        let mut idle = lock(&self.idle);
        if idle.len() < MOST_IDLE && !*self.gone.borrow() {
            idle.push(link);
        }
    }

    /// Turns true when everything that is open to this server must end.
    pub(super) fn gone(&self) -> watch::Receiver<bool> {
        self.gone.subscribe()
    }
}

/// A panic while one of these locks is held leaves a list that is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_places_for_all_their_servers_together() {
        let places = Places::default();
        let (server, app) = (Pools::new(places.clone()), Pools::new(places));
        let (ada, bob): (Username, Username) = ("ada".parse().unwrap(), "bob".parse().unwrap());
        let (at_server, at_app) = (server.of(&ada), app.of(&ada));
        let mut taken: Vec<_> = (0..MOST_OPEN - 1).map(|_| at_server.enter().unwrap()).collect();
        taken.push(at_app.enter().unwrap());
        assert!(at_server.enter().is_none() && at_app.enter().is_none());
        assert!(server.of(&bob).enter().is_some());
        drop(taken);
        assert!(at_app.enter().is_some());
    }
}
