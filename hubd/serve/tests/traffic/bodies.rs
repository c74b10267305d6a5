//! Bodies in both directions: as they come, and no faster than the other side takes them.

use crate::support::World;
use crate::support::backend::{Backend, Recorder};
use crate::support::client::{Connection, get, request};
use crate::support::soon;

/// More than all buffers on the way hold together.
const LARGE: usize = 16 << 20;

#[tokio::test]
async fn events_arrive_one_by_one() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    for head in ["Transfer-Encoding: chunked\r\n", ""] {
        let mut client = Connection::open(world.address).await;
        client.send(get("/user/ada/events", &["Accept: text/event-stream"])).await;
        let mut server = ada.accept().await;
        server.head().await;
        server.write(format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{head}\r\n")).await;
        client.head().await;
        for number in 0..3 {
            // The next event is sent only after the client has this one.
            let event = format!("data: {number}\n\n");
            let chunk = if head.is_empty() { event.clone() } else { format!("{:x}\r\n{event}\r\n", event.len()) };
            server.write(chunk).await;
            client.until(event.as_bytes()).await;
        }
    }
}

#[tokio::test]
async fn uploads_arrive_piece_by_piece() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    client.send(request("PUT", "/user/ada/x", "ada", &["Transfer-Encoding: chunked", "Expect: 100-continue"])).await;
    assert_eq!(client.answer().await.status, 100);
    let mut server = ada.accept().await;
    let head = server.head().await;
    assert!(head.contains("\r\ntransfer-encoding: chunked\r\n") && !head.contains("expect"), "{head}");
    for piece in ["one", "two", "three"] {
        let chunk = format!("{:X}\r\n{piece}\r\n", piece.len());
        client.send(&chunk).await;
        server.read_until(chunk.as_bytes()).await;
    }
    // The answer may come before the upload is complete, and both go on.
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nea").await;
    client.head().await;
    assert_eq!(client.exactly(2).await, b"ea");
    client.send("4\r\nmore\r\n0\r\n\r\n").await;
    server.read_until(b"4\r\nmore\r\n0\r\n\r\n").await;
    server.write("rl").await;
    assert_eq!(client.exactly(2).await, b"rl");
}

#[tokio::test]
async fn large_bodies_arrive_whole() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let body: Vec<u8> = (0..LARGE).map(|index| (index % 251) as u8).collect();
    let mut client = Connection::open(world.address).await;
    client.send(request("PUT", "/user/ada/x", "ada", &[&format!("Content-Length: {LARGE}")])).await;
    client.send(&body).await;
    assert_eq!(client.answer().await.text(), LARGE.to_string());
    assert!(ada.received().concat().ends_with(&body));

    let mut bob = Backend::listen(&world.enrol("bob"));
    client.send(request("GET", "/user/bob/x", "bob", &[])).await;
    let mut server = bob.accept().await;
    server.head().await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
    let (answer, ()) = tokio::join!(client.answer(), async {
        server.write(head).await;
        server.write(&body).await;
    });
    assert_eq!(answer.body, body);
}

#[tokio::test]
async fn nobody_is_read_faster_than_the_other_side_takes() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    client.send(get("/user/ada/x", &[])).await;
    let mut server = ada.accept().await;
    server.head().await;
    server.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")).await;
    // The client reads nothing, so the server cannot get rid of all of it.
    let piece = vec![b'a'; 64 * 1024];
    let mut written = 0;
    loop {
        match server.stream.try_write(&piece) {
            Ok(n) => written += n,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let writable = server.stream.writable();
                if tokio::time::timeout(std::time::Duration::from_millis(300), writable).await.is_err() {
                    break;
                }
            }
            Err(error) => panic!("{error}"),
        }
        assert!(written < LARGE, "the proxy has taken everything although the client has read nothing");
    }
    // It goes on when the client does.
    let rest = LARGE - written;
    let (answer, ()) = tokio::join!(client.answer(), async {
        for _ in 0..rest / piece.len() {
            server.write(&piece).await;
        }
        server.write(&piece[..rest % piece.len()]).await;
    });
    assert_eq!(answer.body.len(), LARGE);
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_server() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    // Before the answer, in the middle of it, and in the middle of an upload.
    for (lines, answer) in
        [(&[][..], ""), (&[], "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), (&["Content-Length: 10"], "")]
    {
        let mut client = Connection::open(world.address).await;
        client.send(request("POST", "/user/ada/x", "ada", lines)).await;
        let mut server = ada.accept().await;
        server.head().await;
        if !answer.is_empty() {
            server.write(answer).await;
            client.until(b"abc").await;
        }
        drop(client);
        assert_eq!(server.closed().await, b"", "{lines:?} {answer:?}");
    }
}

#[tokio::test]
async fn an_early_refusal_reaches_the_client() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    client.send(request("PUT", "/user/ada/x", "ada", &[&format!("Content-Length: {LARGE}")])).await;
    let mut server = ada.accept().await;
    server.head().await;
    server.write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig").await;
    let answer = soon("an answer", client.answer()).await;
    assert_eq!((answer.status, answer.text()), (413, "big"));
}
