//! What was taken away while the database can't be written.

use super::*;

/// From now on the database takes nothing, as on a full disk.
async fn stop_writing(class: &Class) {
    class.people.inner.store.run(|connection| connection.pragma_update(None, "query_only", true)).await.unwrap();
}

#[tokio::test]
async fn a_logout_that_could_not_be_stored_is_one_after_a_kill() {
    let mut class = Class::new().await;
    let begun = class.log_in().await;
    stop_writing(&class).await;
    class.people.log_out(&begun.session).await.unwrap();
    class.reopen().await;
    assert!(class.find(&begun).is_none(), "the logout came undone");
    assert_eq!(class.people.inner.store.revoked().all(), [], "the database knows by now");
    class.reopen().await;
    assert!(class.find(&begun).is_none());
}

#[tokio::test]
async fn a_block_that_could_not_be_stored_holds_at_once_and_after_a_kill() {
    let mut class = Class::new().await;
    let begun = class.log_in().await;
    stop_writing(&class).await;
    class.people.set_blocked(&ada(), true).await.unwrap();
    assert!(has_ended(&begun));
    assert!(matches!(class.people.log_in("ada", PASSWORD, HERE).await, Err(LoginError::Blocked)));
    assert!(class.people.find(&ada()).await.unwrap().unwrap().blocked);
    class.reopen().await;
    assert!(matches!(class.people.log_in("ada", PASSWORD, HERE).await, Err(LoginError::Blocked)));
    assert_eq!((class.people.inner.store.revoked().all(), class.people.sessions().held()), (vec![], vec![]));
    class.people.set_blocked(&ada(), false).await.unwrap();
    class.people.log_in("ada", PASSWORD, HERE).await.unwrap();
}

#[tokio::test]
async fn nobody_unknown_is_kept_out() {
    let class = Class::new().await;
    stop_writing(&class).await;
    let error = class.people.set_blocked(&"nobody".parse().unwrap(), true).await.unwrap_err();
    assert!(matches!(error, PeopleError::Unknown(_)), "{error}");
    assert!(class.people.inner.store.revoked().all().is_empty() && class.people.sessions().held().is_empty());
}

#[tokio::test]
async fn the_right_password_lets_in_while_nothing_can_be_stored() {
    let class = Class::new().await;
    stop_writing(&class).await;
    let begun = class.log_in().await;
    assert!(class.find(&begun).is_some());
    assert!(matches!(class.people.log_in("ada", "another password", HERE).await, Err(LoginError::Wrong)));
}
