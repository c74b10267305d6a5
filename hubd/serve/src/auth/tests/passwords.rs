//! Getting in by password, and not by guessing.

use futures_util::FutureExt;

use super::*;

#[tokio::test]
async fn lets_in_by_the_right_password_only() {
    let class = Class::new().await;
    class.people.add(&"bob".parse().unwrap(), None, &Maker::Host).await.unwrap();
    let longer = format!("{PASSWORD} and more");
    for (name, password) in
        [("ada", "wrong password"), ("ada", &longer), ("eve", PASSWORD), ("bob", PASSWORD), ("../ada", PASSWORD), ("", PASSWORD)]
    {
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
    class.people.set_password(&ada(), &long, &Maker::Host).await.unwrap();
    let almost = format!("{}x", &long[..1022]);
    assert!(matches!(class.people.log_in("ada", &almost, HERE).await, Err(LoginError::Wrong)));
    assert!(class.people.log_in("ada", &long, HERE).await.is_ok());
}

#[tokio::test]
async fn changes_a_password_and_ends_what_the_old_one_gave() {
    let class = Class::new().await;
    let (here, there) = (class.log_in().await, class.log_in().await);
    let link = class.people.new_link(&ada(), &Maker::Host).await.unwrap();
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
        tokio::spawn(async move {
            // Who is told that the line is full comes again.
            loop {
                match people.log_in("ada", "wrong password", HERE).await {
                    Err(LoginError::Busy(_)) => tokio::task::yield_now().await,
                    outcome => return outcome.map(drop),
                }
            }
        })
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
    assert!(class.people.log_in("ada", PASSWORD, HERE).await.is_ok());
    let verdict = class.people.inner.throttle.ask(ELSEWHERE, "ada", class.clock.elapsed(), false);
    assert_eq!(verdict, crate::auth::throttle::Verdict::Slow(Duration::from_secs(10)));
}

#[tokio::test]
async fn knows_a_browser_again_after_a_restart() {
    let mut class = Class::new().await;
    let cookie = class.people.browser_cookie(&HeaderMap::new(), false, &ada()).unwrap();
    let headers = HeaderMap::from_iter([(COOKIE, cookie.split(';').next().unwrap().parse().unwrap())]);
    let origin = class.people.origin(HERE, &headers, false, "ada");
    assert!(origin.browser.is_some() && class.people.origin(HERE, &headers, false, "bob").browser.is_none());
    class.reopen().await;
    assert_eq!(class.people.origin(HERE, &headers, false, "ada"), origin);
}

#[tokio::test]
async fn begins_no_session_for_a_password_that_was_just_replaced() {
    let verified = |hash| super::super::login::Verified { name: ada(), hash, role: Role::Student };
    let class = Class::new().await;
    let stored = |people: &People| {
        let store = people.inner.store.clone();
        async move { store.run(|connection| people::find(connection, &ada())).await.unwrap().unwrap().password.unwrap() }
    };
    let old = stored(&class.people).await;
    class.people.set_password(&ada(), "a new password", &Maker::Host).await.unwrap();
    assert!(class.people.begin(verified(old), HERE).await.unwrap().is_none());
    let new = stored(&class.people).await;
    assert!(class.people.begin(verified(new), HERE).await.unwrap().is_some());
}

#[tokio::test]
async fn keeps_hashes_few_at_a_time() {
    let hasher = Hasher::new(2, Cost::CHEAP);
    let slots = (hasher.slot().await.unwrap(), hasher.slot().await.unwrap());
    let mut third = Box::pin(hasher.slot());
    assert!(third.as_mut().now_or_never().is_none());
    drop(slots);
    assert!(third.await.is_ok());
}

/// Right passwords are not throttled, and must not fill the line.
#[tokio::test]
async fn lets_few_wait_for_one_account_from_one_place() {
    let hasher = Hasher::new(1, Cost::CHEAP);
    let slot = hasher.slot().await.unwrap();
    let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(hasher.line().place_for("eve", HERE))).collect();
    for one in &mut waiting {
        assert!(one.as_mut().now_or_never().is_none());
    }
    assert!(matches!(hasher.line().place_for("eve", HERE).now_or_never(), Some(Err(_))));
    for (name, place) in [("eve", ELSEWHERE), ("ada", HERE)] {
        assert!(hasher.line().place_for(name, place).now_or_never().is_none(), "{name} {place}");
    }
    drop((waiting, slot));
    assert!(hasher.line().place_for("eve", HERE).await.is_ok());
}

/// Forty people behind one address who all come at once, fifteen of them with a typo first.
#[tokio::test(flavor = "multi_thread")]
async fn lets_a_whole_classroom_in() {
    let class = Class::new().await;
    let names: Vec<String> = (0..40).map(|number| format!("student{number}")).collect();
    let enrol = names.clone();
    let enrolled = class.people.inner.store.run(move |connection| {
        for name in &enrol {
            connection.execute(
                "INSERT INTO people (name, password, added) SELECT ?1, password, 0 FROM people WHERE name = 'ada'",
                [name],
            )?;
        }
        Ok(())
    });
    enrolled.await.unwrap();
    let arrivals = names.into_iter().enumerate().map(|(number, name)| {
        let people = class.people.clone();
        tokio::spawn(async move {
            if number < 15 {
                let mistyped = people.log_in(&name, "corect horse", HERE).await.map(drop);
                assert!(matches!(mistyped, Err(LoginError::Wrong)), "{name}: {mistyped:?}");
            }
            people.log_in(&name, PASSWORD, HERE).await.map(|begun| begun.session.user.to_string() == name)
        })
    });
    for arrival in futures_util::future::join_all(arrivals).await {
        assert!(arrival.unwrap().unwrap());
    }
    assert_eq!(class.people.session_count(), 40);
}
