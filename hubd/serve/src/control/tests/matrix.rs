//! Every caller at every socket with every verb.

use hub_core::control::NewUser;
use hub_core::control::tokens::Scope;
use hub_core::control::usage::Span;

use super::*;
use crate::auth::Token;

fn every_verb(about: &str) -> Vec<Request> {
    let name = || name(about);
    vec![
        Request::Status,
        Request::UserList,
        Request::UserShow { name: name() },
        Request::Shortages,
        Request::UsageHistory { span: Span::Day },
        Request::ServerList,
        Request::Https,
        Request::TokenCreate { scopes: vec![Scope::ListUsers], note: String::new(), lifetime_seconds: None },
        Request::LoginList,
        Request::LoginUnlink { name: name() },
        Request::TokenList,
        Request::TokenRevoke { id: 1 },
        Request::UserAdd { users: vec![NewUser { name: name(), password: None }] },
        super::roster::apply_to(about),
        Request::UserLink { name: name() },
        Request::UserPassword { name: name(), password: "correct horse battery".to_owned() },
        Request::ServerStart { name: name(), without_own: false },
        Request::ServerRestart { name: name(), without_own: true },
        Request::ServerLogs { name: name(), lines: 3 },
        Request::ServerStop { name: name() },
        Request::UserLogout { name: name() },
        Request::UserBlock { name: name(), blocked: true },
        Request::UserBlock { name: name(), blocked: false },
        Request::UserResetPackages { name: name(), settings: false },
        Request::UserRemove { name: name() },
    ]
}

fn is_not_allowed(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(Refusal { kind: RefusalKind::NotAllowed, .. }))
}

#[tokio::test]
async fn only_root_at_the_host_socket_and_only_administrators_at_theirs() {
    for (access, uid, may) in [
        (Access::Host, 0, true),
        (Access::Host, ADA, false),
        (Access::Host, BOB, false),
        (Access::Host, EVE, false),
        (Access::Admin, 0, false),
        (Access::Admin, ADA, true),
        (Access::Admin, BOB, false),
        (Access::Admin, CYD, false),
        (Access::Admin, DORA, false),
        (Access::Admin, OLGA, false),
        (Access::Admin, EVE, false),
        (Access::Host, OPERATOR, false),
        (Access::Admin, OPERATOR, false),
        (Access::Operator, 0, false),
        (Access::Operator, ADA, false),
        (Access::Operator, EVE, false),
        (Access::Operator, OPERATOR, true),
    ] {
        let hub = Hub::staffed().await;
        for request in every_verb("bob") {
            let reply = hub.ask(access, uid, &request).await;
            if may {
                assert!(!matches!(reply, Reply::Refused(_)), "{uid} at {access:?}, {request:?}: {reply:?}");
            } else {
                assert!(is_not_allowed(&reply), "{uid} at {access:?}, {request:?}: {reply:?}");
            }
        }
        let still_enrolled = hub.context.people.find(&name("bob")).await.unwrap().is_some();
        assert_eq!(still_enrolled, !may, "{uid} at {access:?}: removing bob");
    }
}

#[tokio::test]
async fn an_operator_is_one_as_long_as_the_configuration_says_so_and_is_never_root() {
    let hub = Hub::staffed().await;
    let may = |request: Request| {
        let hub = &hub;
        async move { !is_not_allowed(&hub.ask(Access::Operator, OPERATOR, &request).await) }
    };
    assert!(may(Request::UserLink { name: name("ada") }).await);
    for request in [
        Request::Reload,
        Request::CopyDatabase,
        Request::CheckDatabase,
        Request::UserLinkAs { name: name("bob"), token: Token::random().unwrap().as_str().to_owned() },
    ] {
        assert!(!may(request.clone()).await, "{request:?}");
    }
    let without = CONFIG.replace("\"nobody\", ", "");
    hub.context.config.replace(hub_core::config::parse(&without, "config.toml").unwrap());
    assert!(!may(Request::Status).await, "the role was taken away");
}

