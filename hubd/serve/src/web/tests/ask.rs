//! The question before a link does something on a server.

use http::StatusCode;
use hub_core::control::ServerPhase;

use super::desk::{Desk, PASSWORD, Says, view};
use super::forms::encoded;

const COPY: &str = "/user/ada/git-pull?repo=https%3A%2F%2Fgit.example%2Fa%2Fcourse&branch=main&urlpath=lab/tree/course/a.ipynb";

#[tokio::test]
async fn says_what_a_link_would_copy_and_does_it_after_a_yes() {
    let desk = Desk::new().await;
    desk.servers.set("ada", view(ServerPhase::Running));
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let link = COPY.replace("/user/ada/", "/hub/user-redirect/");
    let question = browser.get_from_elsewhere(&link).await.location().to_owned();
    assert_eq!(question, format!("/hub/ask?next={}", encoded(COPY)));
    let page = browser.get_from_elsewhere(&question).await;
    assert_eq!((page.status, page.hidden("next")), (StatusCode::OK, COPY.to_owned()));
    for said in ["git.example", "https://git.example/a/course", "main", "course", "lab/tree/course/a.ipynb", "Copy it", "Not now"]
    {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    let session = desk.people.sessions();
    let key = session.find(&browser.request(http::Method::GET, "/", "none", None).headers().clone(), false).unwrap().page_key();
    assert!(!desk.people.consents().has(&key, COPY));
    let refused = browser.post("/hub/ask", &[("next", COPY), ("token", "guessed")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!desk.people.consents().has(&key, COPY));
    assert_eq!(browser.post("/hub/ask", &[("next", COPY), ("token", &page.hidden("token"))]).await.location(), COPY);
    assert!(desk.people.consents().has(&key, COPY) && !desk.people.consents().has("", COPY));
}

#[tokio::test]
async fn a_server_that_does_not_run_is_started_after_the_yes() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    desk.servers.set("ada", view(ServerPhase::Stopped));
    desk.servers.asked();
    let page = browser.get_from_elsewhere(&format!("/hub/ask?next={}", encoded(COPY))).await;
    assert_eq!(desk.servers.asked(), [""; 0]);
    let token = page.hidden("token");
    let progress = browser.post("/hub/ask", &[("next", COPY), ("token", &token)]).await.location().to_owned();
    assert_eq!(
        (progress.clone(), desk.servers.asked()),
        (format!("/hub/progress?next={}", encoded(COPY)), vec!["ensure ada".to_owned()])
    );
    desk.servers.set("ada", view(ServerPhase::Running));
    assert_eq!(browser.get(&progress).await.location(), COPY);
}

#[tokio::test]
async fn hidden_folders_are_refused_with_the_reason() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    for (query, why) in [
        ("repo=https://x/a&targetpath=.ipython/profile_default/startup", "hidden folder"),
        ("repo=https://x/.ipython", "hidden folder"),
        ("repo=https://x/a&targetpath=a/../.b", "hidden folder"),
        ("repo=https://x/a&targetpath=/tmp/x", "outside of yours"),
        ("repo=https://x/a&targetpath=a&targetpath=.b", "twice"),
        ("targetpath=a", "no repository"),
        ("repo=ext::sh", "not the address of a repository"),
    ] {
        let next = format!("/user/ada/git-pull?{query}");
        let page = browser.get(&format!("/hub/ask?next={}", encoded(&next))).await;
        assert!(page.status == StatusCode::FORBIDDEN && page.text().contains(why), "{query}: {}", page.text());
        let token = browser.get("/hub/home").await.hidden("token");
        assert_eq!(
            browser.post("/hub/ask", &[("next", &next), ("token", &token)]).await.status,
            StatusCode::FORBIDDEN,
            "{query}"
        );
    }
}

/// Every page of the hub that leads on to what somebody else may have written.
#[tokio::test]
async fn no_page_of_the_hub_leads_on_without_the_question() {
    for says in [Says::Everything, Says::OriginOnly] {
        let desk = Desk::new().await;
        desk.servers.set("ada", view(ServerPhase::Running));
        let mut browser = desk.browser();
        browser.says = says;
        for (next, leads) in [
            (COPY, format!("/hub/ask?next={}", encoded(COPY))),
            ("/user/ada/voila/render/a.ipynb", format!("/hub/ask?next={}", encoded("/user/ada/voila/render/a.ipynb"))),
            ("/hub/user-redirect/rstudio/", format!("/hub/ask?next={}", encoded("/user/ada/rstudio/"))),
            ("/user/ada/git-pull/api?repo=https://x/a&targetpath=a", "/user/ada/lab".to_owned()),
            ("/user/ada/api/contents", "/user/ada/lab".to_owned()),
            ("/user/ada/lab/tree/a", "/user/ada/lab/tree/a".to_owned()),
        ] {
            browser.cookies.clear();
            let fields = [("username", "ada"), ("password", PASSWORD), ("next", next)];
            assert_eq!(browser.fill("/hub/login", "/hub/login", &fields).await.location(), leads, "after a login: {next}");
            for page in ["login", "spawn", "progress"] {
                assert_eq!(browser.get(&format!("/hub/{page}?next={}", encoded(next))).await.location(), leads, "{page}: {next}");
            }
            let token = browser.get("/hub/home").await.hidden("token");
            assert_eq!(browser.post("/hub/spawn", &[("next", next), ("token", &token)]).await.location(), leads, "spawn: {next}");
        }
    }
}

#[tokio::test]
async fn there_is_a_question_only_where_there_is_something_to_ask() {
    let desk = Desk::new().await;
    desk.servers.set("ada", view(ServerPhase::Running));
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    for next in ["", "/user/ada/lab/tree/a", "/user/bob/rstudio/", "/user/ada/api/contents", "//evil.example/x", "/hub/home"] {
        assert_eq!(browser.get(&format!("/hub/ask?next={}", encoded(next))).await.location(), "/user/ada/lab", "{next}");
    }
    let page = browser.get(&format!("/hub/ask?next={}", encoded("/user/ada/proxy/8501/?a=b"))).await;
    assert!(page.text().contains("proxy/8501/") && page.text().contains("Open it"), "{}", page.text());
}
