//! Who inside the hub, and which operator, reads and changes which key.

use hub_core::config::Role;
use hub_core::config::keys::{TABLES, inside};
use hub_core::control::change::{ChangeVerb, KeyChange, Manner};

use super::*;

fn every_key() -> impl Iterator<Item = Vec<String>> {
    let path = |table: &str, key: &str| table.split('.').chain([key]).map(|part| part.replace("NAME", "bob")).collect();
    TABLES.iter().flat_map(move |table| table.keys.iter().map(move |key| path(table.name, key.name)))
}

fn change(key: Vec<String>) -> Request {
    Request::ConfigChange {
        change: KeyChange { verb: ChangeVerb::Set, key, values: vec!["1".to_owned()], manner: Manner::default() },
    }
}

#[tokio::test]
async fn every_key_is_read_and_changed_by_whom_the_table_says() {
    let hub = Hub::staffed().await;
    for (uid, role) in
        [(ADA, Some(Role::Admin)), (TESS, Some(Role::Teacher)), (HUGO, Some(Role::Helper)), (BOB, None), (OLGA, None)]
    {
        let may = |least: Option<Role>| role.zip(least).is_some_and(|(role, least)| role >= least);
        for key in every_key() {
            let path = key.join(".");
            let reply = hub.ask(Access::Admin, uid, &change(key.clone())).await;
            match reply {
                Reply::ConfigChanged { .. } => assert!(may(inside::may_change(&path)), "{uid} changes {path}"),
                Reply::Refused(Refusal { kind: RefusalKind::NotAllowed, .. }) => {
                    assert!(!may(inside::may_change(&path)), "{uid} does not change {path}");
                }
                other => panic!("{uid}, {path}: {other:?}"),
            }
            match hub.ask(Access::Admin, uid, &Request::ConfigGet { key }).await {
                Reply::ConfigValue { .. } => assert!(may(inside::may_read(&path)), "{uid} reads {path}"),
                Reply::Refused(Refusal { kind: RefusalKind::NotAllowed, .. }) => {
                    assert!(!may(inside::may_read(&path)), "{uid} does not read {path}");
                }
                other => panic!("{uid}, {path}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_operator_reads_and_changes_the_keys_of_an_administrator() {
    let hub = Hub::staffed().await;
    let both = async |request: &Request| {
        let (admin, operator) = (hub.ask(Access::Admin, ADA, request).await, hub.ask(Access::Operator, OPERATOR, request).await);
        for reply in [&admin, &operator] {
            let is_answer = matches!(
                reply,
                Reply::ConfigChanged { .. }
                    | Reply::ConfigValue { .. }
                    | Reply::Limits { .. }
                    | Reply::Refused(Refusal { kind: RefusalKind::NotAllowed, .. })
            );
            assert!(is_answer, "{request:?}: {reply:?}");
        }
        (!matches!(admin, Reply::Refused(_)), operator)
    };
    let mut granted = 0;
    for key in every_key() {
        let path = key.join(".");
        for verb in [ChangeVerb::Set, ChangeVerb::Unset, ChangeVerb::Add, ChangeVerb::Remove] {
            let change = KeyChange { verb, key: key.clone(), values: vec!["1".to_owned()], manner: Manner::default() };
            let (may, reply) = both(&Request::ConfigChange { change }).await;
            granted += u32::from(may);
            match reply {
                Reply::Refused(Refusal { message, hint, .. }) => {
                    assert!(!may, "{verb} {path}");
                    assert_eq!(message, format!("changing `{path}` needs full root on this machine"));
                    let hint = hint.unwrap();
                    assert!(
                        hint.starts_with(&format!("an account with full sudo can: sudo hubctl config {verb} {path}")),
                        "{hint}"
                    );
                }
                _ => assert!(may, "{verb} {path}"),
            }
        }
        let (may, reply) = both(&Request::ConfigGet { key }).await;
        match reply {
            Reply::Refused(Refusal { message, .. }) => {
                assert!(!may && message.contains("needs full root on this machine"), "{path}: {message}");
            }
            _ => assert!(may, "{path}"),
        }
    }
    assert!(granted > 80, "{granted}");
    let (may, reply) = both(&Request::Limits { name: name("bob") }).await;
    assert!(may && matches!(reply, Reply::Limits { .. }), "{reply:?}");
    let change = change(vec!["hub".into(), "name".into()]);
    let Reply::ConfigChanged { ended } = hub.ask(Access::Operator, OPERATOR, &change).await else { panic!() };
    assert_eq!(ended.output, "nobody, an operator: Set hub.name [\"1\"]");
    let without = CONFIG.replace("\"nobody\", ", "");
    hub.context.config.replace(hub_core::config::parse(&without, "config.toml").unwrap());
    assert_eq!(refusal(hub.ask(Access::Operator, OPERATOR, &change).await).0, RefusalKind::NotAllowed);
}

#[tokio::test]
async fn a_refusal_names_who_may() {
    let hub = Hub::staffed().await;
    let key = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    for (uid, path, why) in [
        (ADA, "roles.admins", "`roles.admins` is changed on the machine only"),
        (ADA, "http.nonsense", "`http.nonsense` is changed on the machine only"),
        (TESS, "limits.memory", "`limits.memory` is changed by administrators, and tess is a teacher"),
        (HUGO, "hub.announcement", "`hub.announcement` is changed by teachers and administrators, and hugo is a helper"),
    ] {
        assert_eq!(refusal(hub.ask(Access::Admin, uid, &change(key(path))).await), (RefusalKind::NotAllowed, why.to_owned()));
    }
    let (_, why) = refusal(hub.ask(Access::Admin, ADA, &Request::ConfigGet { key: key("environment.index_url") }).await);
    assert_eq!(why, "`environment.index_url` can't be read inside the hub");
}

#[tokio::test]
async fn key_and_value_go_to_the_launcher_and_what_it_says_comes_back() {
    let hub = Hub::staffed().await;
    let key = ["users", "ada.l", "limits", "memory"].map(str::to_owned).to_vec();
    let Reply::ConfigChanged { ended } = hub.ask(Access::Admin, ADA, &change(key)).await else { panic!() };
    let output = "ada, in the hub: Set users.\"ada.l\".limits.memory [\"1\"]".to_owned();
    assert_eq!(ended, Ended { code: 6, output, messages: "said".to_owned() });
    let Reply::ConfigValue { value } =
        hub.ask(Access::Admin, HUGO, &Request::ConfigGet { key: vec!["hub".into(), "name".into()] }).await
    else {
        panic!()
    };
    assert_eq!(value, Some("Classroom".into()));
    let Reply::Limits { limits } = hub.ask(Access::Admin, HUGO, &Request::Limits { name: name("bob") }).await else { panic!() };
    assert_eq!((limits[0].key.as_str(), limits[0].value.as_str()), ("memory", "1G"));
    assert_eq!(refusal(hub.ask(Access::Admin, HUGO, &Request::Limits { name: name("tess") }).await).0, RefusalKind::NotAllowed);
    assert_eq!(refusal(hub.root(&change(vec!["hub".into(), "name".into()])).await).0, RefusalKind::Invalid);
}