#[tokio::test]
async fn an_operator_may_whatever_an_administrator_inside_may() {
    for about in ["bob", "hugo", "tess", "cyd"] {
        let (admin, operator) = (allowed(Access::Admin, ADA, about).await, allowed(Access::Operator, OPERATOR, about).await);
        assert!(admin.len() > 10, "{admin:?}");
        for verb in admin {
            assert!(operator.contains(&verb), "{verb} about {about}: {operator:?}");
        }
    }
}

#[tokio::test]
async fn nobody_inside_the_hub_chooses_the_secret_of_a_link() {
    let hub = Hub::staffed().await;
    let token = Token::random().unwrap();
    let request = Request::UserLinkAs { name: name("bob"), token: token.as_str().to_owned() };
    for uid in [ADA, BOB, CYD, DORA, OLGA, EVE] {
        assert!(is_not_allowed(&hub.ask(Access::Admin, uid, &request).await), "{uid}");
    }
    assert!(hub.context.people.look_at_link(&token).await.is_err());
    let Reply::Link { link, .. } = hub.root(&request).await else { panic!("no link") };
    assert!(link.ends_with(&format!("/hub/link/{}", token.as_str())), "{link}");
    assert_eq!(hub.context.people.look_at_link(&token).await.unwrap(), name("bob"));
    let weak = Request::UserLinkAs { name: name("bob"), token: "secret".to_owned() };
    assert!(matches!(hub.root(&weak).await, Reply::Refused(Refusal { kind: RefusalKind::Invalid, .. })));
}

/// What `uid` may ask about `about`, by the name of the verb.
async fn allowed(access: Access, uid: u32, about: &str) -> Vec<String> {
    let hub = Hub::staffed().await;
    let mut allowed = Vec::new();
    for request in every_verb(about) {
        if !is_not_allowed(&hub.ask(access, uid, &request).await) {
            let verb = serde_json::to_value(&request).unwrap()["request"].as_str().unwrap().to_owned();
            allowed.push(if request == (Request::UserBlock { name: name(about), blocked: false }) {
                "unblock".to_owned()
            } else {
                verb
            });
        }
    }
    allowed
}

#[tokio::test]
async fn a_role_may_what_the_table_says_and_nothing_to_somebody_above() {
    let look = ["status", "server_list"];
    let servers = ["status", "server_list", "server_start", "server_restart", "server_logs", "server_stop"];
    // A list about somebody above leaves them as they are, which is for `roster` to test.
    let teach = ["status", "user_list", "shortages", "usage_history", "server_list", "roster"];
    let teach_servers = [
        "status",
        "user_list",
        "user_show",
        "shortages",
        "usage_history",
        "server_list",
        "roster",
        "server_start",
        "server_restart",
        "server_logs",
        "server_stop",
    ];
    let teach_all = [
        "status",
        "user_list",
        "user_show",
        "shortages",
        "usage_history",
        "server_list",
        "user_add",
        "roster",
        "user_link",
        "server_start",
        "server_restart",
        "server_logs",
        "server_stop",
        "user_logout",
        "user_block",
        "unblock",
    ];
    for (uid, about, expected) in [
        (HUGO, "bob", &servers[..]),
        (HUGO, "hugo", &servers),
        (HUGO, "olga", &servers),
        (HUGO, "tess", &look),
        (HUGO, "ada", &look),
        (TESS, "bob", &teach_all),
        (TESS, "hugo", &teach_all),
        (TESS, "tess", &teach_servers),
        // Not enrolled, but a teacher or an administrator as soon as somebody holds the first link.
        (TESS, "theo", &teach_servers),
        (TESS, "dora", &teach),
        (TESS, "ada", &teach),
    ] {
        assert_eq!(allowed(Access::Admin, uid, about).await, expected, "{uid} about {about}");
    }
}

#[tokio::test]
async fn one_name_above_spoils_a_whole_list() {
    let hub = Hub::staffed().await;
    let users = ["new", "dora"].map(|text| NewUser { name: name(text), password: None }).into();
    let (kind, message) = refusal(hub.ask(Access::Admin, TESS, &Request::UserAdd { users }).await);
    assert_eq!(kind, RefusalKind::NotAllowed);
    assert_eq!(message, "dora is an administrator, and a teacher can't enrol somebody like that");
    assert!(hub.context.people.find(&name("new")).await.unwrap().is_none());
}

