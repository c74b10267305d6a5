//! Who somebody is whom the machine's PAM vouches for, and how often one may guess there.

use hub_core::config::{Claims, KeptOut, Pam};

use super::*;
use crate::auth::{Guess, LoginError, NotIn, Vouched};

fn pam() -> Pam {
    Pam {
        login: "uni".parse().unwrap(),
        title: "University".to_owned(),
        allow_groups: None,
        enrol: false,
        allow_privileged: Vec::new(),
    }
}

fn claims(account: &str, groups: &[&str]) -> Claims {
    Claims {
        issuer: Pam::ISSUER.to_owned(),
        subject: account.to_owned(),
        username: Some(account.to_owned()),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        ..Claims::default()
    }
}

impl Class {
    async fn comes_by_pam(&self, pam: &Pam, claims: &Claims) -> Result<String, NotIn> {
        let reserved = ["tess".parse().unwrap()].into();
        let begun = self.people.log_in_by(Vouched::by_pam(pam, claims, &reserved), HERE).await;
        begun.map(|begun| begun.session.user.to_string())
    }
}

#[tokio::test]
async fn an_account_is_the_enrolled_person_of_that_name_and_nobody_else() {
    let class = Class::new().await;
    for name in ["bob", "tess"] {
        class.people.add(&name.parse().unwrap(), None, &Maker::Host).await.unwrap();
    }
    class.people.set_policy(with_roles(&[("tess", Role::Teacher)]));
    assert_eq!(class.comes_by_pam(&pam(), &claims("bob", &[])).await.unwrap(), "bob");
    assert_eq!(class.comes_by_pam(&pam(), &claims("bob", &[])).await.unwrap(), "bob");
    for (account, why) in [("ada", "has a password"), ("tess", "has a role")] {
        assert!(matches!(class.comes_by_pam(&pam(), &claims(account, &[])).await, Err(NotIn::Taken(_))), "{account} {why}");
    }
    for account in ["eve", "Bob", "bob@school.example", "DOMAIN\\bob"] {
        assert!(matches!(class.comes_by_pam(&pam(), &claims(account, &[])).await, Err(NotIn::NotEnrolled(_))), "{account}");
    }
}

#[tokio::test]
async fn a_unix_group_is_a_rule() {
    let class = Class::new().await;
    let pam = Pam { allow_groups: Some(vec!["physics".to_owned()]), enrol: true, ..pam() };
    assert!(matches!(class.comes_by_pam(&pam, &claims("zoe", &["art"])).await, Err(NotIn::Rules(KeptOut::Group))));
    assert_eq!(class.comes_by_pam(&pam, &claims("zoe", &["physics"])).await.unwrap(), "zoe");
    assert_ne!(class.comes_by_pam(&pam, &claims("tess", &["physics"])).await.unwrap(), "tess", "a name in the configuration");
}

#[tokio::test]
async fn guesses_elsewhere_are_throttled_and_apart_from_ours() {
    let class = Class::new().await;
    let guess = async |guess: Guess| class.people.guess("ada by pam".to_owned(), HERE, async move { (guess, ()) }).await;
    for _ in 0..30 {
        guess(Guess::Unknown).await.unwrap();
    }
    for number in 0..10 {
        assert!(guess(Guess::Wrong).await.is_ok(), "{number}");
    }
    assert!(matches!(guess(Guess::Right).await, Err(LoginError::TooMany(_))));
    class.people.log_in("ada", PASSWORD, HERE).await.unwrap();
}
