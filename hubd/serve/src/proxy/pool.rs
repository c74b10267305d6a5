//! Idle connections of one user's server, and the switch that ends all that is open to it. Nothing is shared between
//! users, so no answer can reach the wrong one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hub_core::accounts::Username;
use hub_core::launcher::protocol::Endpoint;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::upstream::Link;

/// Idle connections kept per server; a browser opens six at most.
const MOST_IDLE: usize = 32;

/// Requests, streams and tunnels that may be open to one server at a time. A browser full of notebooks has a few dozen;
/// each may cost the hub about a megabyte, in sockets above all, when a client and a server both dawdle, which somebody could do
/// on purpose.
pub(super) const MOST_OPEN: usize = 256;

/// The pools of all users.
#[derive(Default)]
pub(super) struct Pools(Mutex<HashMap<Username, Arc<Pool>>>);

/// The connections of one user's server.
pub(super) struct Pool {
    #[expect(clippy::vec_box, reason = "a link is large and moves between pool, request and body")]
    idle: Mutex<Vec<Box<Link>>>,
    places: Arc<Semaphore>,
    gone: watch::Sender<bool>,
}

impl Pools {
    /// The pool of `user`.
    pub(super) fn of(&self, user: &Username) -> Arc<Pool> {
        let mut pools = lock(&self.0);
        match pools.get(user) {
            Some(pool) => Arc::clone(pool),
            None => {
                let pool = Arc::new(Pool {
                    idle: Mutex::default(),
                    places: Arc::new(Semaphore::new(MOST_OPEN)),
                    gone: watch::Sender::new(false),
                });
                pools.insert(user.clone(), Arc::clone(&pool));
                pool
            }
        }
    }

    /// Ends everything that is open to `user`'s server.
    pub(super) fn forget(&self, user: &Username) {
        let pool = lock(&self.0).remove(user);
        if let Some(pool) = pool {
            pool.gone.send_replace(true);
            lock(&pool.idle).clear();
        }
    }

    /// Closes connections that were idle for `lifetime` or whose server has closed them.
    pub(super) fn sweep(&self, lifetime: Duration) {
        let mut pools = lock(&self.0);
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
