//! What an open JupyterLab is told: whose page, which words, and a number that changes with them.

use std::time::{Duration, SystemTime};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use hub_core::control::ServerPhase;

use super::desk::{Browser, Desk, view};
use crate::web::news_number;

async fn asked(browser: &mut Browser<'_>, key: &str, site: &str) -> (StatusCode, String) {
    let mut request = browser.request(Method::GET, "/hub/news", site, None);
    for (name, value) in [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("accept", "*/*")] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(format!("token {key}")).unwrap());
    let answer = browser.send(request).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn only_a_page_of_the_same_person_is_told() {
    let desk = Desk::with_config("[hub]\nannouncement = \"Exam at <b>noon</b>.\"\n").await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let headers = browser.request(Method::GET, "/", "none", None).headers().clone();
    let key = desk.people.sessions().find(&headers, false).unwrap().page_key();
    let (status, body) = asked(&mut browser, &key, "same-origin").await;
    assert_eq!(status, StatusCode::OK);
    let news: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(news["items"][0]["text"], "Exam at <b>noon</b>.");
    assert_eq!(asked(&mut browser, "wrong", "same-origin").await.0, StatusCode::FORBIDDEN);
    assert_eq!(asked(&mut browser, &key, "cross-site").await.0, StatusCode::FORBIDDEN);
    desk.people.log_out_everywhere(&"ada".parse().unwrap()).await.unwrap();
    browser.log_in("bob").await;
    assert_eq!(asked(&mut browser, &key, "same-origin").await.0, StatusCode::FORBIDDEN, "her page, his login");
    assert_eq!(asked(&mut desk.browser(), &key, "same-origin").await.0, StatusCode::FORBIDDEN, "no login");
}

#[tokio::test]
async fn the_number_changes_with_what_is_to_be_told() {
    let quiet = hub_core::config::parse("", "test").unwrap().hub;
    let mut loud = quiet.clone();
    loud.announcement = Some("Exam at noon.".to_owned());
    let mut server = view(ServerPhase::Running);
    assert_eq!(news_number(&quiet, &server), 0);
    let mut numbers = vec![0, news_number(&loud, &server)];
    for seconds in [0, 5] {
        server.memory_kills.count += 1;
        server.memory_kills.latest = Some(SystemTime::now() + Duration::from_secs(seconds));
        numbers.extend([news_number(&quiet, &server), news_number(&loud, &server)]);
    }
    server.stops_at = Some(SystemTime::now());
    numbers.push(news_number(&quiet, &server));
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 7, "{numbers:?}");
}

#[tokio::test]
async fn what_was_ended_for_want_of_memory_is_told() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let headers = browser.request(Method::GET, "/", "none", None).headers().clone();
    let key = desk.people.sessions().find(&headers, false).unwrap().page_key();
    assert_eq!(asked(&mut browser, &key, "same-origin").await.1, "{\"items\":[]}");
    let mut server = view(ServerPhase::Running);
    server.memory_kills.count = 1;
    server.memory_kills.latest = Some(SystemTime::now());
    server.memory_limit_bytes = Some(1 << 30);
    desk.servers.set("ada", server);
    let (_, body) = asked(&mut browser, &key, "same-origin").await;
    assert!(body.contains("was stopped") && body.contains("had used up its 1 GB of memory"), "{body}");
}

#[tokio::test]
async fn a_server_that_stops_soon_can_be_kept() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    desk.servers.asked();
    let mut server = view(ServerPhase::Running);
    desk.servers.set("ada", server.clone());
    assert!(!browser.get("/hub/home").await.text().contains("so it stops"));
    server.stops_at = Some(SystemTime::now() + Duration::from_secs(250));
    desk.servers.set("ada", server);
    let home = browser.get("/hub/home").await;
    assert!(home.text().contains("so it stops in 4 minutes.") && home.text().contains("Keep it running"), "{}", home.text());
    let headers = browser.request(Method::GET, "/", "none", None).headers().clone();
    let key = desk.people.sessions().find(&headers, false).unwrap().page_key();
    assert!(asked(&mut browser, &key, "same-origin").await.1.contains("\"keep\":true"));
    assert!(browser.post("/hub/keep", &[]).await.status.is_client_error(), "a form without its token");
    assert!(desk.servers.asked().is_empty());
    let token = home.hidden("token");
    assert_eq!(browser.post("/hub/keep", &[("token", &token)]).await.location(), "/hub/home");
    assert_eq!(desk.servers.asked(), ["touch ada"]);
}
