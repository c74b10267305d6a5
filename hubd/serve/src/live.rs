//! A value that changes while the hub runs: whoever asks gets the newest, and parts that keep something made of it are
//! told before the change is answered.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

type Follower<T> = Box<dyn Fn(&T) + Send + Sync>;

/// A handle to the value. Clones are handles to the same one.
pub struct Live<T>(Arc<Inner<T>>);

struct Inner<T> {
    value: watch::Sender<Arc<T>>,
    followers: Mutex<Vec<Follower<T>>>,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Live").field(&self.get()).finish()
    }
}

impl<T> Live<T> {
    /// Begins with `value`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Inner { value: watch::Sender::new(Arc::new(value)), followers: Mutex::default() }))
    }

    /// The value as it is now. Whoever keeps it keeps what was true then.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.value.borrow())
    }

    /// Tells when there is another value; for what may follow a moment later.
    pub fn subscribe(&self) -> watch::Receiver<Arc<T>> {
        self.0.value.subscribe()
    }

    /// Calls `follow` with the value now and with every later one, each time before [`Live::replace`] returns. It must not
    /// wait for anything.
    pub fn follow(&self, follow: impl Fn(&T) + Send + Sync + 'static) {
        let mut followers = self.0.followers.lock().unwrap_or_else(PoisonError::into_inner);
        follow(&self.get());
        followers.push(Box::new(follow));
    }

    /// Puts another value in place and tells everybody; returns the one before.
    pub fn replace(&self, value: T) -> Arc<T> {
        let followers = self.0.followers.lock().unwrap_or_else(PoisonError::into_inner);
        let value = Arc::new(value);
        let old = self.0.value.send_replace(Arc::clone(&value));
        for follow in &*followers {
            follow(&value);
        }
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_the_new_value_when_the_change_is_answered() {
        let live = Live::new(1);
        let (kept, handle, seen) = (live.get(), live.clone(), Arc::new(Mutex::new(Vec::new())));
        let mut watched = live.subscribe();
        live.follow({
            let seen = Arc::clone(&seen);
            move |value| seen.lock().unwrap().push(*value)
        });
        assert_eq!(*live.replace(2), 1);
        assert_eq!((*kept, *handle.get()), (1, 2));
        assert_eq!(*seen.lock().unwrap(), [1, 2]);
        assert!(watched.has_changed().unwrap());
        assert_eq!(**watched.borrow_and_update(), 2);
    }
}
