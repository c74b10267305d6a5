//! What people do, page by page.

use http::StatusCode;
use hub_core::control::ServerPhase;

use super::desk::{Answer, Desk, PASSWORD, Says, view};
use super::markup;
use crate::auth::Maker;
use crate::servers::{Failure, MemoryKills, View};

#[tokio::test]
async fn logs_in_and_gets_to_the_own_server_while_it_starts() {
    let desk = Desk::new().await;
    for (says, https) in [(Says::Everything, false), (Says::OriginOnly, false), (Says::Nothing, false), (Says::Everything, true)]
    {
        desk.servers.set("ada", view(ServerPhase::Stopped));
        let mut browser = desk.browser();
        (browser.says, browser.https) = (says, https);
        assert_eq!(browser.get("/").await.location(), "/hub/login");
        let answer = browser.log_in("ada").await;
        assert_eq!(answer.location(), "/hub/progress?next=%2Fuser%2Fada%2Flab", "{says:?}");
        assert_eq!(desk.servers.asked(), ["ensure ada"]);
        let progress = browser.get(answer.location()).await;
        assert_eq!(progress.status, StatusCode::OK);
        assert!(progress.text().contains("Your server is on its way"), "{}", progress.body);
        assert!(progress.body.contains("<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>"));
        desk.servers.set("ada", view(ServerPhase::Running));
        assert_eq!(browser.get(answer.location()).await.location(), "/user/ada/lab");
        assert_eq!(browser.get("/").await.location(), "/user/ada/lab");
    }
}

#[tokio::test]
async fn goes_straight_to_a_server_that_runs() {
    let desk = Desk::with_config("[servers]\ndefault_app = \"notebook\"\n").await;
    desk.servers.set("ada", view(ServerPhase::Running));
    assert_eq!(desk.browser().log_in("ada").await.location(), "/user/ada/tree");
}

#[tokio::test]
async fn takes_names_as_people_type_them() {
    let desk = Desk::new().await;
    for name in ["ada", " Ada ", "ADA", "\tada"] {
        let mut browser = desk.browser();
        browser.log_in(name).await;
        assert!(browser.get("/hub/home").await.text().contains("You are logged in as ada"), "{name:?}");
    }
}

#[tokio::test]
async fn does_not_take_other_names_for_hers() {
    let desk = Desk::new().await;
    for name in ["ａｄａ", "ada.", "ada\u{301}", "adа", "ada\0", "AdA\u{200b}", "ada/", "%61da"] {
        let fields = [("username", name), ("password", PASSWORD)];
        let answer = desk.browser().fill("/hub/login", "/hub/login", &fields).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name:?}");
    }
}

#[tokio::test]
async fn logs_out_everywhere_at_once() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let session = browser.cookies.clone();
    let answer = browser.fill("/hub/home", "/hub/logout", &[]).await;
    assert_eq!(answer.location(), "/hub/login?after=logout");
    assert!(browser.get("/hub/login?after=logout").await.text().contains("You are logged out."));
    assert!(!browser.cookies.contains_key("hubd-session"));
    browser.cookies = session;
    assert_eq!(browser.get("/hub/home").await.location(), "/hub/login?next=%2Fhub%2Fhome", "the old cookie is worth nothing");
}

#[tokio::test]
async fn logs_out_of_jupyterlab_with_one_click() {
    let desk = Desk::new().await;
    for says in [Says::Everything, Says::OriginOnly] {
        let mut browser = desk.browser();
        browser.says = says;
        browser.log_in("ada").await;
        let mut request = browser.request(http::Method::GET, "/hub/logout", "same-origin", None);
        request.headers_mut().insert("referer", "http://hub.example.org/user/ada/lab".parse().unwrap());
        assert_eq!(browser.send(request).await.location(), "/hub/login?after=logout", "{says:?}");
        assert_eq!(browser.get("/hub/home").await.location(), "/hub/login?next=%2Fhub%2Fhome");
    }
}

#[tokio::test]
async fn asks_before_it_logs_out_for_another_site() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let answer = browser.get_from_elsewhere("/hub/logout").await;
    assert_eq!(answer.status, StatusCode::OK);
    let token = answer.hidden("token");
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK, "still logged in");
    assert_eq!(browser.post("/hub/logout", &[("token", &token)]).await.location(), "/hub/login?after=logout");
}

#[tokio::test]
async fn starts_and_stops_from_the_own_page() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    desk.servers.set("ada", view(ServerPhase::Stopped));
    desk.servers.asked();
    let answer = browser.fill("/hub/home", "/hub/spawn", &[]).await;
    assert_eq!(answer.location(), "/hub/progress?next=%2Fuser%2Fada%2Flab");
    assert_eq!(browser.fill("/hub/home", "/hub/stop", &[]).await.location(), "/hub/home");
    assert_eq!(desk.servers.asked(), ["ensure ada", "stop ada"]);
}

