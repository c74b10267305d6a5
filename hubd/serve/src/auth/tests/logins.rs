//! Who somebody is whom a provider vouches for.

use hub_core::config::{Claims, Provider};

use super::*;
use crate::auth::{NotIn, NotLinked, Profile, Vouched};

fn provider() -> Provider {
    Provider {
        title: "School".to_owned(),
        issuer: "https://id.school.example".to_owned(),
        client_id: "hub".to_owned(),
        client_secret_file: None,
        scopes: Vec::new(),
        username_claim: "preferred_username".to_owned(),
        groups_claim: "groups".to_owned(),
        allow_domains: None,
        allow_groups: None,
        enrol: false,
    }
}

/// One that enrols whoever is of the school.
fn enrolling() -> Provider {
    Provider { allow_groups: Some(vec!["school".to_owned()]), enrol: true, ..provider() }
}

fn claims(subject: &str, username: &str) -> Claims {
    Claims {
        subject: subject.to_owned(),
        username: Some(username.to_owned()),
        groups: vec!["school".to_owned()],
        ..Claims::default()
    }
}

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

impl Class {
    /// Who gets in, or why not.
    async fn comes(&self, provider: &Provider, claims: &Claims) -> Result<NewSession, NotIn> {
        let reserved = ["tess", "grace"].map(name).into();
        self.people.log_in_by(Vouched::by_provider(provider, claims, &reserved), HERE).await
    }

    /// Links an account of `provider` to the person of `session`, or says why not.
    async fn links(&self, provider: &Provider, claims: &Claims, session: &Session) -> Result<(), NotLinked> {
        self.people.link_login(Vouched::by_provider(provider, claims, &HashSet::new()), session).await
    }

    async fn enrols(&self, names: &[&str]) {
        for text in names {
            self.people.add(&name(text), None, &Maker::Host).await.unwrap();
        }
    }
}

fn user(result: Result<NewSession, NotIn>) -> String {
    result.map_or_else(|error| format!("{error:?}"), |begun| begun.session.user.to_string())
}

#[tokio::test]
async fn the_same_account_is_the_same_person_for_ever() {
    let mut class = Class::new().await;
    class.enrols(&["bob", "cleo"]).await;
    assert_eq!(user(class.comes(&provider(), &claims("1", "bob")).await), "bob");
    // Whatever it is called later: it does not become cleo, and nobody who is called bob now becomes bob.
    assert_eq!(user(class.comes(&provider(), &claims("1", "cleo")).await), "bob");
    assert!(matches!(class.comes(&provider(), &claims("2", "bob")).await, Err(NotIn::Taken(taken)) if taken == name("bob")));
    class.reopen().await;
    let again = class.comes(&provider(), &claims("1", "zoe")).await.unwrap();
    assert_eq!(again.session.user, name("bob"));
    assert!(class.find(&again).is_some());
}

#[tokio::test]
async fn another_provider_speaks_for_its_own_only() {
    let class = Class::new().await;
    class.enrols(&["bob"]).await;
    class.comes(&provider(), &claims("1", "bob")).await.unwrap();
    let other = Provider { issuer: "https://evil.example".to_owned(), ..provider() };
    for subject in ["1", "2"] {
        assert!(matches!(class.comes(&other, &claims(subject, "bob")).await, Err(NotIn::Taken(_))), "{subject}");
    }
}

/// The name of somebody with a password, a role, or a past is nobody's to take by being called so elsewhere.
#[tokio::test]
async fn a_first_login_takes_only_what_nobody_has_and_gives_no_right() {
    let class = Class::new().await;
    class.enrols(&["bob", "tess", "root", "mallory"]).await;
    class.people.set_policy(with_roles(&[("tess", Role::Teacher), ("root", Role::Admin)]));
    for taken in ["ada", "tess", "root"] {
        assert!(matches!(class.comes(&provider(), &claims("1", taken)).await, Err(NotIn::Taken(found)) if found == name(taken)));
    }
    for nobody in ["eve", "Bob", "BOB", "bob ", " bob", "bob\u{301}", "ｂｏｂ", "bob.", "../bob", "", "bob@evil.example"] {
        let refused = class.comes(&provider(), &claims("1", nobody)).await;
        assert!(matches!(refused, Err(NotIn::NotEnrolled(_))), "{nobody}: {refused:?}", refused = user(refused));
    }
    class.people.set_blocked(&name("mallory"), true).await.unwrap();
    assert!(matches!(class.comes(&provider(), &claims("1", "mallory")).await, Err(NotIn::Blocked(_))));
    // Somebody who logged in by a password that was taken away again is no newcomer.
    class.people.set_password(&name("bob"), PASSWORD, &Maker::Host).await.unwrap();
    class.people.log_in("bob", PASSWORD, HERE).await.unwrap();
    let strip = |connection: &mut rusqlite::Connection| connection.execute("UPDATE people SET password = NULL", []);
    class.people.store().run(strip).await.unwrap();
    assert!(matches!(class.comes(&provider(), &claims("1", "bob")).await, Err(NotIn::Taken(_))));
}

