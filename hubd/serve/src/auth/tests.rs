//! People, links and sessions against a real database, on a clock that stands still.

mod grants;
mod links;
mod logins;
mod pam;
mod passwords;
mod revocation;
mod sessions;
mod tokens;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use http::HeaderMap;
use http::header::COOKIE;
use hub_core::config::Role;

use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const PASSWORD: &str = "correct horse";
const LIFETIME: Duration = Duration::from_secs(14 * 86_400);

fn policy() -> Policy {
    Policy { lifetime: LIFETIME, blocked: HashSet::new(), roles: HashMap::new(), operators: HashSet::new() }
}

/// One in which these people are more than students.
fn with_roles(roles: &[(&str, Role)]) -> Policy {
    Policy { roles: roles.iter().map(|(name, role)| (name.parse().unwrap(), *role)).collect(), ..policy() }
}

const DAY: Duration = Duration::from_secs(86_400);

/// A hub's people with ada among them; opened anew by [`Class::reopen`].
struct Class {
    directory: tempfile::TempDir,
    clock: Clock,
    people: People,
}

impl Class {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual();
        let people = People::open_with(&directory.path().join("hubd.db"), policy(), clock.clone(), Cost::CHEAP).await.unwrap();
        people.add(&ada(), Some(PASSWORD), &Maker::Host).await.unwrap();
        Self { directory, clock, people }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("hubd.db")
    }

    /// What another process would see; its measured time starts anew.
    async fn reopen(&mut self) {
        let clock = Clock::manual();
        clock.set_calendar(self.clock.now());
        self.people = People::open_with(&self.database(), policy(), clock.clone(), Cost::CHEAP).await.unwrap();
        self.clock = clock;
    }

    async fn log_in(&self) -> NewSession {
        self.people.log_in("ada", PASSWORD, HERE).await.unwrap()
    }

    fn find(&self, session: &NewSession) -> Option<Session> {
        self.people.sessions().find(&cookies(session), false)
    }
}

fn ada() -> Username {
    "ada".parse().unwrap()
}

fn cookies(session: &NewSession) -> HeaderMap {
    let cookie = session.cookie(false);
    HeaderMap::from_iter([(COOKIE, cookie.split(';').next().unwrap().parse().unwrap())])
}

fn token(link: &Link) -> Token {
    Token::parse(link.path.strip_prefix("/hub/link/").unwrap()).unwrap()
}

fn has_ended(session: &NewSession) -> bool {
    *session.session.ended.borrow()
}

#[tokio::test]
async fn knows_who_is_enrolled() {
    let class = Class::new().await;
    let bob: Username = "bob".parse().unwrap();
    let added = class.people.add(&bob, None, &Maker::Host).await.unwrap();
    assert!(added.added && added.link.is_some_and(|link| link.expires == class.clock.now() + DAY));
    let again = class.people.add(&bob, Some("another password"), &Maker::Host).await.unwrap();
    assert!(!again.added && again.link.is_none());
    let added = class.clock.now();
    let person =
        |name, has_password| Person { name, blocked: false, has_password, last_active: None, added, profile: Profile::default() };
    assert_eq!(class.people.list().await.unwrap(), [person(ada(), true), person(bob.clone(), false)]);
    assert_eq!(class.people.find(&bob).await.unwrap(), Some(person(bob.clone(), false)));
    assert_eq!(class.people.count().await.unwrap(), 2);
    assert!(class.people.remove(&bob).await.unwrap());
    assert!(!class.people.remove(&bob).await.unwrap());
    assert_eq!(class.people.find(&bob).await.unwrap(), None);
}

#[tokio::test]
async fn says_when_nobody_has_that_name() {
    let class = Class::new().await;
    let eve: Username = "eve".parse().unwrap();
    assert!(
        matches!(class.people.set_password(&eve, PASSWORD, &Maker::Host).await, Err(PeopleError::Unknown(name)) if name == eve)
    );
    assert!(matches!(class.people.new_link(&eve, &Maker::Host).await, Err(PeopleError::Unknown(name)) if name == eve));
    assert!(matches!(class.people.set_blocked(&eve, true).await, Err(PeopleError::Unknown(name)) if name == eve));
}

