//! Whatever people and servers say stays text: a page with hostile words in it has the same elements as one without.

use http::StatusCode;
use hub_core::control::ServerPhase;

use super::desk::{Answer, Desk, view};
use super::{forms, markup};
use crate::servers::{Failure, View};
use crate::web::Problem;

const HOSTILE: [&str; 7] = [
    "\"><img src=x onerror=alert(1)>",
    "'><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</pre></section><form action=//evil><input name=password>",
    "&lt;b&gt;&#34;&quot;&amp;",
    "\" autofocus onfocus=\"alert(1)",
    "{{7*7}}${7*7}<!-- --><![CDATA[",
];

fn shape(body: &str) -> Vec<String> {
    markup::elements(body).iter().map(markup::Element::shape).collect()
}

async fn login_with_name(desk: &Desk, name: &str) -> Answer {
    desk.browser().fill("/hub/login", "/hub/login", &[("username", name), ("password", "wrong password")]).await
}

#[tokio::test]
async fn keeps_names_as_text() {
    let desk = Desk::new().await;
    let harmless = login_with_name(&desk, "zoe").await;
    for name in HOSTILE {
        let answer = login_with_name(&desk, name).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(shape(&answer.body), shape(&harmless.body), "{name}");
        let elements = markup::elements(&answer.body);
        let field = elements.iter().find(|element| element.attribute("name") == Some("username")).unwrap();
        assert_eq!(field.attribute("value"), Some(name.to_ascii_lowercase().as_str()), "what was typed is still there");
    }
}

#[tokio::test]
async fn keeps_addresses_as_text() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let harmless = browser.get("/hub/login?next=/x").await;
    for text in HOSTILE {
        let next = format!("/user/ada/{}", text.replace(' ', "+"));
        let answer = browser.get(&format!("/hub/login?next={}", forms::encoded(&next))).await;
        assert_eq!(shape(&answer.body), shape(&harmless.body), "{text}");
        assert_eq!(answer.hidden("next"), next);
    }
    browser.log_in("ada").await;
    let harmless = browser.get("/hub/progress?next=/user/ada/x").await;
    for text in HOSTILE {
        let next = forms::encoded(&format!("/user/ada/{}", text.replace(' ', "+")));
        for (page, harmless) in [(format!("/hub/progress?next={next}"), &harmless)] {
            assert_eq!(shape(&browser.get(&page).await.body), shape(&harmless.body), "{page}");
        }
    }
}

#[tokio::test]
async fn keeps_what_servers_say_as_text() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let failed = |text: &str| View {
        message: text.to_owned(),
        failure: Some(Failure {
            summary: text.to_owned(),
            hint: Some(text.to_owned()),
            log: vec![text.to_owned(), text.to_owned()],
            is_inside: true,
        }),
        unit: text.to_owned(),
        ..view(ServerPhase::Failed)
    };
    for page in ["/hub/home", "/hub/progress"] {
        desk.servers.set("ada", failed("harmless"));
        let harmless = browser.get(page).await;
        for text in HOSTILE {
            desk.servers.set("ada", failed(text));
            let answer = browser.get(page).await;
            assert_eq!(shape(&answer.body), shape(&harmless.body), "{text}");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(answer.text().contains(&format!("{words} {words}")), "{text}");
        }
    }
}

#[tokio::test]
async fn keeps_the_hubs_name_as_text() {
    for text in HOSTILE {
        let name: String = text.chars().take(60).collect();
        let desk = Desk::with_config(&format!("[hub]\nname = {}\n", toml::Value::String(name.clone()))).await;
        let answer = desk.browser().get("/hub/login").await;
        let harmless = Desk::new().await.browser().get("/hub/login").await;
        assert_eq!(shape(&answer.body), shape(&harmless.body), "{text}");
        assert!(answer.text().contains(&name.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
}

#[tokio::test]
async fn keeps_the_announcement_as_text_on_every_page() {
    for text in HOSTILE {
        let config = format!("[hub]\nannouncement = {}\n", toml::Value::String((*text).to_owned()));
        let (desk, harmless) = (Desk::with_config(&config).await, Desk::with_config("[hub]\nannouncement = \"x\"\n").await);
        for path in ["/hub/login", "/hub/clear", "/hub/no-such-page"] {
            let (answer, plain) = (desk.browser().get(path).await, harmless.browser().get(path).await);
            assert_eq!(shape(&answer.body), shape(&plain.body), "{text} at {path}");
            assert!(answer.text().contains(&text.split_whitespace().collect::<Vec<_>>().join(" ")), "{text} at {path}");
            let elements = markup::elements(&answer.body);
            let shown = elements.iter().find(|element| element.attribute("class") == Some("announcement")).unwrap();
            assert_eq!(shown.attribute("role"), Some("status"));
        }
    }
    let silent = Desk::new().await;
    assert!(!silent.browser().get("/hub/login").await.body.contains("announcement"));
}

#[tokio::test]
async fn keeps_problems_as_text() {
    for text in HOSTILE {
        let path = format!("/user/ada/{text}");
        let around = hub_core::config::Hub { name: text.to_owned(), url: None, announcement: Some(text.to_owned()) };
        let answer = Problem::not_running(&path).answer(&around, None, true);
        assert_eq!(answer.status(), StatusCode::FAILED_DEPENDENCY);
        let body = String::from_utf8(axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap();
        let elements = markup::elements(&body);
        let link = elements.iter().find(|element| element.attribute("class") == Some("button")).unwrap();
        assert_eq!(link.attribute("href"), Some(format!("/hub/spawn?next={}", forms::encoded(&path)).as_str()));
        assert!(
            elements.iter().all(|element| !matches!(element.name.as_str(), "img" | "form") || element.attribute("alt").is_some())
        );
    }
}

/// Nothing in a template may switch the escaping off.
#[test]
fn escapes_everything_in_every_template() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
    let mut seen = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().and_then(|extension| extension.to_str()), Some("html"), "only .html is escaped: {path:?}");
        let text = std::fs::read_to_string(&path).unwrap();
        for forbidden in ["|safe", "| safe", "escape(", "<script>", "style=", "{% filter"] {
            assert!(!text.contains(forbidden), "{forbidden} in {path:?}");
        }
        seen += 1;
    }
    assert!(seen >= 9, "{seen} templates");
}
