//! What forms may hold, and what the answers give away.

use axum::body::Body;
use futures_util::FutureExt;
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::desk::{Desk, PASSWORD};
use crate::auth::Maker;
use crate::listen::Client;

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn accepts_forms_by_the_address_in_the_configuration() {
    let desk = Desk::with_config("[hub]\nurl = \"https://hub.example.com\"\n").await;
    let mut browser = desk.browser();
    let token = browser.get("/hub/login").await.hidden("token");
    let fields = [("username", "ada"), ("password", PASSWORD), ("token", token.as_str())];
    for (origin, status) in [
        ("https://hub.example.com", StatusCode::SEE_OTHER),
        ("http://hub.example.com", StatusCode::FORBIDDEN),
        ("https://hub.example.com.evil.example", StatusCode::FORBIDDEN),
    ] {
        let mut request = browser.request(Method::POST, "/hub/login", "same-origin", Some(&fields));
        request.headers_mut().insert("origin", HeaderValue::from_static(origin));
        assert_eq!(browser.send(request).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn answers_the_same_for_a_wrong_password_and_a_name_nobody_has() {
    let desk = Desk::new().await;
    desk.people.add(&"eve".parse().unwrap(), None, &Maker::Host).await.unwrap();
    desk.people.set_blocked(&"bob".parse().unwrap(), true).await.unwrap();
    let mut browser = desk.browser();
    let mut answers = Vec::new();
    for name in ["ada", "zoe", "eve", "bob", "a/b"] {
        let answer = browser.fill("/hub/login", "/hub/login", &[("username", name), ("password", "wrong password")]).await;
        let mut headers: Vec<_> = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.sort();
        answers.push((
            answer.status,
            headers,
            answer.body.replace(&format!("value=\"{name}\""), "value=\"NAME\"").replace("a&#x2f;b", "NAME"),
        ));
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    for answer in &answers[1..] {
        assert_eq!(*answer, answers[0]);
    }
}

#[tokio::test]
async fn tells_a_blocked_person_who_knows_the_password() {
    let desk = Desk::new().await;
    desk.people.set_blocked(&"bob".parse().unwrap(), true).await.unwrap();
    let answer = desk.browser().fill("/hub/login", "/hub/login", &[("username", "bob"), ("password", PASSWORD)]).await;
    assert_eq!((answer.status, answer.text().contains("switched off")), (StatusCode::FORBIDDEN, true));
}

#[tokio::test]
async fn stops_guessing_and_says_for_how_long() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let token = browser.get("/hub/login").await.hidden("token");
    for name in ["ada", "zoe"] {
        let wrong = [("username", name), ("password", "wrong password"), ("token", token.as_str())];
        for _ in 0..10 {
            assert_eq!(browser.post("/hub/login", &wrong).await.status, StatusCode::UNAUTHORIZED);
        }
        for _ in 0..20 {
            let answer = browser.post("/hub/login", &wrong).await;
            assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "31"), "{name}");
            assert!(answer.text().contains("Please wait 31 seconds and try again."), "{}", answer.text());
        }
    }
    let mut elsewhere = desk.browser();
    elsewhere.address = "198.51.100.1".parse().unwrap();
    elsewhere.log_in("ada").await;
    desk.clock.advance(std::time::Duration::from_secs(30));
    browser.log_in("ada").await;
}

#[tokio::test]
async fn begins_a_new_session_at_every_login() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let planted = "a".repeat(43);
    browser.cookies.insert("hubd-session".to_owned(), planted.clone());
    browser.log_in("ada").await;
    let first = browser.cookies["hubd-session"].clone();
    assert_ne!(first, planted);
    let before = browser.cookies.clone();
    let token = {
        let mut fresh = desk.browser();
        fresh.cookies.insert("hubd-form".to_owned(), browser.cookies["hubd-form"].clone());
        fresh.get("/hub/login").await.hidden("token")
    };
    let fields = [("username", "bob"), ("password", PASSWORD), ("token", token.as_str())];
    assert_eq!(browser.post("/hub/login", &fields).await.status, StatusCode::SEE_OTHER);
    assert!(browser.get("/hub/home").await.text().contains("You are logged in as bob"));
    browser.cookies = before;
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::SEE_OTHER, "the session before must have ended");
}

#[tokio::test]
async fn sets_its_cookies_as_tight_as_they_go() {
    let desk = Desk::new().await;
    for (https, session, form, secure) in
        [(false, "hubd-session=", "hubd-form=", ""), (true, "__Host-hubd-session=", "__Host-hubd-form=", "; Secure")]
    {
        let mut browser = desk.browser();
        browser.https = https;
        let page = browser.get("/hub/login").await;
        let cookie = page.header("set-cookie");
        assert!(cookie.starts_with(form) && cookie.ends_with(&format!("; Path=/; HttpOnly; SameSite=Lax{secure}")), "{cookie}");
        let cookies: Vec<_> = browser.log_in("ada").await.headers.get_all("set-cookie").iter().cloned().collect();
        let [first, second] = &cookies[..] else { panic!("{cookies:?}") };
        let expected = format!("; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax{secure}");
        for (cookie, name) in [(first, session.to_owned()), (second, session.replace("session", "browser"))] {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.starts_with(&name) && cookie.ends_with(&expected), "{cookie}");
        }
    }
}

