//! Where a login leads: never off this host, and byte for byte where people were going.

use http::StatusCode;
use hub_core::control::ServerPhase;

use super::desk::{Desk, PASSWORD, view};

/// Logs in with `next` in the form.
async fn after_login(desk: &Desk, next: &str) -> String {
    let fields = [("username", "ada"), ("password", PASSWORD), ("next", next)];
    desk.browser().fill("/hub/login", "/hub/login", &fields).await.location().to_owned()
}

#[tokio::test]
async fn stays_on_this_host_whatever_next_says() {
    let desk = Desk::new().await;
    desk.servers.set("ada", view(ServerPhase::Running));
    let long = format!("/{}", "a".repeat(8192));
    for next in [
        "//e",
        "///e",
        "/\\e",
        "\\\\e",
        "http:e",
        "https://host@e",
        "https://hub.example.org.e",
        "https://hub.example.org",
        "http://hub.example.org/x",
        "http://hub.example.org//e",
        "http://hub.example.org////e",
        "hub.example.org//e",
        "%2f%2fe",
        "/\t/e",
        "/\r\n/e",
        "/\r\nSet-Cookie: a=b",
        " //e",
        "javascript:alert(1)",
        "data:text/html,x",
        &long,
        "",
        "/",
        "/hub/logout",
        "/hub/login?next=/x",
        "/hub/spawn",
        "/hub/events",
    ] {
        assert_eq!(after_login(&desk, next).await, "/user/ada/lab", "{next:?}");
        let page = desk.browser().get(&format!("/hub/login?next={}", super::forms::encoded(next))).await;
        let carried = page.hidden("next");
        assert!(carried.is_empty() || carried.starts_with('/') && !carried.starts_with("//"), "{next:?} became {carried:?}");
    }
}

#[tokio::test]
async fn goes_where_people_were_going() {
    let desk = Desk::new().await;
    desk.servers.set("ada", view(ServerPhase::Running));
    for next in ["/hub/home", "/hub/password", "/user/ada/lab/tree/a%20b.ipynb?x=1+2&y=%2F#cell", "/user/bob/lab", "/services/x"]
    {
        assert_eq!(after_login(&desk, next).await, next);
    }
}

#[tokio::test]
async fn starts_only_the_own_server_on_the_way() {
    let desk = Desk::new().await;
    for (next, location, asked) in [
        ("/hub/home", "/hub/home", ""),
        ("/user/bob/lab", "/user/bob/lab", ""),
        ("/user/adamant/lab", "/user/adamant/lab", ""),
        ("/user/ada/tree", "/hub/progress?next=%2Fuser%2Fada%2Ftree", "ensure ada"),
    ] {
        assert_eq!(after_login(&desk, next).await, location);
        assert_eq!(desk.servers.asked().join(","), asked, "{next}");
    }
}

#[tokio::test]
async fn carries_links_of_courses_through_login_and_start_byte_for_byte() {
    let desk = Desk::new().await;
    let rest = "git-pull?repo=https%3A%2F%2Fgit.example%2Fa%2Fb&urlpath=lab%2ftree/x+y%2By&branch=m%C3%A4in&q=%25";
    let link = format!("/hub/user-redirect/{rest}");
    let mut browser = desk.browser();
    let login = browser.get_from_elsewhere(&link).await.location().to_owned();
    let page = browser.get_from_elsewhere(&login).await;
    let (token, next) = (page.hidden("token"), page.hidden("next"));
    assert_eq!(next, link);
    let fields = [("username", "ada"), ("password", PASSWORD), ("next", &next), ("token", &token)];
    let wanted = format!("/user/ada/{rest}");
    let question = format!("/hub/ask?next={}", super::forms::encoded(&wanted));
    assert_eq!(browser.post("/hub/login", &fields).await.location(), question);
    assert_eq!(browser.get_from_elsewhere(&link).await.location(), question, "already logged in");
    let page = browser.get(&question).await;
    assert_eq!(page.hidden("next"), wanted);
    let fields = [("next", page.hidden("next")), ("token", page.hidden("token"))];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let progress = browser.post("/hub/ask", &fields).await.location().to_owned();
    desk.servers.set("ada", view(ServerPhase::Running));
    assert_eq!(browser.get(&progress).await.location(), wanted);
}

#[tokio::test]
async fn no_link_starts_a_server_by_itself() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    desk.servers.set("ada", view(ServerPhase::Stopped));
    desk.servers.asked();
    let spawn = browser.get_from_elsewhere("/hub/user-redirect/lab/tree/a%20b?x=1+2").await.location().to_owned();
    let question = browser.get_from_elsewhere(&spawn).await;
    assert_eq!((question.status, question.hidden("next")), (StatusCode::OK, "/user/ada/lab/tree/a%20b?x=1+2".to_owned()));
    assert_eq!(desk.servers.asked(), [""; 0]);
}

#[tokio::test]
async fn sends_who_is_not_logged_in_to_the_login_and_back() {
    let desk = Desk::new().await;
    for (path, location) in [
        ("/hub/home", "/hub/login?next=%2Fhub%2Fhome"),
        ("/hub/password", "/hub/login?next=%2Fhub%2Fpassword"),
        ("/hub/spawn?next=/user/ada/x", "/hub/login?next=%2Fhub%2Fspawn%3Fnext%3D%2Fuser%2Fada%2Fx"),
        ("/hub/progress", "/hub/login?next=%2Fhub%2Fprogress"),
        ("/", "/hub/login"),
        ("/hub", "/hub/login"),
        ("/hub/", "/hub/login"),
        ("/hub/logout", "/hub/login?after=logout"),
    ] {
        assert_eq!(desk.browser().get(path).await.location(), location);
    }
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    assert_eq!(browser.get("/hub/login?next=/hub/password").await.location(), "/hub/password");
}
