//! One browser, one person after another: what the second one's browser forgets, and which pages of the first go on.

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use hub_core::accounts::Username;
use hub_core::control::ServerPhase;

use super::desk::{Answer, Browser, Desk, view};

fn ada() -> Username {
    "ada".parse().unwrap()
}

fn forgets(answer: &Answer) -> &str {
    answer.header("clear-site-data")
}

/// The key that pages of the browser's session have.
fn key_of(browser: &Browser<'_>) -> String {
    let headers = browser.request(Method::GET, "/", "none", None).headers().clone();
    browser.desk.people.sessions().find(&headers, browser.https).unwrap().page_key()
}

/// What our script in a page with `key` asks, and is told.
async fn asked(browser: &mut Browser<'_>, key: &str, site: &str) -> (StatusCode, String, String) {
    let mut request = browser.request(Method::GET, "/hub/key", site, None);
    for (name, value) in [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("accept", "*/*")] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(format!("token {key}")).unwrap());
    let answer = browser.send(request).await;
    let word = answer.header("x-hubd-problem").to_owned();
    (answer.status, word, answer.body)
}

#[tokio::test]
async fn a_browser_forgets_what_pages_stored_when_another_person_comes() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    assert_eq!(forgets(&browser.log_in("ada").await), "\"storage\"", "nobody knows who was there before");
    assert_eq!(forgets(&browser.get("/hub/home").await), "");
    desk.people.log_out_everywhere(&ada()).await.unwrap();
    assert_eq!(forgets(&browser.log_in("ada").await), "", "her own login ended, and she is back");
    desk.people.log_out_everywhere(&ada()).await.unwrap();
    assert_eq!(forgets(&browser.log_in("bob").await), "\"storage\"");
    let token = browser.get("/hub/home").await.hidden("token");
    let out = browser.post("/hub/logout", &[("token", &token)]).await;
    assert_eq!((out.location(), forgets(&out)), ("/hub/login?after=logout", "\"storage\""));
}

#[tokio::test]
async fn below_a_path_of_a_shared_host_nothing_of_the_others_is_forgotten() {
    let desk = Desk::with_config("[hub]\nurl = \"https://school.example/jupyter\"\n").await;
    let mut browser = desk.browser();
    assert_eq!(forgets(&browser.log_in("ada").await), "");
    let token = browser.get("/hub/home").await.hidden("token");
    assert_eq!(forgets(&browser.post("/hub/logout", &[("token", &token)]).await), "");
}

#[tokio::test]
async fn a_page_goes_on_when_its_person_is_back_and_with_nobody_else() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let first = key_of(&browser);
    desk.servers.set("ada", view(ServerPhase::Running));
    let told = |key: &str, running| format!("{{\"key\":\"{key}\",\"running\":{running}}}");
    assert_eq!(asked(&mut browser, &first, "same-origin").await, (StatusCode::OK, String::new(), told(&first, true)));
    assert_eq!(asked(&mut browser, &first, "cross-site").await.0, StatusCode::FORBIDDEN);

    desk.people.log_out_everywhere(&ada()).await.unwrap();
    let (status, word, body) = asked(&mut browser, &first, "same-origin").await;
    assert_eq!((status, word.as_str(), body.contains("key\":")), (StatusCode::FORBIDDEN, "logged-out", false));

    browser.log_in("bob").await;
    let bobs = key_of(&browser);
    let (status, word, body) = asked(&mut browser, &first, "same-origin").await;
    assert_eq!((status, word.as_str(), body.contains(&bobs)), (StatusCode::FORBIDDEN, "somebody-else", false));
    for unknown in ["", "x", &"k".repeat(43)] {
        assert_eq!(asked(&mut browser, unknown, "same-origin").await.1, "stale-page", "{unknown}");
    }

    desk.people.log_out_everywhere(&"bob".parse().unwrap()).await.unwrap();
    browser.log_in("ada").await;
    let second = key_of(&browser);
    assert_ne!(first, second);
    desk.servers.set("ada", view(ServerPhase::Stopped));
    assert_eq!(asked(&mut browser, &first, "same-origin").await, (StatusCode::OK, String::new(), told(&second, false)));
    assert_eq!(asked(&mut browser, &bobs, "same-origin").await.1, "somebody-else");
}
