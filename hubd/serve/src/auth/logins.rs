//! Who somebody is whom a provider of logins vouches for: the same account is the same person for ever, another never is.

use std::collections::HashSet;
use std::net::IpAddr;

use hub_core::accounts::Username;
use hub_core::config::{Claims, KeptOut, Pam, Provider, Role};
use hub_roster::{Known, Listed, new_name, profile};
use rusqlite::{Transaction, TransactionBehavior};

use super::People;
use super::login::NewSession;
use super::sessions::{Session, rank};
use super::token::{Token, TokenHash};
use crate::store::logins::{self, LoginRow};
use crate::store::people::{self, PersonRow};
use crate::store::sessions::SessionRow;
use crate::store::{StoreError, roster, sessions as rows};

/// Why somebody whom a provider vouches for did not get in.
#[derive(Debug, thiserror::Error)]
pub enum NotIn {
    /// The rules of the login do not let them in.
    #[error("the rules of this login do not let them in ({0:?})")]
    Rules(KeptOut),
    /// Nobody is enrolled by that name.
    #[error("nobody is enrolled as they are called there, {0:?}")]
    NotEnrolled(Option<String>),
    /// Somebody is enrolled by that name, and it is not known to be the same.
    #[error("{0} is enrolled, and not known to be the same person")]
    Taken(Username),
    /// They were taken off the list.
    #[error("{0} was taken off the list")]
    Removed(Username),
    /// They are kept out.
    #[error("{0} is blocked")]
    Blocked(Username),
    /// Their role is higher than what this account was linked for.
    #[error("{0} has a higher role than when the account was linked")]
    Outranked(Username),
    /// No name to log in with can be made of what the provider says.
    #[error("no name can be made of what the provider says")]
    Nameless,
    /// Something of the hub's own.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Anything else.
    #[error("logging somebody in")]
    Internal(#[source] anyhow::Error),
}

/// Why an account was not linked.
#[derive(Debug, thiserror::Error)]
pub enum NotLinked {
    /// The rules of the login do not let them in.
    #[error("the rules of this login do not let them in ({0:?})")]
    Rules(KeptOut),
    /// That account is, or was, somebody else here.
    #[error("that account is somebody else here")]
    Others,
    /// They have another account of that provider.
    #[error("another account of that provider is linked already")]
    Another,
    /// The session is over.
    #[error("the session is over")]
    Over,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// By which login somebody comes, and what it says of them, checked.
pub struct Vouched<'login> {
    title: &'login str,
    issuer: &'login str,
    admitted: Result<(), KeptOut>,
    username: Option<&'login str>,
    address: Option<&'login str>,
    may_enrol: bool,
    claims: &'login Claims,
    /// Names that stand in the configuration: nobody gets one by what they are called elsewhere.
    reserved: &'login HashSet<Username>,
}

impl<'login> Vouched<'login> {
    /// By a provider. `reserved`: names that stand in the configuration.
    pub fn by_provider(provider: &'login Provider, claims: &'login Claims, reserved: &'login HashSet<Username>) -> Self {
        Self {
            title: &provider.title,
            issuer: &provider.issuer,
            admitted: provider.admits(claims),
            username: provider.username(claims),
            address: provider.known_address(claims),
            may_enrol: provider.enrol,
            claims,
            reserved,
        }
    }

