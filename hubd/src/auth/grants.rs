//! What one person gives another, a link or a first password, and who answers for it. It is judged again when it is used:
//! whoever made it may have lost the right since, and whoever got it may have risen above that right.

use std::time::SystemTime;

use hub_core::accounts::Username;
use hub_core::config::Role;

use super::sessions::rank;
use super::{People, PeopleError};
use crate::store::people::{self, LinkRow};
use crate::store::{StoreError, time};

/// Who gives somebody a link or a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// Root of this machine, an operator, the installer.
    Host,
    /// Somebody inside the hub, with the role at this moment.
    Person(Username, Role),
}

/// A link that was not used yet, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLink {
    /// Who made it; `None`: somebody on the host.
    pub maker: Option<Username>,
    /// When it stops working.
    pub expires: SystemTime,
}

impl Maker {
    /// The highest rank of people that this one may give something to.
    pub(super) fn rank(&self) -> i64 {
        match self {
            Self::Host => rank(Role::Admin),
            // Who may give nothing is asked before this; whatever it gave all the same is for nobody.
            Self::Person(_, role) => role.vouches_for().map_or(-1, rank),
        }
    }

    pub(super) fn name(&self) -> Option<&Username> {
        match self {
            Self::Host => None,
            Self::Person(name, _) => Some(name),
        }
    }
}

impl People {
    /// Takes back for good what does not hold under the policy in force: a right that is given again later does not bring
    /// its links back.
    ///
    /// # Errors
    /// What the database said. What does not hold does not work all the same, as long as the policy stays.
    pub async fn revoke_links(&self) -> Result<(), StoreError> {
        let (now, judge) = (self.now(), self.clone());
        let work = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction()?;
            for link in people::links(&transaction, now)?.iter().filter(|link| !link.revoked && judge.hold(link).is_err()) {
                people::revoke_link(&transaction, &link.name)?;
                tracing::info!(user = %link.name, "a one-time link was taken back: the role of whoever made it, or got it, changed");
            }
            transaction.commit()
        };
        self.inner.store.run(work).await
    }

    /// The links that would work now, by whose password they set.
    ///
    /// # Errors
    /// What the database said.
    pub async fn open_links(&self) -> Result<Vec<(Username, OpenLink)>, StoreError> {
        let now = self.now();
        let mut links = self.inner.store.run(move |connection| people::links(connection, now)).await?;
        links.retain(|link| self.hold(link).is_ok());
        Ok(links.into_iter().map(|link| (link.name, OpenLink { maker: link.maker, expires: time(link.expires) })).collect())
    }

    /// The people of `names` whose password came from somebody who may not give one to people of their role.
    ///
    /// # Errors
    /// What the database said.
    pub async fn without_valid_password(&self, names: &[Username]) -> Result<Vec<Username>, StoreError> {
        let mut found = Vec::new();
        for name in names {
            let row = self.row(name).await?;
            if row.is_some_and(|row| row.password.is_some() && row.rank < rank(self.inner.sessions.role_of(name))) {
                found.push(name.clone());
            }
        }
        Ok(found)
    }

    /// Whether `link` may be used now, and as what.
    pub(super) fn hold(&self, link: &LinkRow) -> Result<Role, PeopleError> {
        let sessions = &self.inner.sessions;
        let role = sessions.role_of(&link.name);
        let may_still = |maker: &Username| {
            !sessions.is_blocked(maker) && sessions.role_of(maker).vouches_for().is_some_and(|highest| role <= highest)
        };
        if sessions.is_blocked(&link.name) {
            return Err(PeopleError::LinkOver);
        }
        if link.revoked || link.rank < rank(role) || !link.maker.as_ref().is_none_or(may_still) {
            return Err(PeopleError::LinkRevoked);
        }
        Ok(role)
    }
}