#[tokio::test]
async fn shows_what_runs_and_how_much_memory_it_has() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let running = View {
        memory_bytes: Some(256 << 20),
        memory_limit_bytes: Some(1 << 30),
        uptime: Some(std::time::Duration::from_secs(300)),
        ..view(ServerPhase::Running)
    };
    desk.servers.set("ada", running);
    let home = browser.get("/hub/home").await;
    assert!(home.text().contains("Memory 256 MB of 1 GB Running for 5 minutes"), "{}", home.text());
    assert!(home.body.contains("<rect width=\"25\""), "{}", home.body);
    assert!(!home.text().contains("Nearly all") && !home.text().contains("used up"));
    desk.servers
        .set("ada", View { memory_bytes: Some(970 << 20), memory_limit_bytes: Some(1 << 30), ..view(ServerPhase::Running) });
    assert!(browser.get("/hub/home").await.text().contains("Nearly all of it is in use."));
    let latest = std::time::SystemTime::now().checked_sub(std::time::Duration::from_secs(130));
    for (count, said) in [
        (1, "A notebook or program of yours was stopped 2 minutes ago: your server had used up its 1 GB of memory."),
        (
            3,
            "3 notebooks or programs of yours were stopped, the last one 2 minutes ago: your server had used up its 1 GB of memory.",
        ),
    ] {
        let memory_kills = MemoryKills { count, latest };
        desk.servers.set("ada", View { memory_kills, memory_limit_bytes: Some(1 << 30), ..view(ServerPhase::Running) });
        let text = browser.get("/hub/home").await.text();
        assert!(text.contains(said), "{text}");
    }
}

#[tokio::test]
async fn offers_a_restart_when_there_are_other_packages() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    let with = |own, newest| View { environment: own, newest, ..view(ServerPhase::Running) };
    for (own, newest, told) in [
        (Some(1), Some(2), "New packages are there"),
        (Some(2), Some(1), "The packages were changed back"),
        (Some(2), Some(2), ""),
        (Some(2), None, ""),
        (None, Some(2), ""),
    ] {
        desk.servers.set("ada", with(own, newest));
        let home = browser.get("/hub/home").await;
        let elements = markup::elements(&home.body);
        let note = elements.iter().find(|element| element.attribute("data-some") == Some("renew")).unwrap();
        let offered = note.attribute("hidden").is_none();
        assert_eq!(offered, !told.is_empty(), "{own:?} of {newest:?}");
        assert!(home.text().contains(told), "{}", home.text());
    }
    desk.servers.set("ada", with(Some(1), Some(2)));
    desk.servers.asked();
    let answer = browser.fill("/hub/home", "/hub/restart", &[]).await;
    assert_eq!(desk.servers.asked(), ["restart ada"]);
    assert_eq!(answer.location(), "/hub/progress?next=%2Fuser%2Fada%2Flab");
}

#[tokio::test]
async fn shows_why_a_server_did_not_start() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let progress = browser.log_in("ada").await.location().to_owned();
    let failure = Failure {
        summary: "It used up its memory.".to_owned(),
        hint: Some("Close some notebooks.".to_owned()),
        log: vec!["line one".to_owned(), "line <two>".to_owned()],
        is_inside: false,
    };
    desk.servers.set("ada", View { failure: Some(failure), ..view(ServerPhase::Failed) });
    for page in [progress.as_str(), "/hub/home"] {
        let answer = browser.get(page).await;
        for text in ["It used up its memory.", "Close some notebooks.", "line one line <two>"] {
            assert!(answer.text().contains(text), "{text:?} is missing in {}", answer.text());
        }
        assert_eq!(answer.hidden("token").len(), 43);
    }
    desk.servers.asked();
    assert_eq!(
        browser.fill(&progress, "/hub/spawn", &[("next", "/user/ada/lab/tree/x")]).await.location(),
        "/hub/progress?next=%2Fuser%2Fada%2Flab%2Ftree%2Fx"
    );
    assert_eq!(desk.servers.asked(), ["ensure ada"]);
}

/// The button of a page that leaves out own things, if it is to be seen.
fn offer(page: &Answer) -> Option<String> {
    let form = markup::elements(&page.body).into_iter().find(|element| element.attribute("class") == Some("offer")).unwrap();
    let (_, rest) = page.body.split_once("class=\"offer\"").unwrap();
    let (label, _) = rest.split_once("</button>").unwrap();
    let (_, label) = label.rsplit_once('>').unwrap();
    form.attribute("hidden").is_none().then(|| label.to_owned())
}

