//! API tokens: made by whom, and what is done by the right of whoever made one.

use hub_core::control::tokens::{Scope, TokenInfo};

use super::*;
use crate::auth::{Giver, Holder};

fn create(scopes: &[Scope]) -> Request {
    Request::TokenCreate { scopes: scopes.to_vec(), note: "a test".to_owned(), lifetime_seconds: Some(3600) }
}

fn created(reply: Reply) -> (String, TokenInfo) {
    match reply {
        Reply::TokenCreated { token, info } => (token, info),
        other => panic!("expected a token, got {other:?}"),
    }
}

async fn holder(hub: &Hub, token: &str) -> Holder {
    hub.context.people.holder(token, std::net::IpAddr::from([192, 0, 2, 1])).await.unwrap()
}

#[tokio::test]
async fn a_token_is_its_maker_s_and_the_list_has_no_secret() {
    let hub = Hub::new().await;
    let scopes = [Scope::ReadServers, Scope::ListUsers, Scope::ReadServers];
    for (access, uid, maker) in
        [(Access::Host, 0, "root on the host"), (Access::Admin, ADA, "ada"), (Access::Operator, OPERATOR, "nobody on the host")]
    {
        let (token, info) = created(hub.ask(access, uid, &create(&scopes)).await);
        assert_eq!((info.maker.as_str(), &info.scopes[..]), (maker, &[Scope::ListUsers, Scope::ReadServers][..]));
        let reply = hub.ask(access, uid, &Request::TokenList).await;
        assert!(!serde_json::to_string(&reply).unwrap().contains(&token));
        let Reply::Tokens { tokens } = reply else { panic!("{reply:?}") };
        assert_eq!(tokens.last(), Some(&info));
    }
    assert!(matches!(hub.ask(Access::Admin, ADA, &Request::TokenRevoke { id: 1 }).await, Reply::Done));
    let (kind, message) = refusal(hub.root(&Request::TokenRevoke { id: 1 }).await);
    assert_eq!((kind, message.as_str()), (RefusalKind::Invalid, "there is no API token 1"));
}

#[tokio::test]
async fn what_makes_no_sense_is_no_token() {
    let hub = Hub::new().await;
    let request = |scopes: &[Scope], note: &str, lifetime_seconds| Request::TokenCreate {
        scopes: scopes.to_vec(),
        note: note.to_owned(),
        lifetime_seconds,
    };
    let one = [Scope::ListUsers];
    for (request, said) in [
        (request(&[], "", None), "a token without scopes could do nothing"),
        (request(&one, &"x".repeat(201), None), "a note is one line of at most 200 characters"),
        (request(&one, "two\nlines", None), "a note is one line of at most 200 characters"),
        (request(&one, "\u{202e}", None), "a note is one line of at most 200 characters"),
        (request(&one, "", Some(0)), "a token works for a second to ten years, or until it is revoked"),
        (request(&one, "", Some(u64::MAX)), "a token works for a second to ten years, or until it is revoked"),
    ] {
        let (kind, message) = refusal(hub.root(&request).await);
        assert_eq!((kind, message.as_str()), (RefusalKind::Invalid, said));
    }
}

#[tokio::test]
async fn a_token_does_what_its_maker_may_at_that_moment() {
    let hub = Hub::new().await;
    let start = Request::ServerStart { name: name("bob"), without_own: false };
    for (access, uid) in [(Access::Host, 0), (Access::Admin, ADA), (Access::Operator, OPERATOR)] {
        let (token, _) = created(hub.ask(access, uid, &create(&[Scope::AdminServers])).await);
        let holder = holder(&hub, &token).await;
        assert!(matches!(ask_by_token(&hub.context, &holder, &start).await, Reply::Servers { .. }), "{access:?}");
        if access != Access::Host {
            let (kind, _) = refusal(ask_by_token(&hub.context, &holder, &Request::Reload).await);
            assert_eq!(kind, RefusalKind::NotAllowed, "{access:?}: what is root's");
        }
    }
}

#[tokio::test]
async fn a_token_of_somebody_with_less_is_refused_whatever_was_looked_up_before() {
    let hub = Hub::staffed().await;
    let held = |maker| Holder { id: 7, maker: Some(maker), scopes: [Scope::ListUsers].into() };
    for maker in [
        Giver::Person(name("tess")),
        Giver::Person(name("bob")),
        Giver::Person(name("cyd")),
        Giver::Person(name("dora")),
        Giver::Operator("somebody".to_owned()),
    ] {
        let (kind, _) = refusal(ask_by_token(&hub.context, &held(maker.clone()), &Request::UserList).await);
        assert_eq!(kind, RefusalKind::NotAllowed, "{maker}");
    }
}
