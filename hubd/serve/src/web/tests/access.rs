//! Who gets an answer at all, and what every answer has.

use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use hub_core::control::ServerPhase;

use super::desk::{Desk, Says, view};
use super::markup;

const PAGES: [&str; 9] =
    ["/", "/hub/login", "/hub/home", "/hub/password", "/hub/logout", "/hub/progress", "/hub/spawn", "/hub/clear", "/hub/nothing"];

#[tokio::test]
async fn protects_every_page_by_its_headers() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let logged_in = browser.cookies.clone();
    for page in PAGES.iter().chain(&["/hub/health", "/robots.txt", "/favicon.ico", "/elsewhere"]) {
        browser.cookies = logged_in.clone();
        let answer = browser.get_from_elsewhere(page).await;
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            ),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "strict-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{page}");
        }
        let kept = if *page == "/favicon.ico" { "public, max-age=86400" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), kept, "{page}");
    }
}

#[tokio::test]
async fn has_no_script_or_style_inside_its_pages() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    for page in PAGES {
        for element in markup::elements(&browser.get_from_elsewhere(page).await.body_or_empty()) {
            assert_ne!(element.name, "style", "{page}");
            assert!(element.name != "script" || element.attribute("src").is_some(), "{page}");
            let forbidden = |name: &str| name.starts_with("on") || name == "style";
            assert!(!element.attributes.iter().any(|(name, _)| forbidden(name)), "{page}: {element:?}");
        }
    }
}

#[tokio::test]
async fn answers_nothing_but_navigations() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    desk.servers.asked();
    for page in PAGES {
        for (mode, destination) in [
            ("cors", "empty"),
            ("no-cors", "image"),
            ("no-cors", "script"),
            ("navigate", "iframe"),
            ("navigate", "embed"),
            ("same-origin", "empty"),
        ] {
            let mut request = browser.request(Method::GET, page, "same-origin", None);
            request.headers_mut().insert("sec-fetch-mode", HeaderValue::from_static(mode));
            request.headers_mut().insert("sec-fetch-dest", HeaderValue::from_static(destination));
            assert_eq!(browser.send(request).await.status, StatusCode::FORBIDDEN, "{page} {mode} {destination}");
        }
    }
    assert_eq!(desk.servers.asked(), [""; 0]);
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK);
}

#[tokio::test]
async fn changes_nothing_by_a_head_request() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let request = browser.request(Method::HEAD, "/hub/logout", "same-origin", None);
    browser.send(request).await;
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK);
}

#[tokio::test]
async fn answers_programs_in_json() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.says = Says::Nothing;
    for (path, status) in [
        ("/hub/home", StatusCode::FORBIDDEN),
        ("/hub/nothing", StatusCode::NOT_FOUND),
        ("/hub/api/users", StatusCode::FORBIDDEN),
        ("/hub/api/nothing", StatusCode::NOT_FOUND),
        ("/hub/events", StatusCode::FORBIDDEN),
    ] {
        let mut request = browser.request(Method::GET, path, "none", None);
        request.headers_mut().insert("accept", HeaderValue::from_static("*/*"));
        let answer = browser.send(request).await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, body["status"].as_u64()), (status, Some(status.as_u16().into())), "{path}");
        assert!(body["message"].as_str().is_some_and(|message| message.len() > 10), "{path}: {body}");
    }
}

#[tokio::test]
async fn serves_its_files_for_ever_under_a_name_of_their_own() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let page = browser.get("/hub/login").await;
    let files: Vec<String> = markup::elements(&page.body)
        .iter()
        .filter_map(|element| element.attribute("src").or(element.attribute("href")))
        .filter(|address| address.starts_with("/hub/static/"))
        .map(str::to_owned)
        .collect();
    let ends: Vec<&str> = files.iter().map(|file| file.rsplit('/').next().unwrap()).collect();
    assert_eq!(ends, ["icon.svg", "hub.css", "hub.js", "icon.svg"]);
    for file in &files {
        let mut request = browser.request(Method::GET, file, "same-origin", None);
        request.headers_mut().insert("sec-fetch-mode", HeaderValue::from_static("no-cors"));
        request.headers_mut().insert("sec-fetch-dest", HeaderValue::from_static("style"));
        let answer = browser.send(request).await;
        assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "public, max-age=31536000, immutable"));
    }
    for file in ["/hub/static/0000000000000000/hub.css", "/hub/static/x/../hub.css", &files[1].replace("hub.css", "x")] {
        assert_eq!(browser.get(file).await.status, StatusCode::NOT_FOUND, "{file}");
    }
}

#[tokio::test]
async fn tells_whether_it_is_well() {
    let desk = Desk::new().await;
    let answer = desk.browser().get("/hub/health").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "{\"status\":\"ok\"}"));
}

#[tokio::test]
async fn tells_an_open_page_what_changes_until_the_session_ends() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    desk.servers.set("bob", view(ServerPhase::Failed));
    let token = browser.get("/hub/home").await.hidden("token");
    let mut request = browser.request(Method::GET, &format!("/hub/events?token={token}"), "same-origin", None);
    request.headers_mut().insert("sec-fetch-mode", HeaderValue::from_static("cors"));
    request.headers_mut().insert("sec-fetch-dest", HeaderValue::from_static("empty"));
    let response = desk.open(request).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(30), body.frame()).await.unwrap();
        frame.map(|frame| String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
    };
    assert!(next().await.unwrap().contains("\"phase\":\"starting\""));
    desk.servers.set("ada", view(ServerPhase::Running));
    assert!(next().await.unwrap().contains("\"phase\":\"running\""));
    desk.people.set_blocked(&"ada".parse().unwrap(), true).await.unwrap();
    assert!(next().await.unwrap().starts_with("event: over\ndata: over"));
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn tells_a_page_of_somebody_elses_nothing_about_a_server() {
    let desk = Desk::with_config("[apps.refine]\ncommand = [\"/usr/bin/refine\", \"{socket}\"]\n").await;
    let mut browser = desk.browser();
    browser.log_in("bob").await;
    let bobs = browser.get("/hub/home").await.hidden("token");
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    for path in ["/hub/events", "/hub/apps/refine/events"] {
        for query in [String::new(), "?token=".to_owned(), format!("?token={bobs}")] {
            let answer = browser.send(browser.request(Method::GET, &format!("{path}{query}"), "same-origin", None)).await;
            assert_ne!(answer.headers["content-type"], "text/event-stream", "{path}{query}");
            assert!(answer.status.is_client_error(), "{path}{query}: {}", answer.status);
        }
    }
}

#[tokio::test]
async fn tells_other_sites_nothing_about_a_server() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    for site in ["cross-site", "same-site", "none"] {
        let request = browser.request(Method::GET, "/hub/events", site, None);
        assert_eq!(browser.send(request).await.status, StatusCode::FORBIDDEN, "{site}");
    }
}

#[tokio::test]
async fn refuses_addresses_without_end() {
    let desk = Desk::new().await;
    for (path, status) in [
        (format!("/hub/{}", "x".repeat(20_000)), StatusCode::URI_TOO_LONG),
        (format!("/hub/user-redirect/{}", "x".repeat(5000)), StatusCode::URI_TOO_LONG),
    ] {
        assert_eq!(desk.browser().get(&path).await.status, status);
    }
}