#[tokio::test]
async fn every_page_offers_the_same_start_without_own_things() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let progress = browser.log_in("ada").await.location().to_owned();
    let failed = |is_inside, log: &str, without_own| View {
        failure: Some(Failure { summary: "It ended.".to_owned(), hint: None, log: vec![log.to_owned()], is_inside }),
        without_own,
        ..view(ServerPhase::Failed)
    };
    for (case, is_offered) in [
        (failed(true, "nothing", false), true),
        (failed(true, "File \"/home/jupyter-ada/.jupyter/jupyter_server_config.py\", line 3", false), true),
        (failed(true, "nothing", true), false),
        (failed(false, "nothing", false), false),
        (view(ServerPhase::Stopped), true),
    ] {
        desk.servers.set("ada", case.clone());
        let (home, waiting) = (browser.get("/hub/home").await, browser.get(&progress).await);
        let expected = is_offered.then(|| "Start without my packages and settings".to_owned());
        assert_eq!((offer(&home), offer(&waiting)), (expected.clone(), expected), "{case:?}: {}", home.body);
        desk.servers.asked();
        let fields = [("plain", "yes"), ("next", "/user/ada/lab/tree/x")];
        let answer = browser.fill(&progress, "/hub/restart", &fields).await;
        assert_eq!(answer.location(), "/hub/progress?next=%2Fuser%2Fada%2Flab%2Ftree%2Fx");
        assert_eq!(desk.servers.asked(), ["restart ada without own things"]);
    }
}

#[tokio::test]
async fn says_that_own_things_are_left_out_and_how_they_come_back() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    for (without_own, button) in [(false, Some("Restart without my packages and settings")), (true, None)] {
        desk.servers.set("ada", View { without_own, ..view(ServerPhase::Running) });
        let home = browser.get("/hub/home").await;
        let said = home.text().contains("Your server runs without your own packages and settings.");
        assert_eq!((said, offer(&home).as_deref()), (without_own, button));
        assert!(home.text().contains("Restart my server"), "{}", home.text());
    }
    desk.servers.set("ada", View { without_own: true, ..view(ServerPhase::Starting) });
    assert!(browser.get("/hub/progress").await.text().contains("It starts without your own packages and settings."));
}

#[tokio::test]
async fn starts_for_jupyterlabs_restart_and_asks_when_another_site_wants_it() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    for page in ["/hub/spawn", "/hub/spawn?next=/hub/home", "/hub/spawn/ada", "/"] {
        desk.servers.set("ada", view(ServerPhase::Stopped));
        desk.servers.asked();
        browser.get_from_elsewhere(page).await;
        assert_eq!(desk.servers.asked(), [""; 0], "{page} from elsewhere");
        let answer = browser.get(page).await;
        assert!(answer.location().starts_with("/hub/progress?next="), "{page}");
        assert_eq!(desk.servers.asked(), ["ensure ada"], "{page}");
    }
    desk.servers.set("ada", view(ServerPhase::Stopped));
    let answer = browser.get_from_elsewhere("/hub/spawn?next=/user/ada/lab/tree/a%2520b").await;
    let (token, next) = (answer.hidden("token"), answer.hidden("next"));
    assert_eq!(next, "/user/ada/lab/tree/a%20b");
    let answer = browser.post("/hub/spawn", &[("token", &token), ("next", &next)]).await;
    assert_eq!(answer.location(), "/hub/progress?next=%2Fuser%2Fada%2Flab%2Ftree%2Fa%2520b");
    for page in ["/hub/spawn/bob", "/hub/spawn/nobody", "/hub/spawn/ADA"] {
        assert_eq!(browser.get(page).await.status, StatusCode::NOT_FOUND, "{page}");
    }
}