#[tokio::test]
async fn the_one_time_link_of_a_name_that_was_taken_works_no_more() {
    let class = Class::new().await;
    let added = class.people.add(&name("bob"), None, &Maker::Host).await.unwrap();
    let link = token(&added.link.unwrap());
    class.comes(&provider(), &claims("1", "bob")).await.unwrap();
    assert!(matches!(class.people.use_link(&link, PASSWORD, HERE).await, Err(PeopleError::LinkOver)));
}

#[tokio::test]
async fn who_is_blocked_or_taken_off_the_list_stays_out() {
    let class = Class::new().await;
    class.enrols(&["bob"]).await;
    let session = class.comes(&provider(), &claims("1", "bob")).await.unwrap();
    class.people.set_blocked(&name("bob"), true).await.unwrap();
    assert!(has_ended(&session));
    assert!(matches!(class.comes(&provider(), &claims("1", "bob")).await, Err(NotIn::Blocked(_))));
    class.people.set_blocked(&name("bob"), false).await.unwrap();
    assert_eq!(user(class.comes(&provider(), &claims("1", "bob")).await), "bob");
    class.people.remove(&name("bob")).await.unwrap();
    for provider in [provider(), enrolling()] {
        assert!(matches!(class.comes(&provider, &claims("1", "bob")).await, Err(NotIn::Removed(_))));
    }
    // Whoever is enrolled by that name afterwards is not there for another account, and has nothing of the one before.
    class.enrols(&["bob"]).await;
    assert!(matches!(class.comes(&provider(), &claims("2", "bob")).await, Err(NotIn::Taken(_))));
    assert!(matches!(class.comes(&provider(), &claims("1", "other")).await, Err(NotIn::Removed(_))));
    assert_eq!(user(class.comes(&provider(), &claims("1", "bob")).await), "bob");
    class.people.set_policy(Policy { blocked: [name("bob")].into(), ..policy() });
    assert!(matches!(class.comes(&provider(), &claims("1", "bob")).await, Err(NotIn::Blocked(_))));
}

#[tokio::test]
async fn the_rules_are_looked_at_with_each_login() {
    let class = Class::new().await;
    class.enrols(&["bob"]).await;
    assert_eq!(user(class.comes(&enrolling(), &claims("1", "bob")).await), "bob");
    let left = Claims { groups: Vec::new(), ..claims("1", "bob") };
    assert!(matches!(class.comes(&enrolling(), &left).await, Err(NotIn::Rules(_))));
}

#[tokio::test]
async fn newcomers_get_a_name_that_is_nobodys_and_gives_no_right() {
    let class = Class::new().await;
    class.enrols(&["bob"]).await;
    class.people.set_policy(with_roles(&[("grace", Role::Admin)]));
    let named = |subject: &str, username: &str| Claims {
        full_name: Some("Zoë\u{202e} Müller".to_owned()),
        verified_email: Some("zoe@school.example".to_owned()),
        ..claims(subject, username)
    };
    assert_eq!(user(class.comes(&enrolling(), &named("1", "Zoë Müller")).await), "zoe.mueller");
    let zoe = class.people.find(&name("zoe.mueller")).await.unwrap().unwrap();
    assert_eq!(zoe.profile.full_name.as_deref(), Some("Zoë Müller"), "what turns the reading direction is left out");
    assert_eq!(zoe.profile.email.as_deref(), Some("zoe@school.example"));
    assert!(!zoe.has_password);
    // The same name elsewhere is another person here; so is that of whoever is named in the configuration.
    assert_eq!(user(class.comes(&enrolling(), &named("2", "Zoë Müller")).await), "zoe.mueller2");
    assert_eq!(user(class.comes(&enrolling(), &named("1", "Zoë Müller")).await), "zoe.mueller");
    assert_eq!(user(class.comes(&enrolling(), &named("3", "grace")).await), "grace2");
    assert_eq!(user(class.comes(&enrolling(), &named("4", "tess")).await), "tess2");
    assert_eq!(user(class.comes(&enrolling(), &named("5", "../../etc")).await), "etc");
    assert_eq!(user(class.comes(&enrolling(), &claims("6", "???")).await), "Nameless");
    // Enrolled and free: theirs. Afterwards it is nobody else's.
    assert_eq!(user(class.comes(&enrolling(), &named("7", "bob")).await), "bob");
    assert_eq!(user(class.comes(&enrolling(), &named("8", "bob")).await), "bob2");
    // With a password it may be the same human, who then links the two.
    assert!(matches!(class.comes(&enrolling(), &named("9", "ada")).await, Err(NotIn::Taken(_))));
}

