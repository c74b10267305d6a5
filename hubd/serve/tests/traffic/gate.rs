//! Who gets to which server, and what everybody else is told.

use hub_core::control::ServerPhase;
use hub_core::launcher::protocol::Endpoint;

use crate::support::backend::{Backend, Recorder};
use crate::support::client::{Connection, get, request};
use crate::support::{World, own_uid};

const PAGE: &str = "Accept: text/html,*/*";

#[tokio::test]
async fn only_the_owner_gets_through() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let bob = Recorder::listen(&world.enrol("bob"));
    let mut client = Connection::open(world.address).await;
    for (user, path, lines, status, location) in [
        ("ada", "/user/ada/lab", &[PAGE][..], 200, None),
        ("ada", "/user/ada/api/status", &[], 200, None),
        ("ada", "/user/bob/lab", &[PAGE], 404, None),
        ("ada", "/user/bob/api/status", &[], 404, None),
        ("ada", "/user/nobody/lab", &[PAGE], 404, None),
        ("ada", "/user/Ada/lab", &[PAGE], 404, None),
        ("ada", "/user/", &[PAGE], 404, None),
        ("nobody", "/user/ada/lab?a=b&c=%20d", &[PAGE], 302, Some("/hub/login?next=%2Fuser%2Fada%2Flab%3Fa%3Db%26c%3D%2520d")),
        ("nobody", "/user/ada/api/status", &[], 403, None),
        ("nobody", "/user/ada/api/status", &[PAGE, "Sec-Fetch-Mode: cors"], 403, None),
        ("ada", "/user/ada", &[PAGE], 302, Some("/user/ada/")),
        ("ada", "/user/ada?a=%2F", &[PAGE], 302, Some("/user/ada/?a=%2F")),
        ("ada", "/user/ada/logout", &[PAGE], 302, Some("/hub/logout")),
        ("nobody", "/user/ada/logout", &[PAGE], 302, Some("/hub/logout")),
    ] {
        let answer = client.ask(request("GET", path, user, lines)).await;
        let found = (answer.status, answer.all("location").first().copied());
        assert_eq!(found, (status, location), "{user} {path} {lines:?}: {answer:?}");
    }
    assert_eq!(ada.request_lines(), ["GET /user/ada/lab HTTP/1.1", "GET /user/ada/api/status HTTP/1.1"]);
    assert_eq!(bob.request_lines(), [""; 0]);
}

#[tokio::test]
async fn everything_else_goes_to_the_hubs_pages() {
    let world = World::start().await;
    let mut client = Connection::open(world.address).await;
    for path in ["/", "/hub/login?next=/user/ada/", "/users/ada/", "/%75ser/ada/", "/favicon.ico"] {
        let answer = client.ask(get(path, &[])).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), format!("hub {path} Some(Client {{ address: 127.0.0.1, https: false }})"));
    }
}