#[tokio::test]
async fn sets_the_first_password_by_link() {
    let desk = Desk::new().await;
    let link = desk.people.add(&"eve".parse().unwrap(), None, &Maker::Host).await.unwrap().link.unwrap().path;
    let mut browser = desk.browser();
    assert!(browser.get_from_elsewhere(&link).await.text().contains("Welcome, eve"));
    let fields = |password, repeat| [("password", password), ("repeat", repeat)];
    let answer = browser.fill(&link, &link, &fields("a new password", "another one")).await;
    assert_eq!((answer.status, answer.text().contains("The two passwords differ.")), (StatusCode::BAD_REQUEST, true));
    let answer = browser.fill(&link, &link, &fields("eve", "eve")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("A password needs at least 8 characters."), "{}", answer.text());
    let answer = browser.post(&link, &[("password", "a new password"), ("repeat", "a new password"), ("token", "wrong")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let answer = browser.fill(&link, &link, &fields("a new password", "a new password")).await;
    assert_eq!(answer.location(), "/hub/progress?next=%2Fuser%2Feve%2Flab");
    assert!(browser.get("/hub/home").await.text().contains("You are logged in as eve"));
    for path in [link.as_str(), "/hub/link/x", "/hub/link/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status, answer.text().contains("does not work any more")), (StatusCode::NOT_FOUND, true), "{path}");
    }
}

#[tokio::test]
async fn a_good_link_of_somebody_who_is_blocked_says_so() {
    let desk = Desk::new().await;
    let bob = "bob".parse().unwrap();
    let link = desk.people.new_link(&bob, &Maker::Host).await.unwrap().path;
    desk.people.set_blocked(&bob, true).await.unwrap();
    let answer = desk.browser().get(&link).await;
    assert!(answer.text().contains("Your access is switched off"), "{}", answer.text());
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    desk.people.set_blocked(&bob, false).await.unwrap();
    assert!(desk.browser().get(&link).await.text().contains("Welcome, bob"));
}

#[tokio::test]
async fn a_page_that_says_what_is_wrong_says_who_is_logged_in() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.log_in("bob").await;
    let answer = browser.get("/hub/nothing").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text().contains("bob") && answer.text().contains("Log out"), "{}", answer.text());
    let token = answer.hidden("token");
    assert_eq!(browser.post("/hub/logout", &[("token", &token)]).await.status, StatusCode::SEE_OTHER);
    let answer = browser.get("/hub/nothing").await;
    assert!(!answer.text().contains("Log out"), "{}", answer.text());
}

#[tokio::test]
async fn changes_the_own_password() {
    let desk = Desk::new().await;
    let (mut here, mut there) = (desk.browser(), desk.browser());
    here.log_in("ada").await;
    there.log_in("ada").await;
    let before = here.cookies["hubd-session"].clone();
    let fields = |current, new, repeat| [("current", current), ("password", new), ("repeat", repeat)];
    for (current, new, repeat, status) in [
        ("wrong password", "a new password", "a new password", StatusCode::FORBIDDEN),
        ("", "a new password", "a new password", StatusCode::FORBIDDEN),
        (PASSWORD, "a new password", "a now password", StatusCode::BAD_REQUEST),
        (PASSWORD, "password1", "password1", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(
            here.fill("/hub/password", "/hub/password", &fields(current, new, repeat)).await.status,
            status,
            "{current} {new}"
        );
    }
    let answer = here.fill("/hub/password", "/hub/password", &fields(PASSWORD, "a new password", "a new password")).await;
    assert_eq!(answer.location(), "/hub/home?after=password");
    assert_ne!(here.cookies["hubd-session"], before, "the session keeps its id");
    assert!(here.get("/hub/home?after=password").await.text().contains("Your password is changed."));
    assert_eq!(there.get("/hub/home").await.location(), "/hub/login?next=%2Fhub%2Fhome");
}

#[tokio::test]
async fn tells_administrators_how_they_manage_the_hub() {
    let desk = Desk::with_config("[roles]\nadmins = [\"ada\"]\n").await;
    for (name, is_told) in [("ada", true), ("bob", false)] {
        let mut browser = desk.browser();
        browser.log_in(name).await;
        assert_eq!(browser.get("/hub/home").await.text().contains("hubctl"), is_told, "{name}");
    }
}

#[tokio::test]
async fn says_when_passwords_travel_unencrypted() {
    let desk = Desk::new().await;
    let local = "127.0.0.1".parse().unwrap();
    for (https, host, address, is_said) in [
        (false, "hub.example.org", super::desk::HOME, true),
        (false, "192.0.2.9:8000", super::desk::HOME, true),
        (false, "localhost", super::desk::HOME, true),
        (false, "localhost.evil.example", local, true),
        (false, "hub.example.org", local, true),
        (false, "localhost:8000", local, false),
        (false, "127.0.0.1:8000", local, false),
        (false, "[::1]:8000", "::1".parse().unwrap(), false),
        (false, "127.0.0.1", "::ffff:127.0.0.1".parse().unwrap(), false),
        (true, "hub.example.org", super::desk::HOME, false),
    ] {
        let mut browser = desk.browser();
        (browser.https, browser.address) = (https, address);
        let mut request = browser.request(http::Method::GET, "/hub/login", "none", None);
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = browser.send(request).await;
        assert_eq!(answer.text().contains("This connection is not encrypted."), is_said, "{host} {address} https={https}");
    }
}
