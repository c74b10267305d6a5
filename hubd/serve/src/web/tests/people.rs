//! The pages on which people are looked after: who may what, what asks first, what is told only once.

use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use hub_core::accounts::Username;
use hub_core::config;
use hub_core::control::ServerPhase;
use hub_roster::Profile;
use jiff::Timestamp;

use super::desk::{Answer, Browser, Desk, PASSWORD, view};
use super::{forms, markup};
use crate::auth::Maker;
use crate::servers::{Failure, View};

const CONFIG: &str = "[roles]\nadmins = [\"ada\"]\nteachers = [\"tess\"]\nhelpers = [\"hugo\"]\n";
const PAGES: [&str; 5] = ["/hub/usage", "/hub/people", "/hub/people/add", "/hub/people/bob", "/hub/people/bob/log"];

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

/// ada is an administrator, tess a teacher, hugo a helper, bob a student whose server runs.
async fn desk() -> Desk {
    let desk = Desk::with_config(CONFIG).await;
    for one in ["tess", "hugo"] {
        desk.people.add(&name(one), Some(PASSWORD), &Maker::Host).await.unwrap();
    }
    desk.servers.set("bob", view(ServerPhase::Running));
    desk
}

async fn as_somebody<'desk>(desk: &'desk Desk, who: &str) -> Browser<'desk> {
    let mut browser = desk.browser();
    browser.log_in(who).await;
    desk.servers.asked();
    browser
}

/// Sends the form of the list for these people.
async fn act(browser: &mut Browser<'_>, what: &str, names: &[&str], sure: bool) -> Answer {
    let fields: Vec<String> = names.iter().map(|name| format!("who.{name}")).collect();
    let mut form: Vec<(&str, &str)> = fields.iter().map(|field| (field.as_str(), "yes")).collect();
    form.push(("do", what));
    if sure {
        form.push(("sure", "yes"));
    }
    browser.fill("/hub/people", "/hub/people", &form).await
}