#[tokio::test]
async fn other_sites_are_refused() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    let websocket = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: a"];
    for (method, lines, status) in [
        ("GET", vec!["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"], 403),
        ("GET", vec!["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"], 403),
        ("POST", vec!["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"], 403),
        ("POST", vec!["Origin: http://evil"], 403),
        ("GET", [&websocket[..], &["Origin: http://evil"]].concat(), 403),
        ("GET", [&websocket[..], &["Origin: http://hub.evil"]].concat(), 403),
        ("GET", [&websocket[..], &["Origin: null"]].concat(), 403),
        ("GET", vec!["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"], 200),
        ("POST", vec!["Origin: http://hub", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"], 200),
    ] {
        let answer = client.ask(request(method, "/user/ada/lab", "ada", &lines)).await;
        assert_eq!(answer.status, status, "{method} {lines:?}: {answer:?}");
    }
    assert_eq!(ada.request_lines().len(), 2);
}

#[tokio::test]
async fn servers_that_do_not_run_are_said_to_be_stopped() {
    let world = World::start().await;
    world.people.log_in("ada");
    let mut client = Connection::open(world.address).await;
    for (phase, lines, status, location) in [
        (ServerPhase::Stopped, &[PAGE][..], 424, None),
        (ServerPhase::Failed, &[PAGE], 424, None),
        (ServerPhase::Stopping, &[PAGE], 424, None),
        (ServerPhase::Starting, &[PAGE], 303, Some("/hub/progress?next=%2Fuser%2Fada%2Flab%3Fa%3Db")),
        (ServerPhase::Queued, &[PAGE], 303, Some("/hub/progress?next=%2Fuser%2Fada%2Flab%3Fa%3Db")),
        (ServerPhase::Stopped, &[], 424, None),
        (ServerPhase::Starting, &[], 424, None),
        (ServerPhase::Stopped, &["Connection: Upgrade", "Upgrade: websocket"], 424, None),
    ] {
        world.people.set("ada", phase, None);
        let answer = client.ask(get("/user/ada/lab?a=b", lines)).await;
        let found = (answer.status, answer.all("location").first().copied());
        assert_eq!(found, (status, location), "{phase:?} {lines:?}");
    }
}

/// By it our script in an open page tells its person why nothing goes on, instead of letting it fail.
#[tokio::test]
async fn why_a_page_gets_no_answer_is_said_in_a_word() {
    let world = World::start().await;
    drop(world.enrol("ada"));
    world.people.log_in("bob");
    let mut client = Connection::open(world.address).await;
    let fetch = ["Accept: */*", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin"];
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
    for lines in [&fetch[..], &upgrade] {
        for (user, word) in [("nobody", "logged-out"), ("bob", "somebody-else"), ("ada", "stopped")] {
            let answer = client.ask(request("GET", "/user/ada/api/contents", user, lines)).await;
            assert_eq!(answer.all("x-hubd-problem"), [word], "{user}, whose server is not there: {lines:?}");
        }
        world.people.set("ada", ServerPhase::Stopped, None);
        let answer = client.ask(get("/user/ada/api/contents", lines)).await;
        assert_eq!((answer.status, answer.all("x-hubd-problem")), (424, vec!["stopped"]), "{lines:?}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_is_behind_is_suspected() {
    let world = World::start().await;
    let socket = world.enrol("ada");
    let mut client = Connection::open(world.address).await;
    assert_eq!(client.ask(get("/user/ada/api", &[])).await.status, 503);
    drop(Backend::listen(&socket));
    assert_eq!(client.ask(get("/user/ada/lab", &[PAGE])).await.status, 503);
    assert_eq!(*world.people.suspected.lock().unwrap(), ["ada".parse().unwrap(), "ada".parse().unwrap()]);
}

#[tokio::test]
async fn a_neighbour_behind_the_socket_gets_not_a_byte() {
    let world = World::start().await;
    let neighbour = world.enrol("bob");
    let mut bob = Backend::listen(&neighbour);
    // Ada put a link to bob's socket in place of her own, and bob's server runs as somebody else than she.
    let link = world.enrol("ada");
    std::os::unix::fs::symlink(&neighbour, &link).unwrap();
    world.people.set("ada", ServerPhase::Running, Some(Endpoint { socket: link, uid: own_uid() + 1 }));
    let mut client = Connection::open(world.address).await;
    assert_eq!(client.ask(get("/user/ada/lab", &[PAGE])).await.status, 502);
    assert_eq!(client.ask(get("/user/ada/ws", &["Connection: Upgrade", "Upgrade: websocket"])).await.status, 502);
    for _ in 0..2 {
        assert_eq!(bob.accept().await.closed().await, b"");
    }
}

#[tokio::test]
async fn use_counts_and_polling_does_not() {
    let world = World::start().await;
    let _ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    for (method, path, count) in
        [("GET", "/user/ada/api/kernels", 0), ("GET", "/user/ada/lab", 1), ("PUT", "/user/ada/api/contents/x", 2)]
    {
        client.ask(request(method, path, "ada", &[])).await;
        assert_eq!(world.people.touched.lock().unwrap().len(), count, "{method} {path}");
    }
}

#[tokio::test]
async fn identity_and_address_are_said_by_the_hub_alone() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    let lines = [
        "X-Hubd-User: bob",
        "x_hubd_user: bob",
        "X-HUBD-USER: bob",
        "X-Forwarded-For: 10.0.0.1",
        "X_Forwarded_For: 10.0.0.1",
        "X-Forwarded-Proto: https",
        "Forwarded: for=10.0.0.1",
        "X-Real-IP: 10.0.0.1",
        "X-Scheme: https",
        "Cookie: a=1; hubd-session=other; b=2",
        "Authorization: token x",
        "Accept-Encoding: gzip, br",
        "Connection: X-Hubd-User, X-Forwarded-For, keep-alive",
    ];
    client.send(get("/user/ada/lab", &lines)).await;
    let mut server = ada.accept().await;
    let head = server.head().await;
    let mut found: Vec<&str> = head.trim_end().split("\r\n").collect();
    assert_eq!(found.remove(0), "GET /user/ada/lab HTTP/1.1");
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "accept-encoding: gzip, br",
            "authorization: token x",
            "cookie: a=1; b=2",
            "host: hub",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: hub",
            "x-forwarded-port: 80",
            "x-forwarded-proto: http",
            "x-hubd-user: ada",
        ]
    );
    server.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 204);
}