#[tokio::test]
async fn removes_planted_cookies_at_login() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let token = browser.get("/hub/login").await.hidden("token");
    let fields = [("username", "ada"), ("password", PASSWORD), ("token", token.as_str())];
    let mut request = browser.request(Method::POST, "/hub/login", "same-origin", Some(&fields));
    let planted = format!("hubd-session={0}; hubd-session={0}; hubd-form={1}", "a".repeat(43), browser.cookies["hubd-form"]);
    request.headers_mut().insert("cookie", planted.parse().unwrap());
    let answer = browser.send(request).await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    for path in ["/hub", "/hub/", "/user", "/user/", "/user/ada", "/user/ada/"] {
        let gone = format!("hubd-session=; Path={path}; Max-Age=0; HttpOnly; SameSite=Lax");
        assert!(cookies.contains(&gone.as_str()), "{path}: {cookies:?}");
    }
}

#[tokio::test]
async fn refuses_forms_that_no_page_of_ours_sends() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let token = browser.get("/hub/login").await.hidden("token");
    let long_name = "x".repeat(30_000);
    for (body, content_type, status) in [
        ("username=ada".to_owned(), "text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("username=ada".to_owned(), "multipart/form-data; boundary=x", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("{}".to_owned(), "application/json", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("username=%ff&password=x".to_owned(), "application/x-www-form-urlencoded", StatusCode::BAD_REQUEST),
        ("username=a&username=b".to_owned(), "application/x-www-form-urlencoded", StatusCode::BAD_REQUEST),
        (format!("username=a&password=%ff&token={token}"), "application/x-www-form-urlencoded", StatusCode::BAD_REQUEST),
        (
            format!("username=a&password=x%00y&token={token}"),
            "application/x-www-form-urlencoded; charset=UTF-8",
            StatusCode::BAD_REQUEST,
        ),
        (format!("username=a&password=&token={token}"), "application/x-www-form-urlencoded", StatusCode::BAD_REQUEST),
        (
            format!("username=a&token={token}&password={}", "x".repeat(1025)),
            "application/x-www-form-urlencoded",
            StatusCode::BAD_REQUEST,
        ),
        (format!("username={long_name}&token={token}&password=x"), "application/x-www-form-urlencoded", StatusCode::UNAUTHORIZED),
        ("x".repeat(1 << 20), "application/x-www-form-urlencoded", StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let mut request = browser.request(Method::POST, "/hub/login", "same-origin", Some(&[]));
        request.headers_mut().insert("content-type", HeaderValue::from_str(content_type).unwrap());
        let shown = body[..body.len().min(60)].to_owned();
        *request.body_mut() = Body::from(body);
        assert_eq!(browser.send(request).await.status, status, "{shown}");
    }
}

#[tokio::test]
async fn gives_a_way_out_of_too_many_cookies() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    for number in 0..20 {
        browser.cookies.insert(format!("bomb{number}"), "x".repeat(4000));
    }
    let answer = browser.get("/hub/home").await;
    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(!answer.headers.contains_key("clear-site-data"), "logins of the whole domain would end");
    assert!(answer.body.contains("href=\"/hub/clear\""));
    assert_eq!(browser.get("/hub/clear").await.status, StatusCode::OK);
    let cleared = browser.post("/hub/clear", &[]).await;
    assert_eq!((cleared.location(), cleared.headers.contains_key("clear-site-data")), ("/hub/login", false));
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies.keys());
    browser.log_in("ada").await;
    let request = browser.request(Method::POST, "/hub/clear", "cross-site", Some(&[]));
    assert_eq!(browser.send(request).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn cookies_of_other_apps_keep_nobody_out() {
    let desk = Desk::new().await;
    let large = "z".repeat(50_000);
    let cookies =
        [("café", "1"), ("lang", "日本語"), ("HUBD-FORM", "x"), ("Hubd-Session", "y"), ("", "="), ("big", large.as_str())];
    for (name, value) in cookies {
        let mut browser = desk.browser();
        browser.cookies.insert(name.to_owned(), value.to_owned());
        let answer = browser.log_in("ada").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}");
        assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn refuses_a_request_without_a_client() {
    let desk = Desk::new().await;
    let mut request = desk.browser().request(Method::GET, "/hub/login", "none", None);
    request.extensions_mut().remove::<Client>();
    let answer = desk.ask(request).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.body.contains("client"), "the page tells what went wrong inside: {}", answer.body);
}

/// A form may take its time to arrive. Whoever is blocked meanwhile does nothing more.
#[tokio::test]
async fn does_nothing_for_a_session_that_ended_while_the_form_was_on_its_way() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let token = browser.get("/hub/home").await.hidden("token");
    let mut request = browser.request(Method::POST, "/hub/spawn", "same-origin", Some(&[]));
    let (send, rest) = tokio::sync::oneshot::channel::<String>();
    *request.body_mut() = Body::from_stream(futures_util::stream::once(rest));
    desk.servers.asked();
    let ask = desk.ask(request);
    tokio::pin!(ask);
    // The head is read, and the body waited for.
    assert!(ask.as_mut().now_or_never().is_none());
    desk.people.set_blocked(&"ada".parse().unwrap(), true).await.unwrap();
    send.send(format!("token={token}")).unwrap();
    assert_eq!(ask.await.status, StatusCode::FORBIDDEN);
    assert_eq!(desk.servers.asked(), Vec::<String>::new());
}