    /// By the machine's PAM, where somebody is who they are called. `reserved`: as above.
    pub fn by_pam(pam: &'login Pam, claims: &'login Claims, reserved: &'login HashSet<Username>) -> Self {
        Self {
            title: &pam.title,
            issuer: Pam::ISSUER,
            admitted: pam.admits(&claims.groups),
            username: Some(&claims.subject),
            address: None,
            may_enrol: pam.enrol,
            claims,
            reserved,
        }
    }
}

/// What a provider says, as far as it decides who somebody is; owned, for the database's thread.
#[derive(Clone)]
struct Word {
    issuer: String,
    subject: String,
    username: Option<String>,
    address: Option<String>,
    claims: Claims,
    may_enrol: bool,
    reserved: HashSet<Username>,
    now: i64,
}

impl People {
    /// Begins a session for whoever has this account at the provider.
    ///
    /// # Errors
    /// Why not.
    pub async fn log_in_by(&self, vouched: Vouched<'_>, source: IpAddr) -> Result<NewSession, NotIn> {
        vouched.admitted.map_err(NotIn::Rules)?;
        let word = Word {
            issuer: vouched.issuer.to_owned(),
            subject: vouched.claims.subject.clone(),
            username: vouched.username.map(str::to_owned),
            address: vouched.address.map(str::to_owned),
            claims: vouched.claims.clone(),
            may_enrol: vouched.may_enrol,
            reserved: vouched.reserved.clone(),
            now: self.now(),
        };
        let token = Token::random().map_err(|error| NotIn::Internal(error.into()))?;
        let (judge, shown) = (self.clone(), token.clone());
        let work = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // The role that was judged is the one of the session, whatever is changed meanwhile.
            let (name, role) = match judge.person_of(&transaction, &word)? {
                Ok(found) => found,
                Err(refused) => return Ok(Err(refused)),
            };
            let row = SessionRow {
                id: shown.hash().0,
                name: name.clone(),
                created: word.now,
                last_seen: word.now,
                source,
                rank: Some(rank(role)),
            };
            let dropped = rows::add_by_login(&transaction, &row, super::login::MOST_SESSIONS)?;
            logins::set_used(&transaction, &word.issuer, &word.subject, word.now)?;
            people::set_last_active(&transaction, &name, word.now)?;
            transaction.commit()?;
            let Some(dropped) = dropped else { return Ok(Err(NotIn::Blocked(name))) };
            for id in dropped {
                judge.inner.sessions.end(TokenHash(id));
            }
            // Still alone with the database: whoever blocks or removes this person comes before or after.
            Ok(Ok(judge.inner.sessions.admit(&shown, name, source, role)))
        };
        let session = self.inner.store.run(work).await??;
        tracing::info!(user = %session.user, %source, login = vouched.title, "logged in by {}", vouched.title);
        Ok(NewSession::new(session, token))
    }