#[tokio::test]
async fn an_administrator_can_not_shut_herself_out() {
    let hub = Hub::new().await;
    for request in every_verb("ada") {
        let refused = matches!(request, Request::UserRemove { .. } | Request::UserBlock { blocked: true, .. });
        let reply = hub.ask(Access::Admin, ADA, &request).await;
        assert_eq!(is_not_allowed(&reply), refused, "{request:?}: {reply:?}");
    }
    assert!(!hub.context.people.find(&name("ada")).await.unwrap().unwrap().blocked);
    assert!(matches!(hub.root(&Request::UserRemove { name: name("ada") }).await, Reply::Done), "root may");
}

#[tokio::test]
async fn a_role_that_was_taken_away_is_gone_at_the_next_request() {
    let hub = Hub::new().await;
    assert!(matches!(hub.ask(Access::Admin, ADA, &Request::UserList).await, Reply::Users { .. }));
    hub.root(&Request::UserBlock { name: name("ada"), blocked: true }).await;
    assert!(is_not_allowed(&hub.ask(Access::Admin, ADA, &Request::UserList).await));
    let demoted = Hub::with("").await;
    assert!(is_not_allowed(&demoted.ask(Access::Admin, ADA, &Request::UserList).await));
}

#[tokio::test]
async fn a_stranger_is_refused_before_anything_is_read() {
    let hub = Hub::new().await;
    let (mut near, _far) = UnixStream::pair().unwrap();
    let reply = attend(&mut near, Access::Admin, EVE, &hub.context, &Intake::default()).await.unwrap();
    assert_eq!(refusal(reply), (RefusalKind::NotAllowed, "account 1000 belongs to nobody of the hub".to_owned()));
}

#[tokio::test]
async fn without_the_launcher_nobody_is_an_administrator() {
    let hub = Hub::new().await;
    std::fs::remove_file(hub.context.paths.launcher_socket()).unwrap();
    let (kind, message) = refusal(hub.ask(Access::Admin, ADA, &Request::UserList).await);
    assert_eq!(kind, RefusalKind::Failed);
    assert!(message.starts_with("the launcher can't be reached at `"), "{message}");
    assert!(matches!(hub.root(&Request::UserList).await, Reply::Users { .. }), "the host does not need it for this");
}

#[tokio::test]
async fn the_kernel_tells_who_is_at_the_other_end() {
    let hub = Hub::new().await;
    let socket = hub.context.paths.below("control.sock");
    let listener = StdUnixListener::bind(&socket).unwrap();
    let server = tokio::spawn(serve(listener, Access::Host, hub.context.clone()));
    let reply = tokio::task::spawn_blocking(move || hub_core::control::call(&socket, &Request::UserList)).await.unwrap().unwrap();
    if nix::unistd::Uid::effective().is_root() {
        assert!(matches!(reply, Reply::Users { .. }), "{reply:?}");
    } else {
        assert!(is_not_allowed(&reply), "{reply:?}");
    }
    server.abort();
}

#[tokio::test]
async fn nonsense_is_answered_and_a_hasty_end_is_not() {
    let hub = Hub::new().await;
    let (mut near, mut far) = UnixStream::pair().unwrap();
    wire::send_async(&mut far, &serde_json::json!({"request": "make_root"})).await.unwrap();
    let (kind, message) = refusal(attend(&mut near, Access::Host, 0, &hub.context, &Intake::default()).await.unwrap());
    assert_eq!(kind, RefusalKind::Invalid);
    assert!(message.contains("different versions"), "{message}");
    let (mut near, far) = UnixStream::pair().unwrap();
    drop(far);
    assert_eq!(
        attend(&mut near, Access::Host, 0, &hub.context, &Intake::default()).await.unwrap_err().kind(),
        io::ErrorKind::UnexpectedEof
    );
}
