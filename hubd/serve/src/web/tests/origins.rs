//! Who may send forms: our own pages, with the visitor's own token.

use http::{HeaderValue, Method, StatusCode};

use super::desk::{Browser, Desk, PASSWORD, Says};

/// Every address that changes something, with fields that would do.
const CHANGES: [(&str, &[(&str, &str)]); 5] = [
    ("/hub/logout", &[]),
    ("/hub/spawn", &[]),
    ("/hub/stop", &[]),
    ("/hub/restart", &[]),
    ("/hub/password", &[("current", PASSWORD), ("password", "a new password"), ("repeat", "a new password")]),
];

/// Whether nothing has happened to ada.
async fn is_untouched(desk: &Desk, browser: &mut Browser<'_>) -> bool {
    desk.servers.asked().is_empty() && browser.get("/hub/home").await.status == StatusCode::OK
}

#[tokio::test]
async fn refuses_every_change_without_the_sessions_own_token() {
    let desk = Desk::new().await;
    let (mut ada, mut bob) = (desk.browser(), desk.browser());
    ada.log_in("ada").await;
    bob.log_in("bob").await;
    desk.servers.asked();
    let foreign = bob.get("/hub/home").await.hidden("token");
    let own = ada.get("/hub/home").await.hidden("token");
    let outside = desk.browser().get("/hub/login").await.hidden("token");
    let cut = own[..42].to_owned();
    for (path, fields) in CHANGES {
        for token in ["", "x", &foreign, &outside, &cut] {
            let fields: Vec<_> = fields.iter().copied().chain([("token", token)]).collect();
            assert_eq!(ada.post(path, &fields).await.status, StatusCode::FORBIDDEN, "{path} with {token:?}");
        }
        assert_eq!(ada.post(path, fields).await.status, StatusCode::FORBIDDEN, "{path} without a token");
        assert!(is_untouched(&desk, &mut ada).await, "{path}");
    }
}

/// Every combination of what browsers say: with the right token only what comes from our own pages passes.
#[tokio::test]
async fn refuses_every_change_from_elsewhere() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    desk.servers.asked();
    let token = browser.get("/hub/home").await.hidden("token");
    let sites = [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none")];
    let modes = [None, Some("navigate"), Some("no-cors"), Some("cors"), Some("same-origin")];
    let destinations = [None, Some("document"), Some("iframe"), Some("empty")];
    let origins =
        [None, Some("http://hub.example.org"), Some("null"), Some("https://evil.example"), Some("http://hub.example.org:8000")];
    let mut passed = 0;
    for (path, fields) in CHANGES.iter().filter(|(path, _)| *path != "/hub/logout" && *path != "/hub/password") {
        for (site, mode, destination, origin) in product(&sites, &modes, &destinations, &origins) {
            let fields: Vec<_> = fields.iter().copied().chain([("token", token.as_str())]).collect();
            let mut request = browser.request(Method::POST, path, "same-origin", Some(&fields));
            for (name, value) in
                [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", destination), ("origin", origin)]
            {
                match value {
                    Some(value) => drop(request.headers_mut().insert(name, HeaderValue::from_static(value))),
                    None => drop(request.headers_mut().remove(name)),
                }
            }
            let ours = matches!(site, None | Some("same-origin"))
                && matches!(mode, None | Some("navigate"))
                && matches!(destination, None | Some("document"))
                && matches!(origin, None | Some("http://hub.example.org"));
            let answer = browser.send(request).await;
            let expected = if ours { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN };
            assert_eq!(answer.status, expected, "{path} {site:?} {mode:?} {destination:?} {origin:?}");
            assert_eq!(!desk.servers.asked().is_empty(), ours, "{path} {site:?} {mode:?} {destination:?} {origin:?}");
            passed += usize::from(ours);
        }
    }
    assert_eq!(passed, 3 * 16);
}

type Said = Option<&'static str>;

fn product(sites: &[Said], modes: &[Said], destinations: &[Said], origins: &[Said]) -> Vec<(Said, Said, Said, Said)> {
    let mut all = Vec::new();
    for site in sites {
        for mode in modes {
            for destination in destinations {
                all.extend(origins.iter().map(|origin| (*site, *mode, *destination, *origin)));
            }
        }
    }
    all
}

#[tokio::test]
async fn refuses_other_methods_from_elsewhere_too() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::POST, Method::OPTIONS] {
        for path in ["/hub/home", "/hub/spawn", "/hub/logout", "/hub/nothing"] {
            let request = browser.request(method.clone(), path, "cross-site", Some(&[]));
            assert_eq!(browser.send(request).await.status, StatusCode::FORBIDDEN, "{method} {path}");
        }
    }
    let request = browser.request(Method::DELETE, "/hub/home", "same-origin", None);
    let answer = browser.send(request).await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD"));
}

#[tokio::test]
async fn logs_nobody_in_for_another_site() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let token = browser.get("/hub/login").await.hidden("token");
    let fields = [("username", "ada"), ("password", PASSWORD), ("token", token.as_str())];
    let mut stranger = desk.browser();
    stranger.get("/hub/login").await;
    for says in [Says::Everything, Says::OriginOnly, Says::Nothing] {
        (browser.says, stranger.says) = (says, says);
        assert_eq!(stranger.post("/hub/login", &fields).await.status, StatusCode::FORBIDDEN, "somebody else's token");
        if says != Says::Nothing {
            let request = browser.request(Method::POST, "/hub/login", "cross-site", Some(&fields));
            assert_eq!(browser.send(request).await.status, StatusCode::FORBIDDEN, "{says:?}");
        }
    }
    assert_eq!(desk.people.session_count(), 0);
    let answer = stranger.post("/hub/login", &fields).await;
    assert_eq!(answer.hidden("token"), stranger.get("/hub/login").await.hidden("token"), "the answer has a form that works");
    assert!(!answer.body.contains(PASSWORD));
    assert!(answer.body.contains("value=\"ada\""), "the name is still there");
}
