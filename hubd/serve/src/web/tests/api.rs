//! `/hub/api` and `/hub/metrics`, as programs ask them.

use std::time::Duration;

use axum::body::Body;
use http::header::{ALLOW, AUTHORIZATION, COOKIE};
use http::{HeaderValue, Method, Request, StatusCode};
use hub_core::config;
use hub_core::control::ServerPhase;
use hub_core::control::tokens::Scope;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, HOME, view};
use crate::auth::{Maker, Token};
use crate::listen::Client;
use crate::servers::View;

const CONFIG: &str = "[roles]\nadmins = [\"ada\"]\n[groups.projects]\nmembers = [\"bob\"]\n";

/// Everything that asks for a token, and the scope that suffices.
const GUARDED: [(Method, &str, Scope); 7] = [
    (Method::GET, "/hub/api/info", Scope::ReadHub),
    (Method::GET, "/hub/api/users", Scope::ListUsers),
    (Method::GET, "/hub/api/users/bob", Scope::ListUsers),
    (Method::GET, "/hub/api/users/nobody", Scope::ListUsers),
    (Method::POST, "/hub/api/users/bob/server", Scope::StartServers),
    (Method::DELETE, "/hub/api/users/bob/server", Scope::DeleteServers),
    (Method::GET, "/hub/metrics", Scope::ReadMetrics),
];

/// ada is an administrator and bob a student. The launcher of these tests does not answer like one, which the API does not need.
async fn desk() -> Desk {
    Desk::with_config(CONFIG).await
}

async fn token(desk: &Desk, maker: &Maker, scopes: &[Scope]) -> Token {
    desk.people.make_token(maker, scopes.to_vec(), "test".to_owned(), None).await.unwrap().0
}

fn request(method: &Method, path: &str, authorization: Option<&str>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert("host", HeaderValue::from_static("hub.example.org"));
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization.parse().unwrap());
    }
    request.extensions_mut().insert(Client { address: HOME, https: false });
    request
}

async fn ask(desk: &Desk, method: &Method, path: &str, token: &Token) -> Answer {
    desk.ask(request(method, path, Some(&format!("token {}", token.as_str())))).await
}

