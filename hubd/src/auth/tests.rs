//! People, links and sessions against a real database, on a clock that stands still.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use futures_util::FutureExt;
use http::HeaderMap;
use http::header::COOKIE;

use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const PASSWORD: &str = "correct horse";
const LIFETIME: Duration = Duration::from_secs(14 * 86_400);
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
        let people = People::open_with(&directory.path().join("hubd.db"), LIFETIME, clock.clone()).await.unwrap();
        people.add(&ada(), Some(PASSWORD)).await.unwrap();
        Self { directory, clock, people }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("hubd.db")
    }

    /// What another process would see; its measured time starts anew.
    async fn reopen(&mut self) {
        let clock = Clock::manual();
        clock.set_calendar(self.clock.now());
        self.people = People::open_with(&self.database(), LIFETIME, clock.clone()).await.unwrap();
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
    let added = class.people.add(&bob, None).await.unwrap();
    assert!(added.added && added.link.is_some_and(|link| link.expires == class.clock.now() + DAY));
    let again = class.people.add(&bob, Some("another password")).await.unwrap();
    assert!(!again.added && again.link.is_none());
    let person = |name, has_password| Person { name, blocked: false, has_password, last_active: None };
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
    assert!(matches!(class.people.set_password(&eve, PASSWORD).await, Err(PeopleError::Unknown(name)) if name == eve));
    assert!(matches!(class.people.new_link(&eve).await, Err(PeopleError::Unknown(name)) if name == eve));
    assert!(matches!(class.people.set_blocked(&eve, true).await, Err(PeopleError::Unknown(name)) if name == eve));
}

#[tokio::test]
async fn lets_in_by_the_right_password_only() {
    let class = Class::new().await;
    class.people.add(&"bob".parse().unwrap(), None).await.unwrap();
    let longer = format!("{PASSWORD} and more");
    for (name, password) in [("ada", "wrong password"), ("ada", &longer), ("eve", PASSWORD), ("bob", PASSWORD), ("../ada", PASSWORD), ("", PASSWORD)] {
        assert!(matches!(class.people.log_in(name, password, HERE).await, Err(LoginError::Wrong)), "{name:?} {password:?}");
    }
    for password in ["", "nul\0inside", &"x".repeat(1025), &"x".repeat(1 << 20)] {
        assert!(matches!(class.people.log_in("ada", password, HERE).await, Err(LoginError::Malformed(_))));
    }
    assert_eq!(class.log_in().await.session.user, ada());
}

#[tokio::test]
async fn uses_every_byte_of_a_password() {
    let class = Class::new().await;
    let long = "é".repeat(512);
    class.people.set_password(&ada(), &long).await.unwrap();
    let almost = format!("{}x", &long[..1022]);
    assert!(matches!(class.people.log_in("ada", &almost, HERE).await, Err(LoginError::Wrong)));
    assert!(class.people.log_in("ada", &long, HERE).await.is_ok());
}

