//! API tokens: what ends one, and that wrong ones are in nobody's way.

use hub_core::control::tokens::Scope;

use super::*;

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

fn otto() -> Maker {
    Maker::Person(name("otto"), Role::Admin)
}

fn operator() -> Maker {
    Maker::Operator("opal".to_owned())
}

/// otto is an administrator, opal an operator.
fn usual() -> Policy {
    Policy { operators: ["opal".to_owned()].into(), ..with_roles(&[("otto", Role::Admin)]) }
}

async fn class() -> Class {
    let class = Class::new().await;
    class.people.add(&name("otto"), Some(PASSWORD), &Maker::Host).await.unwrap();
    class.people.set_policy(usual());
    class
}

async fn make(class: &Class, maker: &Maker) -> Token {
    class.people.make_token(maker, vec![Scope::Servers], "test".to_owned(), None).await.unwrap().0
}

async fn works(class: &Class, token: &Token) -> bool {
    match class.people.holder(token.as_str(), HERE).await {
        Ok(_) => true,
        Err(NoToken::Wrong) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_its_maker_s_with_its_scopes_and_what_comes_with_them() {
    let mut class = class().await;
    for (maker, giver) in
        [(Maker::Host, None), (otto(), Some(Giver::Person(name("otto")))), (operator(), Some(Giver::Operator("opal".to_owned())))]
    {
        let token = make(&class, &maker).await;
        let holder = class.people.holder(token.as_str(), HERE).await.unwrap();
        assert_eq!(holder.maker, giver);
        assert!(holder.may(Scope::StartServers) && holder.may(Scope::ReadServers));
        assert!(!holder.may(Scope::ListUsers) && !holder.may(Scope::AdminServers) && !holder.may(Scope::ReadMetrics));
    }
    let host = make(&class, &Maker::Host).await;
    class.reopen().await;
    assert!(works(&class, &host).await, "after a restart");
}

#[tokio::test]
async fn only_the_hash_is_stored() {
    let class = class().await;
    let token = make(&class, &Maker::Host).await;
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(class.directory.path()).unwrap() {
        stored.extend(std::fs::read(entry.unwrap().path()).unwrap_or_default());
    }
    let has = |wanted: &[u8]| stored.windows(wanted.len()).any(|window| window == wanted);
    assert!(has(&token.hash().0), "the test looks at the wrong files");
    assert!(!has(token.as_str().as_bytes()));
}

#[tokio::test]
async fn a_token_ends_at_its_time_and_when_it_is_revoked() {
    let class = class().await;
    let (short, row) =
        class.people.make_token(&otto(), vec![Scope::ListUsers], String::new(), Some(Duration::from_secs(60))).await.unwrap();
    assert_eq!(row.expires, Some(row.created + 60));
    let (long, row) = class.people.make_token(&otto(), vec![Scope::ListUsers], String::new(), None).await.unwrap();
    class.clock.advance(Duration::from_secs(59));
    assert!(works(&class, &short).await);
    class.clock.advance(Duration::from_secs(1));
    assert!(!works(&class, &short).await && works(&class, &long).await);
    assert!(class.people.revoke_token(row.id).await.unwrap());
    assert!(!class.people.revoke_token(row.id).await.unwrap(), "there is none any more");
    assert!(!works(&class, &long).await);
}

#[tokio::test]
async fn a_token_falls_for_good_with_the_right_of_its_maker() {
    for (maker, lost) in [
        (otto(), Policy { operators: ["opal".to_owned()].into(), ..with_roles(&[("otto", Role::Teacher)]) }),
        (otto(), Policy { blocked: [name("otto")].into(), ..usual() }),
        (operator(), with_roles(&[("otto", Role::Admin)])),
    ] {
        let class = class().await;
        let (token, hosts) = (make(&class, &maker).await, make(&class, &Maker::Host).await);
        class.people.set_policy(lost);
        assert!(!works(&class, &token).await, "{maker:?}: at once");
        class.people.revoke_grants().await.unwrap();
        class.people.set_policy(usual());
        assert!(!works(&class, &token).await, "{maker:?}: a right that is given again does not bring it back");
        assert!(works(&class, &hosts).await);
        assert_eq!(class.people.tokens().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_token_falls_for_good_with_a_maker_who_is_blocked_or_removed() {
    for removed in [false, true] {
        let class = class().await;
        let token = make(&class, &otto()).await;
        if removed {
            assert!(class.people.remove(&name("otto")).await.unwrap());
            class.people.add(&name("otto"), Some(PASSWORD), &Maker::Host).await.unwrap();
        } else {
            class.people.set_blocked(&name("otto"), true).await.unwrap();
            assert!(!works(&class, &token).await);
            class.people.set_blocked(&name("otto"), false).await.unwrap();
        }
        assert!(!works(&class, &token).await, "removed: {removed}");
        assert!(class.people.tokens().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_token_falls_with_whoever_let_its_maker_in() {
    let class = class().await;
    let both = with_roles(&[("otto", Role::Admin), ("rhea", Role::Admin)]);
    class.people.add(&name("rhea"), Some(PASSWORD), &otto()).await.unwrap();
    class.people.set_policy(both);
    let token = make(&class, &Maker::Person(name("rhea"), Role::Admin)).await;
    assert!(works(&class, &token).await);
    // otto knows rhea's password, and may have made the token himself.
    class.people.set_policy(with_roles(&[("rhea", Role::Admin)]));
    class.people.revoke_grants().await.unwrap();
    assert!(!works(&class, &token).await);
}

#[tokio::test]
async fn whoever_is_kept_out_makes_none() {
    let class = class().await;
    class.people.set_blocked(&name("otto"), true).await.unwrap();
    for maker in [otto(), Maker::Person(name("nobody"), Role::Admin)] {
        let made = class.people.make_token(&maker, vec![Scope::ListUsers], String::new(), None).await;
        assert!(matches!(made, Err(NoToken::Wrong)), "{maker:?}");
    }
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_right_ones_are_not() {
    let class = class().await;
    let right = make(&class, &Maker::Host).await;
    let mut refused = 0;
    for number in 0..60 {
        let wrong = if number % 2 == 0 { Token::random().unwrap().as_str().to_owned() } else { "no token".to_owned() };
        match class.people.holder(&wrong, HERE).await {
            Err(NoToken::TooMany(wait)) => {
                assert!(!wait.is_zero());
                refused += 1;
            }
            Err(NoToken::Wrong) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(refused >= 20, "{refused}");
    assert!(works(&class, &right).await, "from the same address");
    assert!(matches!(class.people.holder("no token", ELSEWHERE).await, Err(NoToken::Wrong)), "from elsewhere");
    assert!(class.people.log_in("ada", PASSWORD, HERE).await.is_ok(), "whoever logs in there is not slowed down");
}

#[tokio::test]
async fn it_is_known_when_a_token_was_used_last() {
    let class = class().await;
    let token = make(&class, &Maker::Host).await;
    let last = async || class.people.tokens().await.unwrap()[0].last_used;
    assert_eq!(last().await, None);
    assert!(works(&class, &token).await);
    let first = last().await;
    assert_eq!(first, Some(seconds(class.clock.now())));
    class.clock.advance(Duration::from_secs(59));
    assert!(works(&class, &token).await);
    assert_eq!(last().await, first, "not written at each use");
    class.clock.advance(Duration::from_secs(1));
    assert!(works(&class, &token).await);
    assert_eq!(last().await, Some(seconds(class.clock.now())));
}