#[tokio::test]
async fn keeps_no_secret_in_the_database() {
    let class = Class::new().await;
    let link = class.people.add(&"bob".parse().unwrap(), None, &Maker::Host).await.unwrap().link.unwrap();
    let session = class.log_in().await;
    let cookie = cookies(&session)[COOKIE].to_str().unwrap().to_owned();
    let secret = cookie.split_once('=').unwrap().1.to_owned();
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(class.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            stored.extend(std::fs::read(path).unwrap());
        }
    }
    let has = |secret: &[u8]| stored.windows(secret.len()).any(|window| window == secret);
    assert!(has(b"argon2id"), "the test looks at the wrong files");
    assert!(!has(secret.as_bytes()) && !has(token(&link).as_str().as_bytes()) && !has(PASSWORD.as_bytes()));
}

#[tokio::test]
async fn leaves_nothing_of_who_is_removed_to_the_next_of_that_name() {
    let class = Class::new().await;
    let session = class.log_in().await;
    let link = class.people.new_link(&ada(), &Maker::Host).await.unwrap();
    assert!(class.people.remove(&ada()).await.unwrap());
    assert!(has_ended(&session));
    class.people.add(&ada(), Some("a new password"), &Maker::Host).await.unwrap();
    assert!(class.find(&session).is_none());
    assert!(matches!(class.people.look_at_link(&token(&link)).await, Err(PeopleError::LinkOver)));
    assert!(matches!(class.people.log_in("ada", PASSWORD, HERE).await, Err(LoginError::Wrong)));
}

#[tokio::test]
async fn tells_when_people_were_last_seen() {
    let mut class = Class::new().await;
    let session = class.log_in().await;
    class.clock.advance(DAY);
    let seen = class.clock.now();
    assert!(class.find(&session).is_some());
    let last_active = |person: Option<Person>| person.unwrap().last_active.unwrap();
    assert_eq!(last_active(class.people.find(&ada()).await.unwrap()), seen);
    class.people.log_out(&session.session).await.unwrap();
    class.reopen().await;
    assert_eq!(last_active(class.people.find(&ada()).await.unwrap()), seen - DAY, "stored at login");
}

#[tokio::test]
async fn leaves_bad_rows_out() {
    let mut class = Class::new().await;
    let session = class.log_in().await;
    class
        .people
        .inner
        .store
        .run(|connection| {
            connection.execute_batch(
                "INSERT INTO people (name, added) VALUES ('../etc', 0), (char(0), 0), ('Ada', 0);
                 INSERT INTO people (name, password, added) VALUES ('bob', 'no hash at all', 0);
                 INSERT INTO sessions VALUES (x'00', 'bob', 0, 0, '192.0.2.1', 0);
                 INSERT INTO sessions VALUES (zeroblob(32), '../etc', 0, 0, '192.0.2.1', 0);
                 INSERT INTO sessions VALUES (randomblob(32), 'bob', 0, 0, 'nowhere', 0);
                 INSERT INTO links VALUES ('Ada', x'00', 9223372036854775807, '../etc', 3, 0);",
            )
        })
        .await
        .unwrap();
    class.reopen().await;
    let names: Vec<String> = class.people.list().await.unwrap().into_iter().map(|person| person.name.to_string()).collect();
    assert_eq!(names, ["ada", "bob"]);
    assert!(class.find(&session).is_some());
    assert!(matches!(class.people.log_in("bob", PASSWORD, HERE).await, Err(LoginError::Internal(_))));
    class.people.set_password(&"bob".parse().unwrap(), "a new password", &Maker::Host).await.unwrap();
    assert!(class.people.log_in("bob", "a new password", HERE).await.is_ok());
}
