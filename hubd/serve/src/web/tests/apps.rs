//! One's own apps.

use http::StatusCode;

use super::desk::Desk;

const CONFIG: &str = "
[apps.plain]
title = \"Tables & <b>more</b>\"
description = \"Cleans up <tables>.\"
command = [\"plain\", \"{port}\"]
";

#[tokio::test]
async fn what_there_is_stands_on_ones_page_and_nothing_where_there_is_none() {
    let desk = Desk::with_config(CONFIG).await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let home = browser.get("/hub/home").await.text();
    assert!(home.contains("Apps Tables & <b>more</b> Not running Cleans up <tables>. Start"), "{home}");
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    assert!(!browser.get("/hub/home").await.text().contains("<h2>Apps"));
}

#[tokio::test]
async fn an_app_is_started_with_the_word_of_its_page_only() {
    let desk = Desk::with_config(CONFIG).await;
    let mut browser = desk.browser();
    assert!(browser.get("/hub/apps/plain").await.location().starts_with("/hub/login"));
    browser.log_in("ada").await;
    let page = browser.get("/hub/apps/plain").await;
    assert!(page.text().contains("Not running"), "{}", page.text());
    let refused = browser.post("/hub/apps/plain", &[("do", "start")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(browser.get("/hub/apps/plain").await.text().contains("Not running"));
    let started = browser.fill("/hub/apps/plain", "/hub/apps/plain", &[("do", "start")]).await;
    assert_eq!(started.location(), "/hub/apps/plain");
    assert!(!browser.get("/hub/apps/plain").await.text().contains("Not running"));
    for path in ["/hub/apps/other", "/hub/apps/Plain", "/hub/apps/plain/", "/hub/apps/"] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
