//! Settings in the browser: who sees which, what is asked before a change, what takes it back.

use http::StatusCode;
use hub_core::control::change::ChangeVerb;

use super::desk::{Browser, Desk, PASSWORD};
use super::markup;
use crate::auth::Maker;

const CONFIG: &str =
    "[roles]\nadmins = [\"ada\"]\nteachers = [\"tess\"]\nhelpers = [\"hugo\"]\n[groups.lab]\nmembers = [\"bob\"]\n";

async fn desk() -> Desk {
    let desk = Desk::with_config(CONFIG).await;
    for one in ["tess", "hugo"] {
        desk.people.add(&one.parse().unwrap(), Some(PASSWORD), &Maker::Host).await.unwrap();
    }
    desk
}

async fn as_somebody<'desk>(desk: &'desk Desk, who: &str) -> Browser<'desk> {
    let mut browser = desk.browser();
    browser.log_in(who).await;
    browser
}

/// The keys that the forms of a page are about.
fn keys(body: &str) -> Vec<String> {
    let elements = markup::elements(body);
    let fields = elements.iter().filter(|element| element.attribute("name") == Some("key"));
    fields.filter_map(|field| field.attribute("value").map(str::to_owned)).collect()
}

#[tokio::test]
async fn each_role_sees_what_it_may_change() {
    let desk = desk().await;
    assert!(desk.browser().get("/hub/settings").await.location().starts_with("/hub/login"));
    for who in ["bob", "hugo"] {
        assert_eq!(as_somebody(&desk, who).await.get("/hub/settings").await.status, StatusCode::FORBIDDEN, "{who}");
    }
    let page = as_somebody(&desk, "tess").await.get("/hub/settings").await;
    assert_eq!(keys(&page.body), ["hub.announcement"]);
    let page = as_somebody(&desk, "ada").await.get("/hub/settings").await;
    for key in ["hub.name", "limits.memory", "servers.idle_timeout", "groups.lab.members", "groups.lab.limits.memory"] {
        assert!(keys(&page.body).iter().any(|shown| shown == key), "{key}");
    }
    assert!(page.text().contains("Group lab") && page.text().contains("New group"), "{}", page.text());
}

#[tokio::test]
async fn a_change_is_shown_then_done_then_taken_back() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "ada").await;
    let form = [("key", "users.bob.limits.memory"), ("value", " 2G "), ("do", "set")];
    let asked = browser.fill("/hub/settings", "/hub/settings", &form).await;
    for words in ["Change this?", "Memory of bob", "1G", "2G", "at once", "1 server uses more"] {
        assert!(asked.text().contains(words), "{words}: {}", asked.text());
    }
    let sure =
        [("key", "users.bob.limits.memory"), ("value", "2G"), ("do", "set"), ("sure", "yes"), ("token", &asked.hidden("token"))];
    assert_eq!(asked.hidden("sure"), "yes");
    let done = browser.post("/hub/settings", &sure).await;
    assert!(done.text().contains("Changed") && done.body.contains("/hub/people/bob"), "{}", done.body);
    assert_eq!((done.hidden("key"), done.hidden("value")), ("users.bob.limits.memory".to_owned(), "1G".to_owned()));
    let changes = desk.changes.lock().unwrap();
    let told: Vec<_> = changes.iter().map(|change| (change.verb, change.values.clone(), change.manner.dry_run)).collect();
    assert_eq!(told, [(ChangeVerb::Set, vec!["2G".to_owned()], true), (ChangeVerb::Set, vec!["2G".to_owned()], false)]);
    assert!(!changes[0].manner.allow_lockout);
}

#[tokio::test]
async fn what_was_typed_comes_back_with_what_is_wrong() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "ada").await;
    let form = [("key", "limits.tasks"), ("value", "many"), ("do", "set")];
    let page = browser.fill("/hub/settings", "/hub/settings", &form).await;
    assert!(
        page.text().contains("Nothing was changed") && page.text().contains("\"many\" is not a value for it"),
        "{}",
        page.text()
    );
    assert_eq!(page.hidden("value"), "many");
}

#[tokio::test]
async fn an_empty_field_is_a_reset_and_an_empty_list_is_one() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "ada").await;
    for (key, value) in [("hub.announcement", " "), ("groups.lab.members", ""), ("groups.lab.members", "bob, eve")] {
        browser.fill("/hub/settings", "/hub/settings", &[("key", key), ("value", value), ("do", "set")]).await;
    }
    browser.fill("/hub/settings", "/hub/settings", &[("group", "Year.2 "), ("value", "bob"), ("do", "set")]).await;
    let changes = desk.changes.lock().unwrap();
    let told: Vec<_> = changes.iter().map(|change| (change.verb, change.path().to_string(), change.values.join("+"))).collect();
    let told: Vec<_> = told.iter().map(|(verb, key, values)| (*verb, key.as_str(), values.as_str())).collect();
    assert_eq!(
        told,
        [
            (ChangeVerb::Unset, "hub.announcement", ""),
            (ChangeVerb::Set, "groups.lab.members", ""),
            (ChangeVerb::Set, "groups.lab.members", "bob+eve"),
            (ChangeVerb::Set, "groups.\"year.2\".members", "bob"),
        ]
    );
}

#[tokio::test]
async fn a_group_is_taken_away_whole() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "ada").await;
    assert!(keys(&browser.get("/hub/settings").await.body).contains(&"groups.lab".to_owned()));
    let form = [("key", "groups.lab"), ("do", "unset"), ("sure", "yes")];
    assert!(browser.fill("/hub/settings", "/hub/settings", &form).await.text().contains("Changed"));
    assert_eq!(desk.changes.lock().unwrap()[0].path().to_string(), "groups.lab");
    for (key, what) in [("groups.lab", "set"), ("groups", "unset"), ("users.bob", "unset")] {
        let answer = browser.fill("/hub/settings", "/hub/settings", &[("key", key), ("do", what), ("value", "x")]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{key}");
    }
    assert_eq!(desk.changes.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_changes_more_than_their_role_does() {
    let desk = desk().await;
    for (who, key) in [("tess", "limits.memory"), ("hugo", "hub.announcement"), ("ada", "roles.admins"), ("ada", "http.listen")] {
        let mut browser = as_somebody(&desk, who).await;
        let form = [("key", key), ("value", "x"), ("do", "set"), ("sure", "yes")];
        let answer = browser.fill("/hub/home", "/hub/settings", &form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{who} {key}: {}", answer.text());
    }
    let mut browser = as_somebody(&desk, "ada").await;
    let answer = browser.post("/hub/settings", &[("key", "limits.memory"), ("value", "2G"), ("sure", "yes")]).await;
    assert!(answer.status.is_client_error(), "a form without its token");
    assert!(desk.changes.lock().unwrap().is_empty());
    let person = browser.get("/hub/people/bob").await;
    assert!(keys(&person.body).contains(&"users.bob.limits.memory".to_owned()));
    let person = as_somebody(&desk, "tess").await.get("/hub/people/bob").await;
    assert!(keys(&person.body).is_empty());
}
