//! How sessions live and end.

use futures_util::FutureExt;

use super::*;

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
async fn believes_only_its_own_cookie() {
    let class = Class::new().await;
    class.people.add(&"bob".parse().unwrap(), Some(PASSWORD), &Maker::Host).await.unwrap();
    let (ada, bob) = (class.log_in().await, class.people.log_in("bob", PASSWORD, HERE).await.unwrap());
    let text = |session: &NewSession| cookies(session)[COOKIE].to_str().unwrap().to_owned();
    let (ada, bob) = (text(&ada), text(&bob));
    let secure = ada.replace("hubd-session", "__Host-hubd-session");
    let rubbish = format!("hubd-session={}", "x".repeat(43));
    let many = [rubbish.as_str(); 7].join("; ");
    let too_many = [rubbish.as_str(); 8].join("; ");
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
            let row = crate::store::sessions::SessionRow {
                id: [7; 32],
                name: ada(),
                created: i64::MAX,
                last_seen: i64::MAX,
                source: HERE,
                rank: None,
            };
            let transaction = connection.transaction()?;
            crate::store::sessions::add(&transaction, &row, &password, 3)
        })
        .await
        .unwrap();
    assert_eq!(dropped, Some(vec![oldest]));
}

/// The browser that logs out may be gone before the database has its turn.
#[tokio::test]
async fn stores_the_end_of_a_session_even_when_nobody_waits_for_it() {
    let mut class = Class::new().await;
    let session = class.log_in().await;
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let store = class.people.inner.store.clone();
    let busy = tokio::spawn(async move {
        let work = store.run(move |_| {
            begun.blocking_send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok(())
        });
        work.await
    });
    has_begun.recv().await.unwrap();
    assert!(class.people.log_out(&session.session).now_or_never().is_none());
    assert!(has_ended(&session));
    go_on.send(()).unwrap();
    busy.await.unwrap().unwrap();
    class.people.save().await.unwrap();
    class.reopen().await;
    assert!(class.find(&session).is_none());
}
