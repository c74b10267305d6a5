//! What one person gives another, a link or a first password, or has made for a program, a token, and who answers for it. It is judged again when it is used:
//! whoever made it may have lost the right since, and whoever got it may have risen above that right.

use std::time::SystemTime;

use hub_core::accounts::Username;
use hub_core::config::Role;

use super::sessions::rank;
use super::{People, PeopleError};
use crate::store::people::{self, Giver, LinkRow, PersonRow};
use crate::store::{StoreError, time, tokens};

/// Who gives somebody a link or a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// Root of this machine, the installer.
    Host,
    /// An operator, by the name of the account.
    Operator(String),
    /// Somebody inside the hub, with the role at this moment.
    Person(Username, Role),
}

/// A link that was not used yet, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLink {
    /// Who of the hub's people made it; `None`: somebody on the host.
    pub maker: Option<Username>,
    /// When it stops working.
    pub expires: SystemTime,
}

impl Maker {
    /// The highest rank of people that this one may give something to.
    pub(super) fn rank(&self) -> i64 {
        match self {
            Self::Host | Self::Operator(_) => rank(Role::Admin),
            // Who may give nothing is asked before this; whatever it gave all the same is for nobody.
            Self::Person(_, role) => role.vouches_for().map_or(-1, rank),
        }
    }

    pub(super) fn giver(&self) -> Option<Giver> {
        match self {
            Self::Host => None,
            Self::Operator(account) => Some(Giver::Operator(account.clone())),
            Self::Person(name, _) => Some(Giver::Person(name.clone())),
        }
    }
}

impl People {
    /// Takes back for good what does not hold under the policy in force: a right that is given again later does not bring
    /// its links back, nor make good a password. Whoever got in with such a password is out.
    ///
    /// # Errors
    /// What the database said. What does not hold does not work all the same, as long as the policy stays.
    pub async fn revoke_grants(&self) -> Result<(), StoreError> {
        let (now, judge) = (self.now(), self.clone());
        let rows = self.inner.store.run(|connection| people::list(connection)).await?;
        let sunk: Vec<PersonRow> =
            rows.into_iter().filter(|row| self.standing(row) < row.rank.max(self.needed(&row.name))).collect();
        for row in sunk.iter().filter(|row| self.is_outranked(row)) {
            self.inner.sessions.end_all(&row.name);
        }
        let work = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction()?;
            for row in sunk.iter().filter(|row| judge.standing(row) < row.rank) {
                people::set_rank(&transaction, &row.name, judge.standing(row))?;
                if judge.is_outranked(row) {
                    tracing::warn!(user = %row.name, "needs a new link: whoever gave them their password may not any more");
                }
            }
            let falls = |link: &&LinkRow| !link.revoked && matches!(judge.hold(link), Err(PeopleError::LinkRevoked));
            for link in people::links(&transaction, now)?.iter().filter(falls) {
                people::revoke_link(&transaction, &link.name)?;
                tracing::info!(user = %link.name, "a one-time link was taken back: the role of whoever made it, or got it, changed");
            }
            for token in tokens::list(&transaction)? {
                if judge.upholds(&transaction, &token)? {
                    continue;
                }
                tokens::remove(&transaction, token.id)?;
                tracing::info!(
                    token = token.id,
                    "API token {} was taken back: whoever made it may not have one any more",
                    token.id
                );
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
        let person = |maker| if let Some(Giver::Person(name)) = maker { Some(name) } else { None };
        let open = |link: LinkRow| (link.name, OpenLink { maker: person(link.maker), expires: time(link.expires) });
        Ok(links.into_iter().map(open).collect())
    }

    /// Who has a role and a password that came from somebody who may not give one to people of that role (any more).
    ///
    /// # Errors
    /// What the database said.
    pub async fn without_valid_password(&self) -> Result<Vec<Username>, StoreError> {
        let mut found = Vec::new();
        for name in self.inner.sessions.with_role() {
            if self.row(&name).await?.is_some_and(|row| row.password.is_some() && self.is_outranked(&row)) {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// Has `name`, who takes the rights of `maker` away, answer for their own password from now on, should it be `maker`'s
    /// gift: whoever throws somebody out does not throw themselves out.
    ///
    /// # Errors
    /// What the database said.
    pub async fn adopt_password(&self, name: &Username, maker: &Username) -> Result<(), StoreError> {
        let (name, maker) = (name.clone(), maker.clone());
        self.inner.store.run(move |connection| people::adopt_password(connection, &name, &maker)).await
    }

    /// The highest rank that whoever has this person's password may have now. Students stay what they are, whoever leaves.
    pub(super) fn standing(&self, row: &PersonRow) -> i64 {
        let Some(maker) = &row.maker else { return row.rank };
        let given = self.inner.sessions.vouches_for(maker).map_or(rank(Role::Student), rank);
        row.rank.min(given)
    }

    /// Whether this person's password is good for less than this person is.
    pub(super) fn is_outranked(&self, row: &PersonRow) -> bool {
        self.standing(row) < self.needed(&row.name)
    }

    fn needed(&self, name: &Username) -> i64 {
        rank(self.inner.sessions.role_of(name))
    }

    /// Whether `link` may be used now, and as what.
    pub(super) fn hold(&self, link: &LinkRow) -> Result<Role, PeopleError> {
        let sessions = &self.inner.sessions;
        let role = sessions.role_of(&link.name);
        let may_still = |maker: &Giver| sessions.vouches_for(maker).is_some_and(|highest| role <= highest);
        if link.revoked || link.rank < rank(role) || !link.maker.as_ref().is_none_or(may_still) {
            return Err(PeopleError::LinkRevoked);
        }
        if link.blocked || sessions.is_blocked(&link.name) {
            return Err(PeopleError::Blocked);
        }
        Ok(role)
    }
}