async fn get(desk: &Desk, path: &str, token: &Token) -> Value {
    let answer = ask(desk, &Method::GET, path, token).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[track_caller]
fn refused(answer: &Answer, status: StatusCode) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    assert_eq!((answer.status, &body["status"]), (status, &json!(status.as_u16())), "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json");
    body["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn whoever_asks_may_know_the_version_and_nothing_else() {
    let desk = desk().await;
    for path in ["/hub/api", "/hub/api/"] {
        let answer = desk.ask(request(&Method::GET, path, None)).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "{\"version\":\"6.1.1\"}"));
        assert_eq!(answer.header("x-jupyterhub-version"), "6.1.1");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
    }
    for (method, path, _) in &GUARDED {
        let answer = desk.ask(request(method, path, None)).await;
        assert_eq!(refused(&answer, StatusCode::FORBIDDEN), "Missing or invalid credentials.", "{path}");
    }
    refused(&desk.ask(request(&Method::GET, "/hub/api/user", None)).await, StatusCode::FORBIDDEN);
    for path in ["/hub/api/nothing", "/hub/api/users/bob/nothing", "/hub/api/users/bob/server/"] {
        refused(&desk.ask(request(&Method::GET, path, None)).await, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn an_administrator_s_cookie_is_nobody_s() {
    let desk = desk().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    desk.servers.asked();
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for (method, path, _) in &GUARDED {
        let mut request = request(method, path, None);
        request.headers_mut().insert(COOKIE, cookies.join("; ").parse().unwrap());
        refused(&desk.ask(request).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(desk.servers.asked(), [""; 0]);
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK, "the cookie is good elsewhere");
}

#[tokio::test]
async fn each_scope_opens_what_it_says_and_nothing_else() {
    let desk = desk().await;
    for scope in Scope::all() {
        let token = token(&desk, &Maker::Host, &[scope]).await;
        for (method, path, wanted) in &GUARDED {
            let implied = scope.with_implied();
            let sees_people = [Scope::ReadUsers, Scope::ReadUsersActivity, Scope::ReadServers];
            let may = implied.contains(wanted)
                || path.starts_with("/hub/api/users/")
                    && *method == Method::GET
                    && sees_people.iter().any(|scope| implied.contains(scope));
            desk.servers.set("bob", view(ServerPhase::Starting));
            let answer = ask(&desk, method, path, &token).await;
            if may {
                assert_ne!(answer.status, StatusCode::FORBIDDEN, "{scope}: {path}: {}", answer.body);
            } else {
                let message = refused(&answer, StatusCode::FORBIDDEN);
                assert!(message.starts_with("Action is not authorized with current scopes"), "{scope}: {path}: {message}");
            }
        }
    }
}

#[tokio::test]
async fn without_the_scope_nobody_learns_who_exists() {
    let desk = desk().await;
    let token = token(&desk, &Maker::Host, &[Scope::ReadMetrics]).await;
    for method in [Method::POST, Method::DELETE] {
        let answers = ["bob", "nobody"].map(|name| format!("/hub/api/users/{name}/server"));
        let known = ask(&desk, &method, &answers[0], &token).await;
        let unknown = ask(&desk, &method, &answers[1], &token).await;
        assert_eq!((known.status, known.body), (unknown.status, unknown.body));
    }
    let (known, unknown) = (
        ask(&desk, &Method::GET, "/hub/api/users/bob", &token).await,
        ask(&desk, &Method::GET, "/hub/api/users/nobody", &token).await,
    );
    assert_eq!((known.status, known.body), (unknown.status, unknown.body));
    let metrics = ask(&desk, &Method::GET, "/hub/metrics", &token).await;
    assert!(metrics.status == StatusCode::OK && !metrics.body.contains("bob"), "{}", metrics.body);
    assert!(metrics.body.contains("\njupyterhub_total_users 2\n"), "{}", metrics.body);
}

#[tokio::test]
async fn both_ways_to_send_a_token_are_understood_and_no_third() {
    let desk = desk().await;
    let token = token(&desk, &Maker::Host, &[Scope::ListUsers]).await;
    let secret = token.as_str();
    for (authorization, status) in [
        (format!("token {secret}"), StatusCode::OK),
        (format!("Bearer {secret}"), StatusCode::OK),
        (format!("Basic {secret}"), StatusCode::FORBIDDEN),
        (secret.to_owned(), StatusCode::FORBIDDEN),
        (format!("token {secret}x"), StatusCode::FORBIDDEN),
    ] {
        let answer = desk.ask(request(&Method::GET, "/hub/api/users", Some(&authorization))).await;
        assert_eq!(answer.status, status, "{authorization}");
    }
    let answer = desk.ask(request(&Method::GET, &format!("/hub/api/users?token={secret}"), None)).await;
    refused(&answer, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_of_somebody_who_is_no_administrator_any_more_does_nothing() {
    let desk = desk().await;
    let ada = Maker::Person("ada".parse().unwrap(), config::Role::Admin);
    let token = token(&desk, &ada, &[Scope::ListUsers]).await;
    let me = get(&desk, "/hub/api/user", &token).await;
    assert_eq!((&me["kind"], &me["name"], &me["admin"]), (&json!("user"), &json!("ada"), &json!(true)));
    assert_eq!((&me["scopes"], &me["groups"]), (&json!(["list:users"]), &json!([])));
    desk.config.replace(config::parse("", "test").unwrap());
    refused(&ask(&desk, &Method::GET, "/hub/api/users", &token).await, StatusCode::FORBIDDEN);
    desk.people.set_policy((&*desk.config.get()).into());
    for path in ["/hub/api/users", "/hub/api/user"] {
        refused(&ask(&desk, &Method::GET, path, &token).await, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn people_are_told_of_as_far_as_the_scopes_go() {
    let desk = desk().await;
    desk.servers.set("bob", view(ServerPhase::Running));
    let names = token(&desk, &Maker::Host, &[Scope::ListUsers]).await;
    assert_eq!(
        get(&desk, "/hub/api/users", &names).await,
        json!([{ "kind": "user", "name": "ada", "admin": true }, { "kind": "user", "name": "bob", "admin": false }])
    );
    let all = token(&desk, &Maker::Host, &[Scope::ListUsers, Scope::ReadUsers, Scope::ReadServers]).await;
    let bob = get(&desk, "/hub/api/users/bob", &all).await;
    assert_eq!((&bob["server"], &bob["pending"], &bob["groups"]), (&json!("/user/bob/"), &Value::Null, &json!(["projects"])));
    assert_eq!(bob["created"], "2027-01-15T08:00:00.000000Z");
    let server = &bob["servers"][""];
    assert_eq!((&server["ready"], &server["url"], &server["stopped"]), (&json!(true), &json!("/user/bob/"), &json!(false)));
    let ada = get(&desk, "/hub/api/users/ada", &all).await;
    assert_eq!((&ada["server"], &ada["servers"]), (&Value::Null, &json!({})));
    let ada = get(&desk, "/hub/api/users/ada?include_stopped_servers=1", &all).await;
    assert_eq!(ada["servers"][""]["stopped"], true);
    for path in ["/hub/api/users/nobody", "/hub/api/users/Bob", "/hub/api/users/b%00b"] {
        refused(&ask(&desk, &Method::GET, path, &all).await, StatusCode::NOT_FOUND);
    }
    refused(&ask(&desk, &Method::GET, "/hub/api/users/%ff", &all).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_server_was_used_last_when_its_owner_was_seen_or_it_was_started() {
    let desk = desk().await;
    let token = token(&desk, &Maker::Host, &[Scope::ReadServers]).await;
    let server = async || get(&desk, "/hub/api/users/bob", &token).await["servers"][""].clone();
    desk.servers.set("bob", View { uptime: Some(Duration::from_secs(60)), ..view(ServerPhase::Running) });
    let never_seen = server().await;
    assert!(never_seen["started"].is_string() && never_seen["last_activity"] == never_seen["started"], "{never_seen}");
    // By the clock of these tests bob is seen in a time to come.
    desk.browser().log_in("bob").await;
    let seen = server().await;
    assert!(seen["started"].is_string() && seen["last_activity"] == "2027-01-15T08:00:00.000000Z", "{seen}");
}

#[tokio::test]
async fn addresses_are_those_below_the_hub_s_path() {
    let desk = Desk::with_config("[hub]\nurl = \"https://school.example/jupyter\"\n").await;
    desk.servers.set("bob", view(ServerPhase::Running));
    let token = token(&desk, &Maker::Host, &[Scope::ListUsers, Scope::ReadUsers]).await;
    assert_eq!(get(&desk, "/hub/api/users/bob", &token).await["server"], "/jupyter/user/bob/");
    let mut request = request(&Method::GET, "/hub/api/users?limit=1", Some(&format!("token {}", token.as_str())));
    request.headers_mut().insert("accept", HeaderValue::from_static("application/jupyterhub-pagination+json"));
    let page: Value = serde_json::from_str(&desk.ask(request).await.body).unwrap();
    let url = "https://school.example/jupyter/hub/api/users?offset=1&limit=1";
    assert_eq!(page["_pagination"]["next"]["url"], url);
}

#[tokio::test]
async fn lists_come_in_pages_and_by_state() {
    let desk = desk().await;
    for number in 0..60 {
        desk.people.add(&format!("s{number:02}").parse().unwrap(), None, &Maker::Host).await.unwrap();
    }
    for (name, phase) in [("s00", ServerPhase::Running), ("s01", ServerPhase::Queued), ("s02", ServerPhase::Failed)] {
        desk.servers.set(name, view(phase));
    }
    let token = token(&desk, &Maker::Host, &[Scope::ListUsers]).await;
    let pages = async |query: &str| {
        let mut request = request(&Method::GET, &format!("/hub/api/users{query}"), Some(&format!("token {}", token.as_str())));
        request.headers_mut().insert("accept", HeaderValue::from_static("application/jupyterhub-pagination+json"));
        let page: Value = serde_json::from_str(&desk.ask(request).await.body).unwrap();
        let items = page["items"].as_array().unwrap().len();
        (items, page["_pagination"].clone())
    };
    let (items, told) = pages("").await;
    let next = json!({ "offset": 50, "limit": 50, "url": "http://hub.example.org/hub/api/users?offset=50&limit=50" });
    assert_eq!((items, told), (50, json!({ "offset": 0, "limit": 50, "total": 62, "next": next })));
    let (items, told) = pages("?offset=50&limit=50").await;
    assert_eq!((items, told), (12, json!({ "offset": 50, "limit": 50, "total": 62, "next": null })));
    assert_eq!(get(&desk, "/hub/api/users", &token).await.as_array().unwrap().len(), 62);
    let count = async |query: &str| get(&desk, &format!("/hub/api/users{query}"), &token).await.as_array().unwrap().len();
    for (query, expected) in [
        ("?state=active", 2),
        ("?state=ready", 1),
        ("?state=inactive", 60),
        ("?name_filter=s0", 10),
        ("?limit=3&offset=60", 2),
        ("?offset=100", 0),
    ] {
        assert_eq!(count(query).await, expected, "{query}");
    }
    for query in ["?state=gone", "?limit=many", "?name_filter=%ff"] {
        refused(&ask(&desk, &Method::GET, &format!("/hub/api/users{query}"), &token).await, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn servers_are_started_and_stopped_as_hubctl_does() {
    let desk = desk().await;
    let token = token(&desk, &Maker::Host, &[Scope::AdminServers]).await;
    let path = "/hub/api/users/bob/server";
    desk.servers.asked();
    let start = ask(&desk, &Method::POST, path, &token);
    let up = async {
        while desk.servers.asked() != ["ensure bob"] {
            tokio::task::yield_now().await;
        }
        desk.servers.set("bob", view(ServerPhase::Running));
    };
    assert_eq!(tokio::join!(start, up).0.status, StatusCode::CREATED);
    let message = refused(&ask(&desk, &Method::POST, path, &token).await, StatusCode::BAD_REQUEST);
    assert_eq!(message, "bob/ is already running");
    let stop = ask(&desk, &Method::DELETE, path, &token);
    let down = async {
        while desk.servers.asked() != ["stop bob"] {
            tokio::task::yield_now().await;
        }
        desk.servers.set("bob", view(ServerPhase::Stopped));
    };
    let stopped = tokio::join!(stop, down).0;
    assert_eq!((stopped.status, stopped.body.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(ask(&desk, &Method::DELETE, path, &token).await.status, StatusCode::NO_CONTENT, "it was stopped already");
    for (phase, start, stop) in
        [(ServerPhase::Queued, 202, 400), (ServerPhase::Starting, 202, 400), (ServerPhase::Stopping, 400, 202)]
    {
        desk.servers.set("bob", view(phase));
        assert_eq!(ask(&desk, &Method::POST, path, &token).await.status.as_u16(), start, "{phase:?}");
        assert_eq!(ask(&desk, &Method::DELETE, path, &token).await.status.as_u16(), stop, "{phase:?}");
    }
    for method in [Method::POST, Method::DELETE] {
        refused(&ask(&desk, &method, "/hub/api/users/nobody/server", &token).await, StatusCode::NOT_FOUND);
    }
    let answer = ask(&desk, &Method::PUT, path, &token).await;
    refused(&answer, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header(ALLOW.as_str()), "POST,DELETE");
    desk.people.set_blocked(&"bob".parse().unwrap(), true).await.unwrap();
    desk.servers.set("bob", view(ServerPhase::Stopped));
    assert_eq!(refused(&ask(&desk, &Method::POST, path, &token).await, StatusCode::BAD_REQUEST), "bob is blocked");
}

#[tokio::test]
async fn what_is_too_large_or_no_json_is_refused() {
    let desk = desk().await;
    let token = token(&desk, &Maker::Host, &[Scope::StartServers]).await;
    let authorization = format!("token {}", token.as_str());
    desk.servers.asked();
    let post =
        |body: Vec<u8>| request(&Method::POST, "/hub/api/users/bob/server", Some(&authorization)).map(|_| Body::from(body));
    for (body, status) in [
        (b"{".to_vec(), StatusCode::BAD_REQUEST),
        (b"[1]".to_vec(), StatusCode::BAD_REQUEST),
        (b"{\"x\":\"\xff\"}".to_vec(), StatusCode::BAD_REQUEST),
        (vec![b' '; 100 << 10], StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        refused(&desk.ask(post(body)).await, status);
    }
    let long = format!("/hub/api/users?name_filter={}", "a".repeat(20 << 10));
    refused(&desk.ask(request(&Method::GET, &long, Some(&authorization))).await, StatusCode::URI_TOO_LONG);
    let mut large = request(&Method::GET, "/hub/api/user", Some(&authorization));
    large.headers_mut().insert("x-large", "a".repeat(60 << 10).parse().unwrap());
    refused(&desk.ask(large).await, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(desk.servers.asked(), [""; 0]);
}

#[tokio::test]
async fn wrong_tokens_are_told_to_wait_and_the_right_one_works_meanwhile() {
    let desk = desk().await;
    let right = token(&desk, &Maker::Host, &[Scope::ListUsers]).await;
    let mut last = StatusCode::OK;
    for _ in 0..40 {
        let answer = ask(&desk, &Method::GET, "/hub/api/users", &Token::random().unwrap()).await;
        last = answer.status;
        assert_eq!(last == StatusCode::TOO_MANY_REQUESTS, !answer.header("retry-after").is_empty());
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&desk, &Method::GET, "/hub/api/users", &right).await.status, StatusCode::OK);
}
