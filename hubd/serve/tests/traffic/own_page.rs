//! A server answers the pages that know the key of their session; where pages know none, everything goes on as before.

use crate::support::backend::Recorder;
use crate::support::client::{Connection, get};
use crate::support::{Differences, World};

const PAGE: [&str; 4] =
    ["Accept: text/html", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
const FETCH: [&str; 3] = ["Accept: */*", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin"];

#[tokio::test]
async fn the_key_opens_the_server_and_never_reaches_it() {
    let world = World::with(Differences { knows_key: true, ..Differences::default() }).await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
    for (path, lines, status) in [
        ("/user/ada/api/contents", &FETCH[..], 403),
        ("/user/ada/api/contents?token=key-of-bob", &FETCH, 403),
        ("/user/ada/api/kernels/1/channels", &upgrade, 403),
        ("/user/ada/lab", &FETCH, 403),
        ("/user/ada/lab", &["Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"], 403),
        ("/user/ada/files/a.png", &FETCH, 403),
    ] {
        let answer = client.ask(get(path, lines)).await;
        assert_eq!(
            (answer.status, answer.all("x-hubd-problem").len()),
            (status, usize::from(!lines.contains(&"Sec-Fetch-Dest: iframe"))),
            "{path} {lines:?}"
        );
    }
    assert_eq!(ada.request_lines().len(), 0);
    let answer = client.ask(get("/user/ada/api/contents", &[&FETCH[..], &["Authorization: token key-of-ada"]].concat())).await;
    assert_eq!((answer.status, answer.all("cache-control")), (200, vec!["no-store"]));
    assert_eq!(answer.all("x-hubd-news"), ["7"]);
    client.ask(get("/user/ada/files/a?b=1&token=key-of-ada", &FETCH)).await;
    client.ask(get("/user/ada/lab", &PAGE)).await;
    client.ask(get("/user/ada/lab/static/x.js", &[&FETCH[..], &["X-Hubd-Key: forged"]].concat())).await;
    let received = String::from_utf8(ada.received().concat()).unwrap();
    let seen: Vec<&str> = received.split("\r\n\r\n").collect();
    assert_eq!(ada.request_lines().len(), 4);
    assert!(!seen[0].contains("key-of-ada") && !seen[1].contains("key-of-ada"), "{seen:?}");
    assert!(seen[1].starts_with("GET /user/ada/files/a?b=1 "), "{seen:?}");
    assert!(seen[2].to_lowercase().contains("x-hubd-key: key-of-ada"), "{seen:?}");
    assert!(!seen[3].to_lowercase().contains("x-hubd-key"), "{seen:?}");
}

#[tokio::test]
async fn every_answer_stands_alone_in_its_window() {
    let world = World::with(Differences { knows_key: true, ..Differences::default() }).await;
    let _ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    for path in ["/user/ada/lab", "/user/ada/rstudio/", "/user/ada/files/a"] {
        let answer = client.ask(get(path, &PAGE)).await;
        assert_eq!(answer.all("cross-origin-opener-policy"), ["noopener-allow-popups"], "{path}");
        assert_eq!(answer.all("cache-control"), ["no-store"], "{path}");
    }
    let asset = client.ask(get("/user/ada/lab/static/x.js", &FETCH)).await;
    assert!(!asset.all("cache-control").contains(&"no-store"));
}

#[tokio::test]
async fn no_service_worker_is_handed_out() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    for line in ["Service-Worker: script", "Sec-Fetch-Dest: serviceworker"] {
        for path in ["/user/ada/files/sw.js", "/user/ada/proxy/8080/sw.js", "/hub/static/1/hub.js"] {
            assert_eq!(client.ask(get(path, &[line])).await.status, 403, "{path}");
        }
    }
    assert_eq!(ada.request_lines().len(), 0);
}

#[tokio::test]
async fn pages_of_servers_that_were_started_earlier_go_on() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    assert_eq!(client.ask(get("/user/ada/api/contents", &FETCH)).await.status, 200);
    assert_eq!(ada.request_lines().len(), 1);
}
