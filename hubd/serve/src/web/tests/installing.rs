//! The page on which an install can be watched.

use std::fs::File;
use std::io::Write;

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use hub_core::config;
use hub_core::installing::News;
use hub_core::token::Token;
use tower::ServiceExt;

use crate::web::{Installing, installing_router};

struct Watched {
    token: Token,
    writer: File,
    path: tempfile::TempPath,
    claims: bool,
}

impl Watched {
    fn new(claims: bool) -> Self {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let writer = File::options().append(true).open(&path).unwrap();
        writer.lock().unwrap();
        Self { token: Token::random().unwrap(), writer, path, claims }
    }

    fn tell(&mut self, done: usize, problem: Option<&str>) {
        let news = News { done, total: 40, title: "units <&> more".into(), problem: problem.map(str::to_owned) };
        writeln!(self.writer, "{}", serde_json::to_string(&news).unwrap()).unwrap();
    }

    async fn get(&self, path: &str) -> (StatusCode, bool, String) {
        let hub = config::Hub { name: "Statistics 1".into(), url: None, announcement: None };
        let news = File::open(&self.path).unwrap();
        let router = installing_router(Installing { hub, news, link: self.token.hash(), claims: self.claims });
        let request = Request::get(path).header("accept", "text/html").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        assert!(parts.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        (parts.status, parts.headers.contains_key("hubd-installing"), text)
    }

    async fn page(&self) -> String {
        let (status, marked, text) = self.get(&format!("/hub/link/{}", self.token.as_str())).await;
        assert_eq!((status, marked), (StatusCode::OK, true));
        text
    }
}

#[tokio::test]
async fn shows_how_far_it_is_and_leads_to_the_link() {
    let mut watched = Watched::new(true);
    watched.tell(3, None);
    let page = watched.page().await;
    assert!(
        page.contains("Step 4 of 40") && page.contains("units &#60;&#38;&#62; more") && page.contains("Statistics 1"),
        "{page}"
    );
    assert!(page.contains(&format!("data-next=\"/hub/link/{}\"", watched.token.as_str())), "{page}");
    watched.tell(20, None);
    assert!(watched.page().await.contains("50 percent done"));
}

#[tokio::test]
async fn whoever_has_a_password_is_led_to_the_login() {
    let page = Watched::new(false).page().await;
    assert!(page.contains("data-next=\"/hub/login\"") && page.contains("data-ready=\"/hub/health\""), "{page}");
}

#[tokio::test]
async fn says_why_it_stopped_also_when_nobody_could() {
    let mut watched = Watched::new(true);
    watched.tell(3, Some("installing units: <disk> full"));
    let page = watched.page().await;
    assert!(page.contains("The install has stopped") && page.contains("installing units: &#60;disk&#62; full"), "{page}");
    watched.tell(3, None);
    assert!(!watched.page().await.contains("has stopped"));
    watched.writer.unlock().unwrap();
    assert!(watched.page().await.contains("The installer was ended from outside."));
}

#[tokio::test]
async fn shows_nothing_to_others() {
    let watched = Watched::new(true);
    let other = format!("/hub/link/{}", Token::random().unwrap().as_str());
    for (path, expected) in [
        (other.as_str(), StatusCode::NOT_FOUND),
        ("/hub/link/x", StatusCode::NOT_FOUND),
        ("/", StatusCode::SERVICE_UNAVAILABLE),
        ("/hub/login", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let (status, marked, text) = watched.get(path).await;
        assert_eq!((status, marked), (expected, true), "{path}");
        assert!(!text.contains("Step "), "{path}: {text}");
    }
}
