//! One-time links.

use super::*;

#[tokio::test]
async fn sets_a_password_by_link_once() {
    let class = Class::new().await;
    let session = class.log_in().await;
    let link = token(&class.people.new_link(&ada(), &Maker::Host).await.unwrap());
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
    let first = token(&class.people.new_link(&ada(), &Maker::Host).await.unwrap());
    let second = token(&class.people.new_link(&ada(), &Maker::Host).await.unwrap());
    let over = async |link| matches!(class.people.look_at_link(link).await, Err(PeopleError::LinkOver));
    assert!(over(&first).await && !over(&second).await);
    class.people.set_blocked(&ada(), true).await.unwrap();
    assert!(matches!(class.people.look_at_link(&second).await, Err(PeopleError::Blocked)));
    assert!(matches!(class.people.use_link(&second, "a new password", HERE).await, Err(PeopleError::Blocked)));
    class.people.set_blocked(&ada(), false).await.unwrap();
    class.clock.advance(DAY - Duration::from_secs(1));
    assert!(!over(&second).await);
    class.clock.advance(Duration::from_secs(1));
    assert!(over(&second).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_one_of_fifty_win_a_link() {
    let class = Class::new().await;
    let link = token(&class.people.new_link(&ada(), &Maker::Host).await.unwrap());
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
