//! What servers answer, well-behaved and not.

use tokio::io::AsyncWriteExt;

use crate::support::World;
use crate::support::backend::Backend;
use crate::support::client::{Connection, get, request};

/// What the client gets when ada's server answers one request with these bytes and closes.
async fn answer_to(world: &World, ada: &mut Backend, method: &str, bytes: &[u8]) -> Vec<u8> {
    let mut client = Connection::open(world.address).await;
    client.send(request(method, "/user/ada/x", "ada", &["Connection: close"])).await;
    let mut server = ada.accept().await;
    server.head().await;
    // The proxy may close before it has read everything.
    if let Err(error) = server.stream.write_all(bytes).await {
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }
    drop(server);
    client.rest().await
}

const EVERYWHERE: [&str; 3] = ["date: ", "connection: close", "cross-origin-opener-policy: noopener-allow-popups"];

/// The answer without `Date`, `Connection` and the opener policy, which every answer here has.
fn plain(answer: &[u8]) -> String {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines: Vec<&str> =
        head.split("\r\n").filter(|line| !EVERYWHERE.iter().any(|every| line.starts_with(every))).collect();
    lines[1..].sort_unstable();
    format!("{}|{body}", lines.join("|"))
}

#[tokio::test]
async fn answers_pass_as_they_are() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    for (method, from_server, to_client) in [
        ("GET", &b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc"[..], "HTTP/1.1 200 OK|content-length: 3|x-a: b|abc"),
        ("GET", b"HTTP/1.1 200 Fine\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 200 Fine|content-length: 3|abc"),
        ("GET", b"HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 299 |content-length: 0|"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: u\r\n\r\n", "HTTP/1.1 200 OK|transfer-encoding: chunked|3\r\nabc\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\n\r\nabc", "HTTP/1.1 200 OK|transfer-encoding: chunked|3\r\nabc\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.0 200 OK\r\n\r\nabc", "HTTP/1.1 200 OK|transfer-encoding: chunked|3\r\nabc\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content|"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 204 No Content|"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 304 Not Modified|etag: \"a\"|"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 200 OK|content-length: 3|"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK|"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 200 OK|content-length: 1|a"),
        ("GET", b"HTTP/1.1 302 Found\r\nLocation: /user/ada/lab?\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 302 Found|content-length: 0|location: /user/ada/lab?|"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 200 OK|content-length: 3|abc"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "HTTP/1.1 200 OK|transfer-encoding: chunked|3\r\nabc\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\r\na", "HTTP/1.1 200 OK|content-length: 1|a"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nSet-Cookie: hubd-session=evil; Path=/\r\nSet-Cookie: a=1\r\nService-Worker-Allowed: /\r\nClear-Site-Data: \"*\"\r\nStrict-Transport-Security: max-age=9\r\nAlt-Svc: h3\r\n\r\na", "HTTP/1.1 200 OK|content-length: 1|set-cookie: a=1|a"),
    ] {
        let found = plain(&answer_to(&world, &mut ada, method, from_server).await);
        assert_eq!(found, to_client, "{method} {}", from_server.escape_ascii());
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_not_passed_on() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 1 << 20]].concat();
    let storm = [b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000), b"nonsense\r\n\r\n".to_vec()].concat();
    for from_server in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b=1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        &endless,
        &storm,
    ] {
        let found = answer_to(&world, &mut ada, "GET", from_server).await;
        let begin = from_server[..from_server.len().min(80)].escape_ascii();
        assert!(found.starts_with(b"HTTP/1.1 502 "), "{begin}: {}", found.escape_ascii());
        assert!(
            String::from_utf8_lossy(&found).contains("Your server did not answer properly"),
            "{begin}: {}",
            found.escape_ascii()
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    for from_server in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ] {
        let found = answer_to(&world, &mut ada, "GET", from_server).await;
        let text = String::from_utf8(found).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        let is_complete = text.ends_with("0\r\n\r\n") || !text.contains("chunked") && !text.contains("content-length: 10");
        assert!(!is_complete, "the client cannot tell that this broke off: {text}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_only_when_it_is_clean() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;

    client.send(get("/user/ada/1", &[])).await;
    let mut server = ada.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na").await;
    assert_eq!(client.answer().await.text(), "a");

    // The same connection again; this time the server says more than it should.
    client.send(get("/user/ada/2", &[])).await;
    assert!(server.head().await.starts_with("GET /user/ada/2 "));
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nbHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await;
    assert_eq!(client.answer().await.text(), "b");

    client.send(get("/user/ada/3", &[])).await;
    assert_eq!(server.closed().await, b"");
    let mut server = ada.accept().await;
    assert!(server.head().await.starts_with("GET /user/ada/3 "));
    // Closing after an answer, with and without saying so, costs the next request nothing.
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nc").await;
    assert_eq!(client.answer().await.text(), "c");
    client.send(get("/user/ada/4", &[])).await;
    let mut server = ada.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nd").await;
    assert_eq!(client.answer().await.text(), "d");
    drop(server);
    client.send(get("/user/ada/5", &[])).await;
    let mut server = ada.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ne").await;
    assert_eq!(client.answer().await.text(), "e");
}

#[tokio::test]
async fn what_may_not_be_repeated_is_not() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    for (method, lines, body, is_repeated) in [
        ("GET", &[][..], "", true),
        ("HEAD", &[], "", true),
        ("OPTIONS", &[], "", true),
        ("GET", &["Content-Length: 3"], "abc", false),
        ("POST", &[], "", false),
        ("POST", &["Content-Length: 3"], "abc", false),
        ("DELETE", &[], "", false),
    ] {
        client.send(get("/user/ada/before", &[])).await;
        let mut server = ada.accept().await;
        server.head().await;
        server.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na").await;
        client.answer().await;
        // The server takes the request on the waiting connection and dies of it.
        client.send(request(method, "/user/ada/once", "ada", lines) + body).await;
        server.head().await;
        drop(server);
        if is_repeated {
            let mut server = ada.accept().await;
            assert!(server.head().await.starts_with(&format!("{method} /user/ada/once ")));
            server.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
        let status = client.answer_to(method != "HEAD").await.status;
        assert_eq!(status, if is_repeated { 200 } else { 502 }, "{method} {lines:?}");
        assert!(!ada.has_more(), "{method} {lines:?} was sent twice");
    }
}