/// Of many at once who are called alike, exactly one gets the name.
#[tokio::test]
async fn security_7_many_first_logins_at_once_are_many_people() {
    let class = Class::new().await;
    class.enrols(&["bob"]).await;
    let all = (0..20).map(|number| {
        let (people, provider, claims) = (class.people.clone(), provider(), claims(&number.to_string(), "bob"));
        async move {
            let nobody = HashSet::new();
            let vouched = Vouched::by_provider(&provider, &claims, &nobody);
            people.log_in_by(vouched, HERE).await.is_ok()
        }
    });
    let came = futures_util::future::join_all(all).await;
    assert_eq!(came.into_iter().filter(|came| *came).count(), 1);
}

#[tokio::test]
async fn a_class_list_knows_people_by_a_verified_address() {
    let class = Class::new().await;
    class.enrols(&["bob", "cleo", "dora"]).await;
    let profile = |email: &str| Profile { full_name: None, email: Some(email.to_owned()) };
    class.people.set_profile(&name("bob"), profile("Bob.Miller@school.example")).await.unwrap();
    for twin in ["cleo", "dora"] {
        class.people.set_profile(&name(twin), profile("twins@school.example")).await.unwrap();
    }
    let by_address = Provider { username_claim: "email".to_owned(), ..provider() };
    let with = |subject: &str, email: Option<&str>| Claims {
        username: email.map(str::to_owned),
        verified_email: email.map(str::to_owned),
        ..claims(subject, "")
    };
    assert!(matches!(class.comes(&by_address, &with("1", None)).await, Err(NotIn::NotEnrolled(_))));
    assert!(matches!(class.comes(&by_address, &with("1", Some("twins@school.example"))).await, Err(NotIn::NotEnrolled(_))));
    assert_eq!(user(class.comes(&by_address, &with("1", Some("bob.miller@school.example"))).await), "bob");
    // By another claim an address opens nothing.
    let claims = Claims { username: Some("x".to_owned()), ..with("2", Some("twins@school.example")) };
    assert!(matches!(class.comes(&provider(), &claims).await, Err(NotIn::NotEnrolled(_))));
}

#[tokio::test]
async fn a_person_links_an_account_and_is_found_by_it() {
    let class = Class::new().await;
    class.people.set_policy(with_roles(&[("ada", Role::Teacher)]));
    let session = class.log_in().await;
    class.links(&provider(), &claims("1", "somebody"), &session.session).await.unwrap();
    assert_eq!(user(class.comes(&provider(), &claims("1", "x")).await), "ada");
    // What was linked as a teacher does not open what an administrator may.
    class.people.set_policy(with_roles(&[("ada", Role::Admin)]));
    assert!(matches!(class.comes(&provider(), &claims("1", "x")).await, Err(NotIn::Outranked(_))));
    class.people.set_policy(with_roles(&[("ada", Role::Helper)]));
    assert_eq!(user(class.comes(&provider(), &claims("1", "x")).await), "ada");
}

#[tokio::test]
async fn nobody_links_what_is_anothers_or_in_a_session_that_is_over() {
    let class = Class::new().await;
    class.enrols(&["bob"]).await;
    class.comes(&provider(), &claims("1", "bob")).await.unwrap();
    let session = class.log_in().await;
    let link = async |subject: &str| class.links(&provider(), &claims(subject, "x"), &session.session).await;
    assert!(matches!(link("1").await, Err(NotLinked::Others)));
    class.people.remove(&name("bob")).await.unwrap();
    assert!(matches!(link("1").await, Err(NotLinked::Others)), "nor what was");
    link("2").await.unwrap();
    link("2").await.unwrap();
    assert!(matches!(link("3").await, Err(NotLinked::Another)));
    let no_school = Claims { groups: Vec::new(), ..claims("4", "x") };
    assert!(matches!(class.links(&enrolling(), &no_school, &session.session).await, Err(NotLinked::Rules(_))));
    class.people.log_out(&session.session).await.unwrap();
    assert!(matches!(link("2").await, Err(NotLinked::Over)));
}