#[tokio::test]
async fn students_and_strangers_see_nothing_of_it() {
    let desk = desk().await;
    let mut student = as_somebody(&desk, "bob").await;
    for page in PAGES.iter().chain(&["/hub/people/events"]) {
        assert_eq!(student.get(page).await.status, StatusCode::FORBIDDEN, "{page}");
        assert!(desk.browser().get(page).await.location().starts_with("/hub/login"), "{page}");
    }
    let home = student.get("/hub/home").await;
    assert!(!home.body.contains("/hub/people"), "{}", home.body);
    let token = home.hidden("token");
    for (path, field) in [("/hub/people", ("who.ada", "yes")), ("/hub/people/add", ("list", "eve"))] {
        let answer = student.post(path, &[("token", &token), ("do", "block"), ("sure", "yes"), field]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(!desk.people.find(&name("ada")).await.unwrap().unwrap().blocked);
    assert!(desk.people.find(&name("eve")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_helper_sees_servers_and_a_teacher_people() {
    let desk = desk().await;
    let list = as_somebody(&desk, "hugo").await.get("/hub/people").await;
    assert!(list.body.contains("data-name=\"bob\"") && !list.body.contains("data-name=\"ada\""), "{}", list.body);
    assert!(!list.body.contains("/hub/people/add") && !list.body.contains("value=\"block\""), "{}", list.body);
    let list = as_somebody(&desk, "tess").await.get("/hub/people").await;
    for one in ["ada", "bob", "hugo", "tess"] {
        assert!(list.body.contains(&format!("data-name=\"{one}\"")), "{one}");
    }
    assert!(list.body.contains("value=\"block\"") && !list.body.contains("value=\"remove\""), "{}", list.body);
    let list = as_somebody(&desk, "ada").await.get("/hub/people").await;
    assert!(list.body.contains("value=\"remove\""), "{}", list.body);
    assert!(as_somebody(&desk, "hugo").await.get("/hub/home").await.body.contains("href=\"/hub/people\""));
}

/// Has the machine say that so many kilobytes are available, and the hub look.
fn has_available(desk: &Desk, kilobytes: u64) {
    let proc = desk.paths.kernel_figures();
    std::fs::create_dir_all(&proc).unwrap();
    std::fs::write(proc.join("meminfo"), format!("MemTotal: 8000000 kB\nMemAvailable: {kilobytes} kB\n")).unwrap();
    desk.usage.look(std::time::Instant::now(), Timestamp::now().as_second().unsigned_abs());
}

#[tokio::test]
async fn what_is_short_stands_above_the_list_and_who_has_it() {
    let desk = desk().await;
    let slice = desk.paths.cgroups().join("hubd.slice/hubd-users.slice/hubd-users-bob.slice/hubd-user-bob.service");
    std::fs::create_dir_all(&slice).unwrap();
    std::fs::write(slice.join("memory.current"), (6_u64 << 30).to_string()).unwrap();
    has_available(&desk, 100_000);
    let page = as_somebody(&desk, "tess").await.get("/hub/people").await;
    assert!(page.text().contains("Memory is full: one person uses 79 % of it. bob 6 GB. Stop servers"), "{}", page.text());
    assert!(page.body.contains("<a href=\"/hub/people/bob\">bob</a> 6 GB."), "{}", page.body);
    assert!(!as_somebody(&desk, "hugo").await.get("/hub/people").await.body.contains("Memory is full"), "a helper");
    has_available(&desk, 4_000_000);
    assert!(!as_somebody(&desk, "tess").await.get("/hub/people").await.body.contains("Memory is full"), "it is over");
}

#[tokio::test]
async fn what_is_used_is_for_teachers_and_drawn_with_a_table_behind_each() {
    let desk = desk().await;
    assert_eq!(as_somebody(&desk, "hugo").await.get("/hub/usage").await.status, StatusCode::FORBIDDEN, "a helper");
    let mut browser = as_somebody(&desk, "tess").await;
    assert!(browser.get("/hub/usage").await.text().contains("There are no figures yet."));
    has_available(&desk, 100_000);
    for address in ["/hub/usage", "/hub/usage?span=term"] {
        let page = browser.get(address).await;
        let elements = markup::elements(&page.body);
        let named = |name: &str| elements.iter().filter(|element| element.name == name).count();
        // Nothing is known of processors in so short a time.
        assert_eq!((named("figure"), named("details"), named("title")), (3, 3, 4), "{address}: {}", page.body);
        assert!(page.text().contains("Highest: 7.5 GB, on "), "{}", page.text());
        assert!(page.text().contains("Memory is full"), "what is short is said there, too");
    }
    assert!(browser.get("/hub/people").await.body.contains("href=\"/hub/usage\""));
}

#[tokio::test]
async fn the_list_is_narrowed_down_by_its_address() {
    let desk = desk().await;
    desk.people.set_blocked(&name("hugo"), true).await.unwrap();
    let mut browser = as_somebody(&desk, "tess").await;
    for (query, shown) in [
        ("?q=B", vec!["bob"]),
        ("?show=running", vec!["bob", "tess"]),
        ("?show=blocked", vec!["hugo"]),
        ("?show=nonsense&sort=nonsense", vec!["ada", "bob", "hugo", "tess"]),
        ("?q=nobody", vec![]),
    ] {
        let page = browser.get(&format!("/hub/people{query}")).await;
        let rows: Vec<String> = markup::elements(&page.body)
            .iter()
            .filter(|element| element.name == "tr")
            .filter_map(|element| element.attribute("data-name").map(str::to_owned))
            .collect();
        assert_eq!(rows, shown, "{query}");
    }
}

#[tokio::test]
async fn many_are_started_at_once_and_the_next_page_says_so() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "hugo").await;
    let answer = act(&mut browser, "start", &["bob", "tess"], false).await;
    // bob's runs; tess's is on its way when the page is answered.
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(answer.text().contains("tess"), "a helper does nothing for a teacher: {}", answer.text());
    assert_eq!(desk.servers.asked(), ["ensure bob"]);
    let mut teacher = as_somebody(&desk, "tess").await;
    let answer = act(&mut teacher, "start", &["hugo", "tess"], false).await;
    assert_eq!(answer.location(), "/hub/people?after=start&count=2");
    let mut asked = desk.servers.asked();
    asked.sort();
    assert_eq!(asked, ["ensure hugo", "ensure tess"]);
    assert!(teacher.get("/hub/people?after=start&count=2").await.text().contains("2 servers are being started."));
}

#[tokio::test]
async fn what_ends_work_asks_first() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "ada").await;
    for what in ["stop", "restart", "logout", "block", "remove", "link"] {
        let answer = act(&mut browser, what, &["bob", "hugo"], false).await;
        assert_eq!(answer.status, StatusCode::OK, "{what}");
        assert!(answer.text().contains("2 people") && answer.text().contains("bob"), "{what}: {}", answer.text());
        assert_eq!(answer.hidden("sure"), "yes", "{what}");
    }
    assert_eq!(desk.servers.asked(), [""; 0]);
    assert!(!desk.people.find(&name("bob")).await.unwrap().unwrap().blocked);
    desk.servers.set("bob", view(ServerPhase::Stopped));
    assert_eq!(act(&mut browser, "block", &["bob"], true).await.location(), "/hub/people?after=block&count=1");
    assert!(desk.people.find(&name("bob")).await.unwrap().unwrap().blocked);
    assert_eq!(act(&mut browser, "remove", &["bob"], true).await.location(), "/hub/people?after=remove&count=1");
    assert!(desk.people.find(&name("bob")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_teacher_does_nothing_to_an_administrator() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "tess").await;
    for what in ["stop", "logout", "block", "link", "remove"] {
        let answer = act(&mut browser, what, &["ada"], true).await;
        assert_eq!(answer.status, StatusCode::OK, "{what}");
        assert!(answer.text().contains("That did not work") && answer.text().contains("ada: "), "{what}: {}", answer.text());
        assert!(!answer.body.contains("/hub/link/"), "{what}");
    }
    assert_eq!(browser.get("/hub/people/ada").await.status, StatusCode::FORBIDDEN);
    assert!(!desk.people.find(&name("ada")).await.unwrap().unwrap().blocked);
}

#[tokio::test]
async fn a_class_is_pasted_and_gets_its_links() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "tess").await;
    let list = ("list", "eve\r\nbob\r\n\r\nzoe\r\n");
    let seen = browser.fill("/hub/people/add", "/hub/people/add", &[list]).await;
    let (mark, go) = (seen.hidden("mark"), ("do", "go"));
    assert!(seen.text().contains("2 people are new. One person stays as they are."), "{}", seen.text());
    let answer = browser.fill("/hub/people/add", "/hub/people/add", &[list, ("mark", &mark), go]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let text = answer.text();
    assert!(text.contains("2 people were added"), "{text}");
    let links: Vec<String> = markup::elements(&answer.body)
        .iter()
        .filter_map(|element| element.attribute("href").filter(|href| href.contains("/hub/link/")).map(str::to_owned))
        .collect();
    assert_eq!(links.len(), 2, "{text}");
    let path = links[0].strip_prefix("http://hub.example.org").unwrap();
    assert!(desk.browser().get(path).await.text().contains("Welcome, eve"));
    assert_eq!(answer.body.matches("as a QR code").count(), 2);
    let one = act(&mut browser, "link", &["bob"], true).await;
    assert!(one.body.contains("http://hub.example.org/hub/link/"), "{}", one.body);
}

#[tokio::test]
async fn a_list_with_mistakes_adds_nobody_and_keeps_what_was_typed() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "tess").await;
    for (list, says) in [
        ("eve\n???\n", "Line 2: no login name can be made of this line"),
        ("  \n", "There is no name in the list."),
        ("username,email\neve,x\n", "Line 2: `x` is not an e-mail address"),
    ] {
        let answer = browser.fill("/hub/people/add", "/hub/people/add", &[("list", list)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{list}");
        let text = answer.text();
        assert!(text.contains(says) && text.contains("yet."), "{list}: {text}");
        assert!(list.split_whitespace().all(|word| text.contains(word)), "{list}: {text}");
    }
    assert!(desk.people.find(&name("eve")).await.unwrap().is_none());
}

#[tokio::test]
async fn one_person_has_a_page() {
    let desk = desk().await;
    let failure = Failure { summary: "It ended by itself.".to_owned(), hint: None, log: Vec::new(), is_inside: true };
    desk.servers.set("bob", View { failure: Some(failure), ..view(ServerPhase::Failed) });
    let mut browser = as_somebody(&desk, "tess").await;
    let text = browser.get("/hub/people/bob").await.text();
    for words in ["bob", "Failed", "It ended by itself.", "Make a link", "Block", "Memory", "the default"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for nobody in ["/hub/people/zoe", "/hub/people/%3Cb%3E"] {
        assert_eq!(browser.get(nobody).await.status, StatusCode::NOT_FOUND, "{nobody}");
    }
    desk.servers.set("bob", view(ServerPhase::Running));
    let form = [("do", "start"), ("who.bob", "yes"), ("back", "person")];
    let answer = browser.fill("/hub/people/bob", "/hub/people", &form).await;
    assert_eq!(answer.location(), "/hub/people/bob?after=start&count=1");
}

#[tokio::test]
async fn full_names_and_addresses_are_shown_searched_and_on_slips() {
    let desk = desk().await;
    let profile = Profile { full_name: Some("Bob <i>M\u{fc}ller".to_owned()), email: Some("bob@school.example".to_owned()) };
    assert!(desk.people.set_profile(&name("bob"), profile).await.unwrap());
    let mut browser = as_somebody(&desk, "tess").await;
    for query in ["", "?q=M%C3%9CLLER", "?q=Mu%CC%88ller", "?q=BOB%40school"] {
        let page = browser.get(&format!("/hub/people{query}")).await;
        let text = page.text();
        assert!(text.contains("Bob <i>M\u{fc}ller") && text.contains("bob@school.example"), "{query}: {text}");
        assert_eq!(text.contains("hugo"), query.is_empty(), "{query}: {text}");
    }
    let text = browser.get("/hub/people/bob").await.text();
    assert!(text.contains("Full name Bob <i>M\u{fc}ller E-mail bob@school.example"), "{text}");
    let slips = act(&mut browser, "link", &["bob"], true).await.text();
    assert!(slips.contains("Bob <i>M\u{fc}ller bob"), "{slips}");
    let helper = as_somebody(&desk, "hugo").await.get("/hub/people").await;
    assert!(helper.body.contains("data-name=\"bob\"") && !helper.text().contains("ller"), "{}", helper.body);
}

#[tokio::test]
async fn a_form_without_its_token_or_with_nonsense_does_nothing() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "ada").await;
    let answer = browser.post("/hub/people", &[("token", "x"), ("do", "start"), ("who.bob", "yes")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    for (what, names) in [("start", vec![]), ("explode", vec!["bob"]), ("start", vec!["../bob"])] {
        assert_eq!(act(&mut browser, what, &names, true).await.status, StatusCode::BAD_REQUEST, "{what}");
    }
    let many: Vec<String> = (0..2000).map(|number| format!("nobody{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = act(&mut browser, "start", &many, false).await;
    assert!(answer.text().contains("That did not work"), "{}", answer.text());
    assert_eq!(desk.servers.asked(), [""; 0]);
}

#[tokio::test]
async fn open_pages_follow_until_the_role_is_gone() {
    let desk = desk().await;
    let mut browser = as_somebody(&desk, "tess").await;
    let token = browser.get("/hub/people").await.hidden("token");
    let events = |token: &str| {
        let path = format!("/hub/people/events?token={}", forms::encoded(token));
        let mut request = browser.request(Method::GET, &path, "same-origin", None);
        request.headers_mut().insert("sec-fetch-mode", HeaderValue::from_static("cors"));
        request.headers_mut().insert("sec-fetch-dest", HeaderValue::from_static("empty"));
        request
    };
    assert_eq!(desk.open(events("")).await.status(), StatusCode::FORBIDDEN, "a script of another page has no token");
    let mut body = desk.open(events(&token)).await.into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(60), body.frame()).await.unwrap();
        frame.map(|frame| String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
    };
    let first = next().await.unwrap();
    assert!(first.contains("\"total\":4") && first.contains("\"name\":\"ada\""), "{first}");
    desk.servers.set("bob", view(ServerPhase::Stopping));
    let second = next().await.unwrap();
    assert!(second.contains("\"phase\":\"stopping\"") && !second.contains("\"name\":\"ada\""), "{second}");
    has_available(&desk, 100_000);
    let third = next().await.unwrap();
    assert!(third.contains("Memory is full") && third.contains("\"rows\":[]"), "{third}");
    desk.config.replace(config::parse("", "test").unwrap());
    assert!(next().await.unwrap().starts_with("event: over\ndata: over"));
    assert_eq!(next().await, None);
}
