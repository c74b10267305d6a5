//! Links and passwords that one person gives another, after the roles of either have changed.

use super::*;

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

/// tess is a teacher, root an administrator of the hub, and bob a student for whom each of them may make links.
const ROLES: [(&str, Role); 2] = [("tess", Role::Teacher), ("otto", Role::Admin)];

fn maker(of: &str) -> Maker {
    let role = ROLES.iter().find(|(name, _)| *name == of).unwrap().1;
    Maker::Person(name(of), role)
}

async fn class() -> Class {
    let class = Class::new().await;
    for one in ["tess", "otto", "bob"] {
        class.people.add(&name(one), Some(PASSWORD), &Maker::Host).await.unwrap();
    }
    class.people.set_policy(with_roles(&ROLES));
    class
}

async fn is_revoked(class: &Class, link: &Token) -> bool {
    let looked = class.people.look_at_link(link).await;
    let used = class.people.use_link(link, "a new password", HERE).await;
    match (looked, used) {
        (Err(PeopleError::LinkRevoked), Err(PeopleError::LinkRevoked)) => true,
        (Ok(_), Ok(_)) => false,
        (looked, used) => panic!("looking: {looked:?}, using: {:?}", used.map(drop)),
    }
}

#[tokio::test]
async fn a_teachers_link_is_not_one_to_become_an_administrator() {
    for (rises_to, revoked) in [(Role::Helper, false), (Role::Teacher, true), (Role::Admin, true)] {
        let class = class().await;
        let link = token(&class.people.new_link(&name("bob"), &maker("tess")).await.unwrap());
        class.people.set_policy(with_roles(&[ROLES[0], ROLES[1], ("bob", rises_to)]));
        assert_eq!(is_revoked(&class, &link).await, revoked, "{rises_to}");
    }
}

#[tokio::test]
async fn a_link_is_worth_what_its_maker_was_when_it_was_made() {
    let class = class().await;
    let link = token(&class.people.new_link(&name("bob"), &maker("tess")).await.unwrap());
    class.people.set_policy(with_roles(&[("tess", Role::Admin), ROLES[1], ("bob", Role::Admin)]));
    assert!(is_revoked(&class, &link).await, "tess is an administrator by now, and was none then");
}

#[tokio::test]
async fn the_links_of_administrators_and_of_the_host_work_whatever_somebody_becomes() {
    for maker in [maker("otto"), Maker::Host] {
        let class = class().await;
        let link = token(&class.people.new_link(&name("bob"), &maker).await.unwrap());
        class.people.set_policy(with_roles(&[ROLES[1], ("bob", Role::Admin)]));
        assert!(!is_revoked(&class, &link).await, "{maker:?}");
    }
}

#[tokio::test]
async fn a_link_falls_with_the_right_of_its_maker() {
    for (now, revoked) in [(&[][..], true), (&[("otto", Role::Helper)], true), (&[("otto", Role::Teacher)], false)] {
        let class = class().await;
        let link = token(&class.people.new_link(&name("bob"), &maker("otto")).await.unwrap());
        class.people.set_policy(with_roles(now));
        assert_eq!(is_revoked(&class, &link).await, revoked, "{now:?}");
    }
    let class = class().await;
    let link = token(&class.people.new_link(&name("bob"), &maker("otto")).await.unwrap());
    class.people.set_policy(Policy { blocked: HashSet::from([name("otto")]), ..with_roles(&ROLES) });
    assert!(is_revoked(&class, &link).await, "the configuration keeps its maker out");
}

#[tokio::test]
async fn a_link_falls_for_good_with_a_maker_who_is_blocked_or_removed() {
    let class = class().await;
    let link = token(&class.people.new_link(&name("bob"), &maker("tess")).await.unwrap());
    class.people.set_blocked(&name("tess"), true).await.unwrap();
    class.people.set_blocked(&name("tess"), false).await.unwrap();
    assert!(is_revoked(&class, &link).await, "tess was blocked for a while");

    let link = token(&class.people.new_link(&name("bob"), &maker("tess")).await.unwrap());
    class.people.remove(&name("tess")).await.unwrap();
    assert!(is_revoked(&class, &link).await, "tess is gone");
    class.people.add(&name("tess"), Some(PASSWORD), &Maker::Host).await.unwrap();
    assert!(is_revoked(&class, &link).await, "another tess came");
}

