//! What was taken away holds at once and after a restart, whether or not the database can be written.

use std::io;

use hub_core::accounts::Username;

use super::sessions::Sessions;
use super::token::TokenHash;
use super::{People, PeopleError};
use crate::store::{Revocations, Revoked, StoreError};

/// What an earlier process could not store.
pub(super) fn take_over(sessions: &Sessions, revoked: &Revocations) {
    for one in revoked.all() {
        match one {
            Revoked::Session(id) => sessions.end(TokenHash(id)),
            Revoked::Person(name) => sessions.hold(&name),
        }
    }
}

impl People {
    /// Keeps `name` out (their sessions end at once), or lets them in again. A block holds also where the database can't be
    /// written, and is stored when it can.
    ///
    /// # Errors
    /// When nobody has that name, or nothing can be written at all; who was to be blocked is out all the same, until the hub
    /// is started again.
    pub async fn set_blocked(&self, name: &Username, blocked: bool) -> Result<(), PeopleError> {
        let sessions = &self.inner.sessions;
        if blocked {
            sessions.hold(name);
        }
        match self.store_block(name, blocked).await {
            Err(PeopleError::Store(error)) if blocked => {
                if let Ok(None) = self.row(name).await {
                    sessions.release(name);
                    return Err(PeopleError::Unknown(name.clone()));
                }
                // Who got in with what they gave is out, too; that it can't be stored is known.
                drop(self.revoke_grants().await);
                self.note(vec![Revoked::Person(name.clone())]).await.map_err(|noting| {
                    tracing::error!(%noting, "{name} is kept out only until the hub is started again");
                    error
                })?;
                tracing::warn!(user = %name, "kept out; the database can't be written, and is told when it can");
                Ok(())
            }
            // The database knows what there is to know.
            stored => {
                if stored.is_ok() || matches!(stored, Err(PeopleError::Unknown(_))) {
                    sessions.release(name);
                    self.forget(|one| matches!(one, Revoked::Person(person) if person == name));
                }
                stored
            }
        }
    }

    /// Stores which sessions were used and which ended; the last thing to do before the process ends. Where the database
    /// can't be written, what ended is noted beside it.
    ///
    /// # Errors
    /// What the database said, when there was something to note and that did not work either. Nothing is lost as long as the
    /// process lives.
    pub async fn save(&self) -> Result<(), StoreError> {
        let sessions = &self.inner.sessions;
        if let Err(error) = sessions.save(&self.inner.store).await {
            tracing::warn!(%error, "storing sessions; what ended is noted beside the database");
            let ended: Vec<Revoked> = sessions.ended().into_iter().map(|id| Revoked::Session(id.0)).collect();
            return self.note(ended).await.map_err(|_| error);
        }
        let open = sessions.ended();
        self.forget(|one| matches!(one, Revoked::Session(id) if !open.contains(&TokenHash(*id))));
        for name in sessions.held() {
            if let Err(error) = Box::pin(self.set_blocked(&name, true)).await {
                tracing::warn!(user = %name, %error, "storing a block");
            }
        }
        Ok(())
    }

    async fn note(&self, revoked: Vec<Revoked>) -> io::Result<()> {
        let store = self.inner.store.clone();
        tokio::task::spawn_blocking(move || store.revoked().note(&revoked)).await.map_err(io::Error::other)?
    }

    fn forget(&self, is_over: impl Fn(&Revoked) -> bool) {
        if let Err(error) = self.inner.store.revoked().forget(is_over) {
            tracing::warn!(%error, "forgetting what the database knows by now");
        }
    }
}