/// Whoever knew a password has no way in by what they linked with it; who came first by their account keeps it.
#[tokio::test]
async fn a_new_password_ends_what_the_old_one_linked() {
    let class = Class::new().await;
    class.enrols(&["bob"]).await;
    class.comes(&provider(), &claims("2", "bob")).await.unwrap();
    let session = class.log_in().await;
    class.links(&provider(), &claims("1", "x"), &session.session).await.unwrap();
    assert_eq!(user(class.comes(&provider(), &claims("1", "x")).await), "ada");
    for name in [ada(), name("bob")] {
        class.people.set_password(&name, "another password", &Maker::Host).await.unwrap();
    }
    assert!(matches!(class.comes(&provider(), &claims("1", "x")).await, Err(NotIn::NotEnrolled(_))));
    assert_eq!(user(class.comes(&provider(), &claims("2", "x")).await), "bob");
}

#[tokio::test]
async fn what_is_unlinked_opens_nothing_and_ends_what_it_opened() {
    let class = Class::new().await;
    class.enrols(&["bob"]).await;
    let session = class.comes(&provider(), &claims("1", "bob")).await.unwrap();
    assert_eq!(class.people.links_of(&name("bob")).await.unwrap().len(), 1);
    assert_eq!(class.people.unlink(&name("bob")).await.unwrap(), 1);
    assert!(has_ended(&session) && class.people.linked().await.unwrap().is_empty());
    assert!(matches!(class.comes(&provider(), &claims("1", "bob")).await, Err(NotIn::Taken(_))), "bob has been here");
    assert_eq!(class.people.unlink(&name("bob")).await.unwrap(), 0);
}

/// Whoever gave somebody a password may have linked an account of their own with it: what that is worth goes with their role.
#[tokio::test]
async fn an_account_that_was_linked_with_a_password_is_worth_what_its_giver_is() {
    let class = Class::new().await;
    class.enrols(&["otto", "yve"]).await;
    class.people.set_policy(with_roles(&[("otto", Role::Admin), ("yve", Role::Admin)]));
    class.people.set_password(&name("yve"), PASSWORD, &Maker::Person(name("otto"), Role::Admin)).await.unwrap();
    let begun = class.people.log_in("yve", PASSWORD, HERE).await.unwrap();
    class.links(&provider(), &claims("1", "otto"), &begun.session).await.unwrap();
    assert_eq!(user(class.comes(&provider(), &claims("1", "otto")).await), "yve");
    class.people.set_policy(with_roles(&[("yve", Role::Admin)]));
    class.people.revoke_grants().await.unwrap();
    let refused = class.comes(&provider(), &claims("1", "otto")).await;
    assert!(matches!(refused, Err(NotIn::Outranked(_))), "{}", user(refused));
    // A right that is given again does not bring back what was done by it.
    class.people.set_policy(with_roles(&[("otto", Role::Admin), ("yve", Role::Admin)]));
    assert!(matches!(class.comes(&provider(), &claims("1", "otto")).await, Err(NotIn::Outranked(_))));
}

/// Half of an address is nobody's who is known by another one; of two with one address nobody is meant.
#[tokio::test]
async fn whoever_is_known_by_an_address_is_known_by_that_alone() {
    let class = Class::new().await;
    class.enrols(&["bob", "cleo", "dora", "finn"]).await;
    let known = |address: &str| Profile { full_name: None, email: Some(address.to_owned()) };
    for (who, address) in [("bob", "robert@school.example"), ("cleo", "cleo@school.example"), ("dora", "cleo@school.example")] {
        class
            .people
            .store()
            .run({
                let (who, profile) = (name(who), known(address));
                move |connection| {
                    let transaction = connection.transaction()?;
                    crate::store::people::set_profile(&transaction, &who, &profile)?;
                    transaction.commit()
                }
            })
            .await
            .unwrap();
    }
    let provider =
        Provider { username_claim: "email".to_owned(), allow_domains: Some(vec!["school.example".to_owned()]), ..provider() };
    let address = |subject: &str, address: &str| Claims { verified_email: Some(address.to_owned()), ..claims(subject, address) };
    for (subject, who) in [("1", "bob@school.example"), ("2", "cleo@school.example"), ("3", "cleo@School.example")] {
        let refused = class.comes(&provider, &address(subject, who)).await;
        assert!(matches!(refused, Err(NotIn::NotEnrolled(_))), "{who}: {}", user(refused));
    }
    assert_eq!(user(class.comes(&provider, &address("4", "Robert@school.example")).await), "bob");
    assert_eq!(
        user(class.comes(&provider, &address("5", "finn@school.example")).await),
        "finn",
        "who has no address goes by name"
    );
    assert!(matches!(class.comes(&provider, &address("6", "robert@sc\u{212a}ool.example")).await, Err(NotIn::Rules(_))));
}