#[tokio::test]
async fn a_right_that_is_given_again_does_not_bring_its_links_back() {
    let mut class = class().await;
    let link = token(&class.people.new_link(&name("bob"), &maker("tess")).await.unwrap());
    let owner = async |class: &Class| class.people.open_links().await.unwrap();
    assert_eq!(owner(&class).await, [(name("bob"), OpenLink { maker: Some(name("tess")), expires: class.clock.now() + DAY })]);
    class.people.set_policy(policy());
    class.people.revoke_grants().await.unwrap();
    class.people.set_policy(with_roles(&ROLES));
    assert!(is_revoked(&class, &link).await);
    assert_eq!(owner(&class).await, []);
    // The hub was down while it happened.
    let link = token(&class.people.new_link(&name("bob"), &maker("tess")).await.unwrap());
    class.reopen().await;
    class.people.set_policy(with_roles(&ROLES));
    assert!(is_revoked(&class, &link).await);
}

#[tokio::test]
async fn a_password_from_a_teacher_is_not_one_of_an_administrator() {
    let class = class().await;
    class.people.add(&name("cleo"), Some(PASSWORD), &maker("tess")).await.unwrap();
    let link = token(&class.people.new_link(&name("bob"), &maker("tess")).await.unwrap());
    class.people.use_link(&link, PASSWORD, HERE).await.unwrap();
    for one in ["bob", "cleo"] {
        class.people.change_password(&name(one), PASSWORD, "a new password", HERE).await.unwrap();
        class.people.set_policy(with_roles(&ROLES));
        assert!(class.people.log_in(one, "a new password", HERE).await.is_ok());
        class.people.set_policy(with_roles(&[(one, Role::Admin)]));
        assert!(matches!(class.people.log_in(one, "a new password", HERE).await, Err(LoginError::Outranked)), "{one}");
        assert!(matches!(class.people.log_in(one, "wrong password", HERE).await, Err(LoginError::Wrong)), "{one}");
        assert_eq!(class.people.without_valid_password().await.unwrap(), [name(one)]);
        let link = token(&class.people.new_link(&name(one), &Maker::Host).await.unwrap());
        class.people.use_link(&link, PASSWORD, HERE).await.unwrap();
        assert!(class.people.log_in(one, PASSWORD, HERE).await.is_ok(), "{one}, with a link from the host");
    }
}

#[tokio::test]
async fn a_session_from_before_somebody_rose_is_not_an_administrators() {
    let mut class = Class::new().await;
    let session = class.log_in().await;
    class.people.set_policy(with_roles(&[("ada", Role::Admin)]));
    assert!(has_ended(&session) && class.find(&session).is_none());
    let risen = class.log_in().await;
    class.people.set_policy(policy());
    class.people.set_policy(with_roles(&[("ada", Role::Admin)]));
    assert!(!has_ended(&risen), "it is an administrator's from its begin");
    // The hub was down while ada rose.
    class.people.set_policy(policy());
    let session = class.log_in().await;
    class.people.save().await.unwrap();
    let people = People::open_with(&class.database(), with_roles(&[("ada", Role::Helper)]), Clock::manual(), Cost::CHEAP).await;
    class.people = people.unwrap();
    assert!(class.find(&session).is_none() && class.find(&risen).is_some());
}

async fn gets_in(class: &Class, who: &str) -> bool {
    match class.people.log_in(who, PASSWORD, HERE).await {
        Ok(_) => true,
        Err(LoginError::Outranked) => false,
        Err(error) => panic!("{who}: {error:?}"),
    }
}

/// bob uses a link of `maker`'s, cleo has a password that `maker` chose.
async fn with_gifts(maker: &Maker) -> Class {
    let class = class().await;
    class.people.set_policy(Policy { operators: HashSet::from(["opal".to_owned()]), ..with_roles(&ROLES) });
    class.people.add(&name("cleo"), Some(PASSWORD), maker).await.unwrap();
    let link = token(&class.people.new_link(&name("bob"), maker).await.unwrap());
    class.people.use_link(&link, PASSWORD, HERE).await.unwrap();
    class
}

