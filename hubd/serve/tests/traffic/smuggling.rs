//! Requests that two programs could read in two ways: each is one request to one server, or none and the connection
//! ends.

use crate::support::World;
use crate::support::backend::Recorder;
use crate::support::client::{Connection, get};

/// Sends `input` on a connection of its own and returns the statuses of what came back until the hub closed.
async fn statuses(world: &World, input: &[u8]) -> Vec<u16> {
    let mut client = Connection::open(world.address).await;
    client.send(input).await;
    let all = client.rest().await;
    let text = String::from_utf8(all).unwrap();
    text.split("HTTP/1.").skip(1).map(|answer| answer[2..5].parse().unwrap()).collect()
}

fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /user/ada/first HTTP/1.1\r\nHost: hub\r\nCookie: hubd-session=ada\r\n{lines}\r\n{body}").into_bytes()
}

/// What an attacker wants to be taken for a request of its own.
const SECOND: &str = "GET /user/ada/second HTTP/1.1\r\nHost: hub\r\nCookie: hubd-session=ada\r\n\r\n";

#[tokio::test]
async fn ambiguous_requests_reach_nobody() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let chunked = format!("0\r\n\r\n{SECOND}");
    for (name, input) in [
        ("length, then chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &chunked)),
        ("chunks, then length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &chunked)),
        ("a length of nothing and chunks", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", &chunked)),
        ("a strange encoding", post("Transfer-Encoding: identity\r\n", SECOND)),
        ("a strange encoding, then chunks", post("Transfer-Encoding: gzip, chunked\r\n", &chunked)),
        ("two encodings", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", &chunked)),
        ("chunks twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &chunked)),
        ("nearly chunks", post("Transfer-Encoding: xchunked\r\n", &chunked)),
        ("chunks after a vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", &chunked)),
        ("a space before the colon", post("Transfer-Encoding : chunked\r\n", &chunked)),
        ("a folded line", post("X: y\r\n Transfer-Encoding: chunked\r\n", &chunked)),
        ("a folded first line", post(" X: y\r\n", SECOND)),
        ("equal lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")),
        ("different lengths", post("Content-Length: 3\r\nContent-Length: 80\r\n", &format!("abc{SECOND}"))),
        ("a list of lengths", post("Content-Length: 3, 3\r\n", "abc")),
        ("a signed length", post("Content-Length: +3\r\n", "abc")),
        ("a negative length", post("Content-Length: -1\r\n", SECOND)),
        ("a hexadecimal length", post("Content-Length: 0x3\r\n", "abc")),
        ("a length that overflows", post("Content-Length: 18446744073709551619\r\n", "abc")),
        ("an empty length", post("Content-Length:\r\n", SECOND)),
        ("bare line feeds", post("X: y\n", SECOND)),
        ("a bare line feed at the end", format!("GET /user/ada/first HTTP/1.1\r\nHost: hub\r\n\n{SECOND}").into_bytes()),
        ("only line feeds", b"GET /user/ada/first HTTP/1.1\nHost: hub\nCookie: hubd-session=ada\n\n".to_vec()),
        ("a bare carriage return", post("X: y\rTransfer-Encoding: chunked\r\n", &chunked)),
        ("a NUL", post("X: y\0\r\n", SECOND)),
        ("a name with a NUL", post("X\0: y\r\n", SECOND)),
        ("a line without a colon", post("X\r\n", SECOND)),
        ("two hosts", post("Host: hub\r\n", SECOND)),
        ("an empty host", b"GET /user/ada/first HTTP/1.1\r\nHost:\r\nCookie: hubd-session=ada\r\n\r\n".to_vec()),
        ("no host", b"GET /user/ada/first HTTP/1.1\r\nCookie: hubd-session=ada\r\n\r\n".to_vec()),
        ("a host with a user", b"GET /user/ada/first HTTP/1.1\r\nHost: a@hub\r\nCookie: hubd-session=ada\r\n\r\n".to_vec()),
        (
            "an old version with chunks",
            [
                b"POST /user/ada/first HTTP/1.0\r\nHost: hub\r\nCookie: hubd-session=ada\r\nTransfer-Encoding: chunked\r\n\r\n",
                chunked.as_bytes(),
            ]
            .concat(),
        ),
        ("a body before an upgrade", post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", "abc")),
        (
            "chunks before an upgrade",
            post("Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n", &chunked),
        ),
        ("an expectation", post("Expect: miracles\r\n", "")),
        ("a byte that is no text in the path", b"GET /user/ada/\xff HTTP/1.1\r\nHost: hub\r\n\r\n".to_vec()),
        ("a space in the path", b"GET /user/ada/a b HTTP/1.1\r\nHost: hub\r\n\r\n".to_vec()),
        ("no version", b"GET /user/ada/first\r\n\r\n".to_vec()),
        ("an unknown version", b"GET /user/ada/first HTTP/1.2\r\nHost: hub\r\n\r\n".to_vec()),
        ("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
    ] {
        let found = statuses(&world, &input).await;
        assert!(matches!(found[..], [400]) || name == "HTTP/2 at once" && found.is_empty(), "{name}: {found:?}");
    }
    let refused = b"CONNECT hub:80 HTTP/1.1\r\nHost: hub\r\nCookie: hubd-session=ada\r\n\r\n";
    assert_eq!(statuses(&world, refused).await, [405]);
    let refused = b"TRACE /user/ada/first HTTP/1.1\r\nHost: hub\r\nCookie: hubd-session=ada\r\n\r\n";
    assert_eq!(statuses(&world, refused).await, [405]);
    assert_eq!(ada.request_lines(), [""; 0]);
}

#[tokio::test]
async fn broken_chunks_end_the_request_and_the_connection() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let inputs = [
        chunked(&format!("3\nabc\r\n0\r\n\r\n{SECOND}")),
        chunked(&format!("3;x\ny\r\nabc\r\n0\r\n\r\n{SECOND}")),
        chunked(&format!("3\r\nabcd\r\n0\r\n\r\n{SECOND}")),
        chunked(&format!("+3\r\nabc\r\n0\r\n\r\n{SECOND}")),
        chunked(&format!("3 \r\nabc\r\n0\r\n\r\n{SECOND}")),
        chunked(&format!("0x3\r\nabc\r\n0\r\n\r\n{SECOND}")),
        chunked(&format!("10000000000000003\r\nabc\r\n0\r\n\r\n{SECOND}")),
        chunked(&format!("0\r\n\n{SECOND}")),
        chunked(&format!("\r\n{SECOND}")),
    ];
    for input in &inputs {
        let found = statuses(&world, input).await;
        assert!(matches!(found[..], [] | [400]), "{:?}: {found:?}", input.escape_ascii().to_string());
    }
    // The head was good and may have been passed on before the body came; nothing else may.
    for line in ada.request_lines() {
        assert_eq!(line, "POST /user/ada/first HTTP/1.1");
    }
    assert!(ada.request_lines().len() <= inputs.len());
}

#[tokio::test]
async fn pipelined_requests_are_each_looked_at() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let bob = Recorder::listen(&world.enrol("bob"));
    let mut client = Connection::open(world.address).await;
    let pipeline = [
        get("/user/ada/1", &[]),
        get("/user/bob/2", &[]),
        String::from_utf8(post("Content-Length: 6\r\n", "GET /\n")).unwrap(),
        String::from_utf8(post("Transfer-Encoding: chunked\r\n", "4\r\nabcd\r\n0\r\nX-Trailer: y\r\n\r\n")).unwrap(),
        // An upgrade that the server does not take is an ordinary request, and so is what follows it.
        get("/user/ada/3", &["Connection: Upgrade", "Upgrade: websocket"]),
        get("/user/bob/4", &[]),
        get("/user/ada/5", &["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"]),
    ]
    .concat();
    client.send(pipeline).await;
    let mut found = Vec::new();
    for _ in 0..7 {
        found.push(client.answer().await.status);
    }
    assert_eq!(found, [200, 404, 200, 200, 200, 404, 200]);
    assert_eq!(
        ada.request_lines(),
        [
            "GET /user/ada/1 HTTP/1.1",
            "POST /user/ada/first HTTP/1.1",
            "POST /user/ada/first HTTP/1.1",
            "GET /user/ada/3 HTTP/1.1",
            "GET /user/ada/5 HTTP/1.1",
        ]
    );
    assert_eq!(bob.request_lines(), [""; 0]);
    let received = String::from_utf8(ada.received().concat()).unwrap();
    assert!(!received.contains("h2c") && !received.contains("HTTP2-Settings"), "{received}");
}

#[tokio::test]
async fn a_body_is_never_taken_for_a_request() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    let input = format!(
        "GET /user/ada/get HTTP/1.1\r\nHost: hub\r\nCookie: hubd-session=ada\r\nContent-Length: {}\r\n\r\n",
        SECOND.len()
    );
    let answer = client.ask(input + SECOND).await;
    assert_eq!((answer.status, answer.text()), (200, &*SECOND.len().to_string()));
    let received = String::from_utf8(ada.received().concat()).unwrap();
    assert!(received.starts_with("GET /user/ada/get HTTP/1.1\r\n"), "{received}");
    assert!(received.contains(&format!("content-length: {}\r\n", SECOND.len())), "{received}");
}

#[tokio::test]
async fn old_versions_are_understood() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let input = b"GET /user/ada/old HTTP/1.0\r\nHost: hub\r\nCookie: hubd-session=ada\r\n\r\n";
    assert_eq!(statuses(&world, input).await, [200]);
    assert_eq!(ada.request_lines(), ["GET /user/ada/old HTTP/1.1"]);
}