    /// Links the account to the person of `session`, with what that person is now.
    ///
    /// # Errors
    /// Why not.
    pub async fn link_login(&self, vouched: Vouched<'_>, session: &Session) -> Result<(), NotLinked> {
        vouched.admitted.map_err(NotLinked::Rules)?;
        let (name, ended, judge) = (session.user.clone(), session.ended.clone(), self.clone());
        let row = LoginRow {
            issuer: vouched.issuer.to_owned(),
            subject: vouched.claims.subject.clone(),
            rank: rank(self.inner.sessions.role_of(&name)),
            name: name.clone(),
            is_linked: true,
            is_gone: false,
            since: self.now(),
            last_used: None,
        };
        let work = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // A session of one who has risen is over, so this is never more than what its owner was shown to be.
            let is_over = *ended.borrow() || rank(judge.inner.sessions.role_of(&row.name)) != row.rank;
            let person = people::find(&transaction, &row.name)?;
            if is_over || person.is_none_or(|person| person.blocked) {
                return Ok(Err(NotLinked::Over));
            }
            let is_another = |known: &LoginRow| !known.is_gone && known.issuer == row.issuer && known.subject != row.subject;
            if logins::of(&transaction, &row.name)?.iter().any(is_another) {
                return Ok(Err(NotLinked::Another));
            }
            if !logins::put(&transaction, &row)? {
                return Ok(Err(NotLinked::Others));
            }
            transaction.commit()?;
            Ok(Ok(()))
        };
        self.inner.store.run(work).await??;
        tracing::info!(user = %name, login = vouched.title, "{name} linked their account of {}", vouched.title);
        Ok(())
    }

    /// All accounts of providers that are somebody here.
    ///
    /// # Errors
    /// What the database said.
    pub async fn linked(&self) -> Result<Vec<LoginRow>, StoreError> {
        self.inner.store.run(|connection| logins::list(connection)).await
    }

    /// Which accounts of providers are `name`.
    ///
    /// # Errors
    /// What the database said.
    pub async fn links_of(&self, name: &Username) -> Result<Vec<LoginRow>, StoreError> {
        let name = name.clone();
        let mut found = self.inner.store.run(move |connection| logins::of(connection, &name)).await?;
        found.retain(|link| !link.is_gone);
        Ok(found)
    }

    /// Forgets which accounts of providers are, or were, `name`, and ends their sessions: who got in by one may not stay.
    /// Gives how many there were.
    ///
    /// # Errors
    /// What the database said.
    pub async fn unlink(&self, name: &Username) -> Result<usize, StoreError> {
        let (name, sessions) = (name.clone(), self.inner.sessions.clone());
        let work = move |connection: &mut rusqlite::Connection| {
            let forgotten = logins::forget(connection, &name)?;
            if forgotten > 0 {
                sessions.end_all(&name);
            }
            Ok(forgotten)
        };
        let forgotten = self.inner.store.run(work).await?;
        self.save().await?;
        Ok(forgotten)
    }

    /// Who that account is, from now on for ever.
    fn person_of(&self, transaction: &Transaction<'_>, word: &Word) -> rusqlite::Result<Result<(Username, Role), NotIn>> {
        let known = logins::find(transaction, &word.issuer, &word.subject)?;
        if let Some(link) = &known {
            let row = people::find(transaction, &link.name)?;
            if let Some(row) = row.as_ref().filter(|_| !link.is_gone) {
                // What was linked with a password is worth no more than that password is now: whoever gave it may have made the link.
                let worth = if link.rank > rank(Role::Student) { link.rank.min(self.standing(row)) } else { link.rank };
                return Ok(self.may_come(row, worth));
            }
            // Whoever was enrolled again by hand may take the name again, by the same rule as before.
            return match row {
                Some(row) if self.is_called(&row, word) => self.claim(transaction, word, row),
                _ => Ok(Err(NotIn::Removed(link.name.clone()))),
            };
        }
        match self.called(transaction, word)? {
            Some(row) if !is_others(transaction, &row.name, word)? => self.claim(transaction, word, row),
            Some(row) if !word.may_enrol => Ok(Err(NotIn::Taken(row.name))),
            None if !word.may_enrol => Ok(Err(NotIn::NotEnrolled(word.username.clone().or(word.address.clone())))),
            _ => self.enrol(transaction, word),
        }
    }

    /// Whether somebody who is linked may come in now.
    fn may_come(&self, row: &PersonRow, worth: i64) -> Result<(Username, Role), NotIn> {
        let sessions = &self.inner.sessions;
        let role = sessions.role_of(&row.name);
        match () {
            () if row.blocked || sessions.is_blocked(&row.name) => Err(NotIn::Blocked(row.name.clone())),
            () if worth < rank(role) => Err(NotIn::Outranked(row.name.clone())),
            () => Ok((row.name.clone(), role)),
        }
    }

    /// Whom the provider's word names, of those who are enrolled.
    fn called(&self, transaction: &Transaction<'_>, word: &Word) -> rusqlite::Result<Option<PersonRow>> {
        if let Some(address) = &word.address {
            let has_it = |row: &PersonRow| is_address(row, address);
            let mut found = people::list(transaction)?.into_iter().filter(has_it);
            match (found.next(), found.next()) {
                (Some(row), None) => return Ok(Some(row)),
                // Of two with one address nobody knows which is meant.
                (Some(_), Some(_)) => return Ok(None),
                (None, _) => {}
            }
        }
        match word.username.as_ref().and_then(|text| text.parse::<Username>().ok()) {
            Some(name) => Ok(people::find(transaction, &name)?.filter(|row| goes_by_name(row, word))),
            None => Ok(None),
        }
    }

    fn is_called(&self, row: &PersonRow, word: &Word) -> bool {
        let by_name = word.username.as_ref().and_then(|text| text.parse::<Username>().ok());
        by_name.as_ref() == Some(&row.name) && goes_by_name(row, word)
            || word.address.as_ref().is_some_and(|address| is_address(row, address))
    }

    /// The name of `row`, for an account that is nobody yet: if nobody else can have it, and it gives no right.
    fn claim(
        &self,
        transaction: &Transaction<'_>,
        word: &Word,
        row: PersonRow,
    ) -> rusqlite::Result<Result<(Username, Role), NotIn>> {
        let role = self.inner.sessions.role_of(&row.name);
        let is_unused = row.password.is_none() && row.last_active.is_none();
        if !is_unused || role != Role::Student || is_others(transaction, &row.name, word)? {
            return Ok(Err(NotIn::Taken(row.name)));
        }
        if let Err(refused) = self.may_come(&row, rank(Role::Student)) {
            return Ok(Err(refused));
        }
        if !logins::put(transaction, &word.link(&row.name))? {
            return Ok(Err(NotIn::Taken(row.name)));
        }
        // Whoever still has the one-time link would come in as the same person.
        people::remove_link(transaction, &row.name)?;
        tracing::info!(user = %row.name, "{} is somebody of {} from now on", row.name, word.issuer);
        Ok(Ok((row.name, Role::Student)))
    }

    /// Enrols somebody whom the rules let in, by a name that is nobody else's and gives no right.
    fn enrol(&self, transaction: &Transaction<'_>, word: &Word) -> rusqlite::Result<Result<(Username, Role), NotIn>> {
        let listed = |row: PersonRow| Listed { is_blocked: row.blocked, name: row.name, profile: row.profile };
        let people: Vec<Listed> = people::list(transaction)?.into_iter().map(listed).collect();
        let mut made = roster::made_names(transaction)?;
        for (number, link) in logins::list(transaction)?.into_iter().enumerate() {
            made.insert(format!("linked:{number}"), link.name);
        }
        let known = Known { people, made };
        let said = [word.username.as_deref(), word.claims.verified_email.as_deref(), word.claims.full_name.as_deref()];
        let Some(name) = new_name(&known, &word.reserved, said.into_iter().flatten()) else { return Ok(Err(NotIn::Nameless)) };
        if self.inner.sessions.role_of(&name) != Role::Student || self.inner.sessions.is_blocked(&name) {
            return Ok(Err(NotIn::Nameless));
        }
        let is_new = people::add(transaction, &name, None, (rank(Role::Student), None), word.now)?;
        if !is_new || !logins::put(transaction, &word.link(&name))? {
            return Ok(Err(NotIn::Nameless));
        }
        let profile = profile(word.claims.full_name.as_deref(), word.claims.verified_email.as_deref());
        people::set_profile(transaction, &name, &profile)?;
        roster::keep_made(transaction, &format!("login:{} {}", word.issuer, word.subject), &name)?;
        tracing::info!(user = %name, "{name} was enrolled by a login of {}", word.issuer);
        Ok(Ok((name, Role::Student)))
    }
}

/// Whether another account is, or was, `name`.
fn is_others(transaction: &Transaction<'_>, name: &Username, word: &Word) -> rusqlite::Result<bool> {
    let is_this = |link: &LoginRow| link.issuer == word.issuer && link.subject == word.subject;
    Ok(logins::of(transaction, name)?.iter().any(|link| !is_this(link)))
}

/// Whether somebody may be who `row` is by being called so: not where people are known by addresses and theirs is another one.
fn goes_by_name(row: &PersonRow, word: &Word) -> bool {
    word.address.is_none() || row.profile.email.is_none()
}

fn is_address(row: &PersonRow, address: &str) -> bool {
    row.profile.email.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(address))
}

impl Word {
    /// A link that gives no right.
    fn link(&self, name: &Username) -> LoginRow {
        LoginRow {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            name: name.clone(),
            rank: rank(Role::Student),
            is_linked: false,
            is_gone: false,
            since: self.now,
            last_used: None,
        }
    }
}
