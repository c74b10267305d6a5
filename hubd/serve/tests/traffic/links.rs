//! What a link on another site can make a server do: show something, and nothing else that its person was not asked about.

use crate::support::World;
use crate::support::backend::Recorder;
use crate::support::client::{Connection, get};

const WENT: [&str; 3] = ["Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
const COPY: &str = "/user/ada/git-pull?repo=https%3A%2F%2Fgit.example%2Fcourse&targetpath=course";
const COPIES: &str = "/user/ada/git-pull/api?_xsrf=1&repo=https%3A%2F%2Fgit.example%2Fcourse&targetpath=course";
const STREAM: [&str; 3] = ["Accept: text/event-stream", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin"];

/// As a person who comes from there.
fn from(site: &str) -> Vec<&str> {
    [&WENT[..], &[site]].concat()
}

#[tokio::test]
async fn a_link_shows_and_whatever_else_it_would_do_is_asked_about_or_refused() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    let elsewhere = [
        from("Sec-Fetch-Site: cross-site"),
        from("Sec-Fetch-Site: same-site"),
        from("Sec-Fetch-Site: none"),
        vec!["Accept: text/html"],
    ];
    for lines in elsewhere.iter().chain([&vec!["Accept: text/html", "Referer: http://hub:8001/user/ada/lab"]]) {
        for (path, status) in [
            ("lab/tree/a.ipynb?reset", 200),
            ("lab/workspaces/a?clone=b", 200),
            ("tree", 200),
            ("notebooks/a.ipynb", 200),
            ("terminals/1", 200),
            ("files/a.html", 200),
            ("git-sync?repo=x", 200),
            ("git-pull/static/dist/bundle.js", 200),
            ("proxy/8501/?a=b", 303),
            ("rstudio/", 303),
            ("voila/render/a.ipynb", 303),
            ("nbconvert/html/a.ipynb", 303),
            ("git-pull?repo=https://x/a", 303),
            ("git-pull/?repo=https://x/a", 303),
            ("git-pull/api?repo=https://x/a&targetpath=a", 403),
            ("git-pull/api/?repo=https://x/a&targetpath=a", 403),
            ("nbdime/api/tools", 403),
            ("git/clone", 403),
            ("api/contents", 403),
            ("api/shutdown", 403),
            ("lab/api/workspaces", 403),
        ] {
            let answer = client.ask(get(&format!("/user/ada/{path}"), lines)).await;
            assert_eq!(answer.status, status, "{path} {lines:?}: {answer:?}");
            let leads = answer.all("location").first().copied().unwrap_or_default();
            assert_eq!(leads.starts_with("/hub/ask?next=%2Fuser%2Fada%2F"), status == 303, "{path} {lines:?}: {leads}");
        }
    }
    assert_eq!(ada.request_lines().len(), 8 * 5);
    for lines in [from("Sec-Fetch-Site: same-origin"), vec!["Accept: text/html", "Referer: http://hub/"]] {
        for path in ["proxy/8501/", "rstudio/", "voila/render/a.ipynb", "nbconvert/html/a.ipynb", "api/contents"] {
            assert_eq!(client.ask(get(&format!("/user/ada/{path}"), &lines)).await.status, 200, "{path} {lines:?}");
        }
        assert_eq!(client.ask(get(COPY, &lines)).await.status, 303, "{lines:?}");
        assert_eq!(client.ask(get(COPIES, &lines)).await.status, 403, "{lines:?}");
    }
}

#[tokio::test]
async fn what_was_agreed_to_is_done_once_and_nothing_beside_it() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let consents = world.people.consents.clone();
    let mut client = Connection::open(world.address).await;
    let own = from("Sec-Fetch-Site: same-origin");
    let mut status = async |path: &str, lines: &[&str]| client.ask(get(path, lines)).await.status;

    consents.give("key-of-bob", COPY);
    assert_eq!(status(COPY, &own).await, 303, "agreed to in another session");
    consents.give("key-of-ada", COPY);
    assert_eq!(status(COPIES, &STREAM).await, 403, "before its page");
    assert_eq!(status(&COPY.replace("targetpath=course", "targetpath=other"), &own).await, 303, "another folder");
    assert_eq!(status(COPY, &own).await, 200);
    for other in [
        COPIES.replace("targetpath=course", "targetpath=.ipython"),
        COPIES.replace("git.example", "evil.example"),
        format!("{COPIES}&branch=b"),
        format!("{COPIES}&targetpath=.ipython"),
        format!("{COPIES}&x=y"),
    ] {
        assert_eq!(status(&other, &STREAM).await, 403, "{other}");
    }
    assert_eq!(status(COPIES, &own).await, 403, "as a page");
    assert_eq!(status(COPIES, &STREAM).await, 200);
    assert_eq!(status(COPIES, &STREAM).await, 403, "twice");
    assert_eq!(status(COPY, &own).await, 303, "twice");

    let hidden = COPY.replace("targetpath=course", "targetpath=.ipython");
    consents.give("key-of-ada", &hidden);
    assert_eq!(status(&hidden, &own).await, 303, "a hidden folder, whatever was agreed to");

    let app = "/user/ada/proxy/8501/?a=b";
    consents.give("key-of-ada", app);
    let foreign = from("Sec-Fetch-Site: cross-site");
    assert_eq!(status("/user/ada/proxy/8501/?a=c", &foreign).await, 303);
    assert_eq!(status(app, &foreign).await, 200);
    assert_eq!(status(app, &foreign).await, 303, "twice");
    assert_eq!(ada.request_lines().len(), 3);
}

#[tokio::test]
async fn a_program_with_the_key_copies_as_it_likes() {
    let world = World::start().await;
    let _ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    assert_eq!(client.ask(get(COPIES, &["Authorization: token key-of-ada"])).await.status, 200);
}