#[tokio::test]
async fn keeps_no_secret_in_the_database() {
    let class = Class::new().await;
    let link = class.people.add(&"bob".parse().unwrap(), None).await.unwrap().link.unwrap();
    let session = class.log_in().await;
    let cookie = cookies(&session)[COOKIE].to_str().unwrap().to_owned();
    let secret = cookie.split_once('=').unwrap().1.to_owned();
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(class.directory.path()).unwrap() {
        stored.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let has = |secret: &[u8]| stored.windows(secret.len()).any(|window| window == secret);
    assert!(has(b"argon2id"), "the test looks at the wrong files");
    assert!(!has(secret.as_bytes()) && !has(token(&link).as_str().as_bytes()) && !has(PASSWORD.as_bytes()));
}

#[tokio::test]
async fn keeps_sessions_through_a_restart() {
    let mut class = Class::new().await;
    let session = class.log_in().await;
    let form_token = session.session.form_token();
    class.reopen().await;
    let found = class.find(&session).unwrap();
    assert_eq!((found.user.clone(), found.form_token()), (ada(), form_token));
    assert_eq!(class.people.session_count(), 1);
}

#[tokio::test]
async fn ends_a_session_at_once_and_for_good() {
    let mut class = Class::new().await;
    let (one, two) = (class.log_in().await, class.log_in().await);
    class.people.log_out(&one.session).await.unwrap();
    assert!(has_ended(&one) && !has_ended(&two));
    assert!(class.find(&one).is_none() && class.find(&two).is_some());
    class.reopen().await;
    assert!(class.find(&one).is_none() && class.find(&two).is_some());
}

#[tokio::test]
async fn ends_all_sessions_of_who_is_blocked() {
    let mut class = Class::new().await;
    let session = class.log_in().await;
    class.people.set_blocked(&ada(), true).await.unwrap();
    assert!(has_ended(&session) && class.find(&session).is_none());
    assert!(matches!(class.people.log_in("ada", PASSWORD, HERE).await, Err(LoginError::Blocked)));
    assert!(matches!(class.people.log_in("ada", "wrong password", HERE).await, Err(LoginError::Wrong)));
    class.people.set_blocked(&ada(), false).await.unwrap();
    class.reopen().await;
    assert!(class.find(&session).is_none());
    class.log_in().await;
}

#[tokio::test]
async fn leaves_nothing_of_who_is_removed_to_the_next_of_that_name() {
    let class = Class::new().await;
    let session = class.log_in().await;
    let link = class.people.new_link(&ada()).await.unwrap();
    assert!(class.people.remove(&ada()).await.unwrap());
    assert!(has_ended(&session));
    class.people.add(&ada(), Some("a new password")).await.unwrap();
    assert!(class.find(&session).is_none());
    assert!(matches!(class.people.look_at_link(&token(&link)).await, Err(PeopleError::LinkOver)));
    assert!(matches!(class.people.log_in("ada", PASSWORD, HERE).await, Err(LoginError::Wrong)));
}

#[tokio::test]
async fn changes_a_password_and_ends_what_the_old_one_gave() {
    let class = Class::new().await;
    let (here, there) = (class.log_in().await, class.log_in().await);
    let link = class.people.new_link(&ada()).await.unwrap();
    let name = ada();
    let change = |current, new| class.people.change_password(&name, current, new, HERE);
    assert!(matches!(change("wrong password", "a new password").await, Err(LoginError::Wrong)));
    assert!(matches!(change(PASSWORD, "short").await, Err(LoginError::WeakPassword(PasswordProblem::TooShort))));
    assert!(!has_ended(&here));
    let new = change(PASSWORD, "a new password").await.unwrap();
    assert!(has_ended(&here) && has_ended(&there) && !has_ended(&new));
    assert!(class.find(&new).is_some_and(|found| !found.is(&here.session)));
    assert!(matches!(class.people.look_at_link(&token(&link)).await, Err(PeopleError::LinkOver)));
    assert!(matches!(class.people.log_in("ada", PASSWORD, HERE).await, Err(LoginError::Wrong)));
}

#[tokio::test]
async fn ends_sessions_that_nobody_uses() {
    let mut class = Class::new().await;
    let (used, unused) = (class.log_in().await, class.log_in().await);
    for _ in 0..20 {
        class.clock.advance(DAY);
        assert!(class.find(&used).is_some());
    }
    assert!(class.find(&unused).is_none());
    class.people.save().await.unwrap();
    assert!(has_ended(&unused) && !has_ended(&used));
    class.clock.advance(LIFETIME / 2);
    class.reopen().await;
    assert!(class.find(&used).is_some(), "what was used lately must outlive a restart");
    assert_eq!(class.people.session_count(), 1);
    class.clock.advance(LIFETIME);
    class.reopen().await;
    assert!(class.find(&used).is_none());
}

#[tokio::test]
async fn lives_through_steps_of_the_calendar() {
    let mut class = Class::new().await;
    let session = class.log_in().await;
    let today = class.clock.now();
    for calendar in [today + 365 * DAY, today - 365 * DAY, today] {
        class.clock.set_calendar(calendar);
        assert!(class.find(&session).is_some());
        class.people.save().await.unwrap();
    }
    class.clock.set_calendar(today - 365 * DAY);
    class.reopen().await;
    assert!(class.find(&session).is_some());
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
async fn believes_only_its_own_cookie() {
    let class = Class::new().await;
    class.people.add(&"bob".parse().unwrap(), Some(PASSWORD)).await.unwrap();
    let (ada, bob) = (class.log_in().await, class.people.log_in("bob", PASSWORD, HERE).await.unwrap());
    let text = |session: &NewSession| cookies(session)[COOKIE].to_str().unwrap().to_owned();
    let (ada, bob) = (text(&ada), text(&bob));
    let secure = ada.replace("hubd-session", "__Host-hubd-session");
    let rubbish = format!("hubd-session={}", "x".repeat(43));
    let many = vec![rubbish.as_str(); 7].join("; ");
    let too_many = vec![rubbish.as_str(); 8].join("; ");
    for (cookies, https, expected) in [
        (ada.clone(), false, Some("ada")),
        (format!("a=b; {ada}; c"), false, Some("ada")),
        (format!("{rubbish}; {ada}"), false, Some("ada")),
        (format!("{ada}; {rubbish}"), false, Some("ada")),
        (format!("hubd-session=; hubd-session=%00; {ada}"), false, Some("ada")),
        (format!("{many}; {ada}"), false, Some("ada")),
        (format!("{too_many}; {ada}"), false, None),
        (format!("{ada}; {ada}"), false, Some("ada")),
        (format!("{ada}; {bob}"), false, None),
        (ada.clone(), true, None),
        (secure.clone(), true, Some("ada")),
        (format!("{bob}; {secure}"), true, Some("ada")),
        (secure, false, None),
        (ada.to_uppercase(), false, None),
        (String::new(), false, None),
    ] {
        let headers = HeaderMap::from_iter([(COOKIE, cookies.parse().unwrap())]);
        let found = class.people.sessions().find(&headers, https).map(|session| session.user.to_string());
        assert_eq!(found.as_deref(), expected, "{cookies} https={https}");
    }
}

#[tokio::test]
async fn reads_cookies_that_are_no_text() {
    let class = Class::new().await;
    let session = class.log_in().await;
    let mut headers = cookies(&session);
    headers.append(COOKIE, http::HeaderValue::from_bytes(b"\xff=\xfe; hubd-session=\xff").unwrap());
    assert!(class.people.sessions().find(&headers, false).is_some());
}

#[tokio::test]
async fn sets_a_password_by_link_once() {
    let class = Class::new().await;
    let session = class.log_in().await;
    let link = token(&class.people.new_link(&ada()).await.unwrap());
    for _ in 0..3 {
        assert_eq!(class.people.look_at_link(&link).await.unwrap(), ada());
    }
    assert!(matches!(
        class.people.use_link(&link, "12345678", HERE).await,
        Err(PeopleError::WeakPassword(PasswordProblem::Silly))
    ));
    let begun = class.people.use_link(&link, "a new password", HERE).await.unwrap();
    assert_eq!(begun.session.user, ada());
    assert!(has_ended(&session), "sessions of the old password end");
    assert!(matches!(class.people.use_link(&link, "another password", HERE).await, Err(PeopleError::LinkOver)));
    assert!(class.people.log_in("ada", "a new password", HERE).await.is_ok());
}

#[tokio::test]
async fn ends_a_link_after_a_day_by_a_newer_one_and_by_blocking() {
    let class = Class::new().await;
    let first = token(&class.people.new_link(&ada()).await.unwrap());
    let second = token(&class.people.new_link(&ada()).await.unwrap());
    let over = async |link| matches!(class.people.look_at_link(link).await, Err(PeopleError::LinkOver));
    assert!(over(&first).await && !over(&second).await);
    class.people.set_blocked(&ada(), true).await.unwrap();
    assert!(over(&second).await);
    assert!(matches!(class.people.use_link(&second, "a new password", HERE).await, Err(PeopleError::LinkOver)));
    class.people.set_blocked(&ada(), false).await.unwrap();
    class.clock.advance(DAY - Duration::from_secs(1));
    assert!(!over(&second).await);
    class.clock.advance(Duration::from_secs(1));
    assert!(over(&second).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_one_of_fifty_win_a_link() {
    let class = Class::new().await;
    let link = token(&class.people.new_link(&ada()).await.unwrap());
    let attempts = (0..50).map(|number| {
        let (people, link) = (class.people.clone(), link.clone());
        tokio::spawn(async move { people.use_link(&link, &format!("password number {number}"), HERE).await.map(drop) })
    });
    let mut winners = Vec::new();
    for (number, attempt) in futures_util::future::join_all(attempts).await.into_iter().enumerate() {
        match attempt.unwrap() {
            Ok(()) => winners.push(number),
            Err(error) => assert!(matches!(error, PeopleError::LinkOver), "{error:?}"),
        }
    }
    let [winner] = winners[..] else { panic!("{winners:?} won") };
    assert!(class.people.log_in("ada", &format!("password number {winner}"), ELSEWHERE).await.is_ok());
}

#[tokio::test]
async fn stops_guessing_and_goes_on_after_a_pause() {
    let class = Class::new().await;
    for _ in 0..10 {
        assert!(matches!(class.people.log_in("ada", "wrong password", HERE).await, Err(LoginError::Wrong)));
    }
    for _ in 0..990 {
        let refused = class.people.log_in("ada", "wrong password", HERE).await;
        assert!(matches!(refused, Err(LoginError::TooMany(wait)) if wait == Duration::from_secs(30)));
    }
    assert!(matches!(class.people.log_in("ada", PASSWORD, HERE).await, Err(LoginError::TooMany(_))));
    assert!(class.people.log_in("ada", PASSWORD, ELSEWHERE).await.is_ok(), "nobody is locked out from elsewhere");
    class.clock.advance(Duration::from_secs(30));
    assert!(class.people.log_in("ada", PASSWORD, HERE).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_check_more_guesses_when_they_come_all_at_once() {
    let class = Class::new().await;
    let guesses = (0..200).map(|_| {
        let people = class.people.clone();
        tokio::spawn(async move { people.log_in("ada", "wrong password", HERE).await.map(drop) })
    });
    let results = futures_util::future::join_all(guesses).await;
    let checked = results.iter().filter(|result| matches!(result, Ok(Err(LoginError::Wrong)))).count();
    let refused = results.iter().filter(|result| matches!(result, Ok(Err(LoginError::TooMany(_))))).count();
    assert_eq!(checked + refused, 200);
    let parallel = std::thread::available_parallelism().unwrap().get();
    assert!((10..=10 + parallel).contains(&checked), "{checked} were checked");
}

#[tokio::test]
async fn remembers_after_a_restart_where_people_come_from() {
    let mut class = Class::new().await;
    class.log_in().await;
    class.reopen().await;
    for number in 0..200 {
        let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, number));
        class.people.inner.throttle.failed(stranger, "ada", class.clock.elapsed());
    }
    assert!(matches!(class.people.log_in("ada", PASSWORD, ELSEWHERE).await, Err(LoginError::TooMany(_))));
    assert!(class.people.log_in("ada", PASSWORD, HERE).await.is_ok());
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
                 INSERT INTO sessions VALUES (x'00', 'bob', 0, 0, '192.0.2.1');
                 INSERT INTO sessions VALUES (zeroblob(32), '../etc', 0, 0, '192.0.2.1');
                 INSERT INTO sessions VALUES (randomblob(32), 'bob', 0, 0, 'nowhere');
                 INSERT INTO links VALUES ('Ada', x'00', 9223372036854775807);",
            )
        })
        .await
        .unwrap();
    class.reopen().await;
    let names: Vec<String> = class.people.list().await.unwrap().into_iter().map(|person| person.name.to_string()).collect();
    assert_eq!(names, ["ada", "bob"]);
    assert!(class.find(&session).is_some());
    assert!(matches!(class.people.log_in("bob", PASSWORD, HERE).await, Err(LoginError::Internal(_))));
    class.people.set_password(&"bob".parse().unwrap(), "a new password").await.unwrap();
    assert!(class.people.log_in("bob", "a new password", HERE).await.is_ok());
}

#[tokio::test]
async fn keeps_the_latest_sessions_of_a_person() {
    let class = Class::new().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        class.clock.advance(Duration::from_secs(1));
        sessions.push(class.log_in().await);
    }
    let oldest = sessions[0].session.id().0;
    let dropped = class
        .people
        .inner
        .store
        .run(|connection| {
            let password: String = connection.query_row("SELECT password FROM people", [], |row| row.get(0))?;
            let row = crate::store::sessions::SessionRow { id: [7; 32], name: ada(), created: i64::MAX, last_seen: i64::MAX, source: HERE };
            let transaction = connection.transaction()?;
            crate::store::sessions::add(&transaction, &row, &password, 3)
        })
        .await
        .unwrap();
    assert_eq!(dropped, Some(vec![oldest]));
}

#[tokio::test]
async fn begins_no_session_for_a_password_that_was_just_replaced() {
    let class = Class::new().await;
    let stored = |people: &People| {
        let store = people.inner.store.clone();
        async move { store.run(|connection| people::find(connection, &ada())).await.unwrap().unwrap().password.unwrap() }
    };
    let old = stored(&class.people).await;
    class.people.set_password(&ada(), "a new password").await.unwrap();
    assert!(class.people.begin(ada(), old, HERE).await.unwrap().is_none());
    let new = stored(&class.people).await;
    assert!(class.people.begin(ada(), new, HERE).await.unwrap().is_some());
}

#[tokio::test]
async fn keeps_hashes_few_at_a_time() {
    let hasher = Hasher::new(2);
    let slots = (hasher.slot().await.unwrap(), hasher.slot().await.unwrap());
    let mut third = Box::pin(hasher.slot());
    assert!(third.as_mut().now_or_never().is_none());
    drop(slots);
    assert!(third.await.is_ok());
}
