//! One thing at a time for each person: starting, stopping and deleting wait for each other, different people do not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hub_core::accounts::Username;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// A lock per name, kept only while somebody holds it or waits for it.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<Username, Arc<AsyncMutex<()>>>>);

impl Names {
    pub(super) async fn lock(&self, name: &Username) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(name.clone()).or_default())
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_name_waits_and_another_does_not() {
        let names = Arc::new(Names::default());
        let (ada, bob) = ("ada".parse::<Username>().unwrap(), "bob".parse().unwrap());
        let held = names.lock(&ada).await;
        let _other = names.lock(&bob).await;
        let waiting = tokio::spawn({
            let (names, ada) = (Arc::clone(&names), ada.clone());
            async move { drop(names.lock(&ada).await) }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn names_that_nobody_waits_for_are_forgotten() {
        let names = Names::default();
        for number in 0..100 {
            drop(names.lock(&format!("user{number}").parse().unwrap()).await);
        }
        assert!(names.0.lock().unwrap().len() <= 1);
    }
}