#[tokio::test]
async fn a_password_falls_with_the_right_of_its_maker_and_students_stay_students() {
    let operators = HashSet::from(["opal".to_owned()]);
    let opal = Maker::Operator("opal".to_owned());
    for (maker, without) in [(maker("otto"), &[][..]), (opal, &ROLES[..]), (maker("otto"), &[("otto", Role::Teacher)][..])] {
        let above = |who| Policy { operators: operators.clone(), ..with_roles(&[ROLES[0], ROLES[1], (who, Role::Admin)]) };
        for who in ["bob", "cleo"] {
            let mut class = with_gifts(&maker).await;
            class.people.set_policy(above(who));
            let session = class.people.log_in(who, PASSWORD, HERE).await.unwrap();
            let roles: Vec<_> = without.iter().copied().chain([(who, Role::Admin)]).collect();
            class.people.set_policy(with_roles(&roles));
            assert!(!gets_in(&class, who).await, "{who}, from {maker:?}");
            assert_eq!(class.people.without_valid_password().await.unwrap(), [name(who)]);
            class.people.revoke_grants().await.unwrap();
            assert!(has_ended(&session), "{who}, who got in with a password from {maker:?}");
            class.people.set_policy(above(who));
            assert!(!gets_in(&class, who).await, "{who}, from {maker:?}, who was given the right again");
            class.people.set_policy(policy());
            assert!(gets_in(&class, who).await, "{who}, a student with a password from {maker:?}");
            class.reopen().await;
            class.people.set_policy(above(who));
            assert!(!gets_in(&class, who).await, "{who}, after a restart");
        }
    }
}

#[tokio::test]
async fn the_links_of_an_operator_fall_with_the_operator() {
    let class = class().await;
    let opal = Maker::Operator("opal".to_owned());
    let policy = |operators: &[&str]| Policy {
        operators: operators.iter().map(ToString::to_string).collect(),
        ..with_roles(&[("bob", Role::Admin)])
    };
    for (now, revoked) in [(&["opal"][..], false), (&["others"], true)] {
        class.people.set_policy(policy(&["opal"]));
        let link = token(&class.people.new_link(&name("bob"), &opal).await.unwrap());
        assert_eq!(class.people.open_links().await.unwrap()[0].1.maker, None);
        class.people.set_policy(policy(now));
        assert_eq!(is_revoked(&class, &link).await, revoked, "{now:?}");
    }
}

#[tokio::test]
async fn nobody_makes_their_password_better_by_giving_it_to_themselves() {
    let class = with_gifts(&maker("otto")).await;
    let roles = [ROLES[1], ("bob", Role::Admin), ("cleo", Role::Admin)];
    class.people.set_policy(with_roles(&roles));
    let own = |who: &str| Maker::Person(name(who), Role::Admin);
    let link = token(&class.people.new_link(&name("bob"), &own("bob")).await.unwrap());
    class.people.use_link(&link, PASSWORD, HERE).await.unwrap();
    class.people.set_password(&name("cleo"), PASSWORD, &own("cleo")).await.unwrap();
    assert!(gets_in(&class, "bob").await && gets_in(&class, "cleo").await);
    class.people.set_policy(with_roles(&roles[1..]));
    assert!(!gets_in(&class, "bob").await && !gets_in(&class, "cleo").await);
}

#[tokio::test]
async fn whoever_throws_out_the_maker_of_their_password_stays_in_and_nobody_else() {
    for remove in [false, true] {
        let class = with_gifts(&maker("otto")).await;
        class.people.set_policy(with_roles(&[ROLES[1], ("bob", Role::Admin), ("cleo", Role::Admin)]));
        let session = class.people.log_in("bob", PASSWORD, HERE).await.unwrap();
        let others = class.people.log_in("cleo", PASSWORD, HERE).await.unwrap();
        class.people.adopt_password(&name("bob"), &name("otto")).await.unwrap();
        if remove {
            class.people.remove(&name("otto")).await.unwrap();
        } else {
            class.people.set_blocked(&name("otto"), true).await.unwrap();
        }
        assert!(!has_ended(&session) && gets_in(&class, "bob").await);
        assert!(has_ended(&others) && !gets_in(&class, "cleo").await);
    }
}

#[tokio::test]
async fn a_password_that_was_replaced_meanwhile_changes_nothing() {
    let class = class().await;
    let bob = name("bob");
    let (_, set) = tokio::join!(
        class.people.change_password(&bob, PASSWORD, "an intruder's choice", HERE),
        class.people.set_password(&bob, "what root has set", &Maker::Host)
    );
    set.unwrap();
    assert!(class.people.log_in("bob", "what root has set", HERE).await.is_ok());
}
