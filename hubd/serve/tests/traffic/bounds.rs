//! What a client may not do for ever, and what there may not be too much of. The deadlines are short here; nothing
//! depends on how short.

use std::time::Duration;

use hubd::listen::{self, Limits};
use hubd::proxy;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::support::backend::{Backend, Recorder};
use crate::support::client::{Connection, get, request};
use crate::support::{Differences, PATIENCE, World};

const SHORT: Duration = Duration::from_millis(100);

/// Deadlines that only `change` makes short.
async fn world(change: impl FnOnce(&mut listen::Deadlines)) -> World {
    let mut differences = Differences::default();
    let long = 10 * PATIENCE;
    differences.settings.deadlines = listen::Deadlines { handshake: long, head: long, body: long, answer: long, idle: long };
    change(&mut differences.settings.deadlines);
    World::with(differences).await
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let world = world(|deadlines| deadlines.head = SHORT).await;
    let mut client = Connection::open(world.address).await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn slow_heads_are_cut_off_however_steadily_they_come() {
    let world = world(|deadlines| deadlines.head = SHORT).await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    // The first request is quick; what is slow is the second one's head.
    assert_eq!(client.ask(get("/user/ada/x", &[])).await.status, 200);
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let dribble = async {
        let endless = "GET /user/ada/slow HTTP/1.1\r\n".bytes().chain(std::iter::repeat(b'x'));
        for byte in endless {
            if tokio::io::AsyncWriteExt::write_all(&mut writer, &[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let mut rest = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut rest);
    tokio::select! {
        () = dribble => {}
        closed = crate::support::soon("the slow client to be cut off", closed) => {
            assert!(closed.is_err() || rest.is_empty());
        }
    }
    assert_eq!(ada.request_lines(), ["GET /user/ada/x HTTP/1.1"]);
}

#[tokio::test]
async fn bodies_that_stop_coming_are_cut_off() {
    let world = world(|deadlines| deadlines.body = SHORT).await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    for lines in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut client = Connection::open(world.address).await;
        client.send(request("PUT", "/user/ada/x", "ada", &[lines]) + "5\r\nab").await;
        let mut server = ada.accept().await;
        server.head().await;
        assert_eq!(client.rest().await, b"", "{lines}");
        server.closed().await;
    }
}

#[tokio::test]
async fn answers_that_nobody_takes_are_cut_off() {
    let world = world(|deadlines| deadlines.answer = SHORT).await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    client.send(get("/user/ada/x", &[])).await;
    let mut server = ada.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\n\r\n").await;
    let piece = vec![b'a'; 1 << 20];
    let write = async { while tokio::io::AsyncWriteExt::write_all(&mut server.stream, &piece).await.is_ok() {} };
    crate::support::soon("the proxy to give up", write).await;
    client.rest().await;
}

#[tokio::test]
async fn idle_connections_are_closed_and_busy_ones_are_not() {
    let world = world(|deadlines| deadlines.idle = SHORT).await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut idle = Connection::open(world.address).await;
    assert_eq!(idle.ask(get("/hub/", &[])).await.status, 200);
    // Three connections that are quiet for much longer, for good reasons.
    let mut waiting = Connection::open(world.address).await;
    waiting.send(get("/user/ada/waiting", &[])).await;
    let mut waiting_server = ada.accept().await;
    waiting_server.head().await;
    let mut streaming = Connection::open(world.address).await;
    streaming.send(get("/user/ada/streaming", &[])).await;
    let mut streaming_server = ada.accept().await;
    streaming_server.head().await;
    streaming_server.write("HTTP/1.1 200 OK\r\n\r\none").await;
    streaming.until(b"one").await;
    let mut tunnel = Connection::open(world.address).await;
    tunnel.send(get("/user/ada/ws", &["Connection: Upgrade", "Upgrade: x"])).await;
    let mut tunnel_server = ada.accept().await;
    tunnel_server.head().await;
    tunnel_server.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n").await;
    assert_eq!(tunnel.answer().await.status, 101);

    assert_eq!(idle.rest().await, b"");
    tokio::time::sleep(5 * SHORT).await;
    waiting_server.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
    assert_eq!(waiting.answer().await.text(), "done");
    streaming_server.write("two").await;
    streaming.until(b"two").await;
    tunnel_server.write("hello").await;
    assert_eq!(tunnel.exactly(5).await, b"hello");
}

#[tokio::test]
async fn waiting_connections_to_servers_are_closed_and_open_ones_are_not() {
    let mut differences = Differences::default();
    differences.proxy.idle = SHORT;
    let world = World::with(differences).await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut tunnel = Connection::open(world.address).await;
    tunnel.send(get("/user/ada/ws", &["Connection: Upgrade", "Upgrade: x"])).await;
    let mut tunnel_server = ada.accept().await;
    tunnel_server.head().await;
    tunnel_server.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n").await;
    assert_eq!(tunnel.answer().await.status, 101);
    for _ in 0..3 {
        let mut client = Connection::open(world.address).await;
        client.send(get("/user/ada/x", &[])).await;
        let mut server = ada.accept().await;
        server.head().await;
        server.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na").await;
        assert_eq!(client.answer().await.text(), "a");
        assert_eq!(server.closed().await, b"");
    }
    tunnel_server.write("hello").await;
    assert_eq!(tunnel.exactly(5).await, b"hello");
}

#[tokio::test]
async fn servers_that_never_answer_are_given_up() {
    let silence = Duration::from_secs(1);
    let mut differences = Differences::default();
    differences.proxy = proxy::Deadlines { answer: silence, ..differences.proxy };
    let world = World::with(differences).await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    client.send(get("/user/ada/x", &[])).await;
    let mut server = ada.accept().await;
    server.head().await;
    assert_eq!(client.answer().await.status, 504);
    assert_eq!(server.closed().await, b"");

    // An upload that takes longer than that is no silence of the server.
    client.send(request("PUT", "/user/ada/x", "ada", &["Content-Length: 8"])).await;
    let mut server = ada.accept().await;
    server.head().await;
    for _ in 0..8 {
        tokio::time::sleep(silence / 4).await;
        client.send("a").await;
        server.exactly(1).await;
    }
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na").await;
    assert_eq!(client.answer().await.text(), "a");
}

#[tokio::test]
async fn too_many_connections_are_told_so_and_places_come_back() {
    let mut differences = Differences::default();
    differences.settings.limits = Limits { connections: 2, per_source: 2 };
    let world = World::with(differences).await;
    let mut first = Connection::open(world.address).await;
    let mut second = Connection::open(world.address).await;
    assert_eq!(first.ask(get("/hub/", &[])).await.status, 200);
    assert_eq!(second.ask(get("/hub/", &[])).await.status, 200);
    let mut third = Connection::open(world.address).await;
    let answer = third.answer().await;
    assert_eq!((answer.status, answer.all("retry-after")), (503, vec!["5"]));
    assert_eq!(third.rest().await, b"");
    assert_eq!(first.ask(get("/hub/", &[])).await.status, 200);
    drop(second);
    crate::support::soon("a place", async {
        loop {
            let mut next = Connection::open(world.address).await;
            next.stream.set_nodelay(true).unwrap();
            if tokio::io::AsyncWriteExt::write_all(&mut next.stream, get("/hub/", &[]).as_bytes()).await.is_ok()
                && next.answer().await.status == 200
            {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn heads_have_their_sizes() {
    let world = World::start().await;
    let ada = Recorder::listen(&world.enrol("ada"));
    let cookie = |size: usize| format!("X: {}", "a".repeat(size));
    let many = (0..101).map(|number| format!("X-{number}: y")).collect::<Vec<_>>();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (path, lines, statuses) in [
        ("/user/ada/x", &[&*cookie(50 << 10)][..], &[200][..]),
        // A page can say what is wrong with those.
        ("/user/ada/x", &[&*cookie(60 << 10)], &[431]),
        ("/user/ada/x", &[&*cookie(500 << 10)], &[431]),
        ("/hub/clear", &[&*cookie(500 << 10)], &[200]),
        // These are refused before anybody looks at them.
        ("/hub/clear", &[&*cookie(600 << 10)], &[431]),
        ("/hub/clear", &[&*cookie(2 << 20)], &[431]),
        ("/hub/clear", &many, &[431]),
        (&format!("/user/ada/{}", "a".repeat(50_000)), &[], &[200]),
        (&format!("/user/ada/{}", "a".repeat(60_000)), &[], &[431]),
        (&format!("/user/ada/{}", "a".repeat(70_000)), &[], &[414]),
    ] {
        let mut client = Connection::open(world.address).await;
        // The hub need not read all of a head that is too large.
        let sent = tokio::io::AsyncWriteExt::write_all(&mut client.stream, get(path, lines).as_bytes()).await;
        let status = client.answer().await.status;
        assert!(statuses.contains(&status), "{} {}: {status} {sent:?}", &path[..path.len().min(20)], lines.len());
    }
    assert_eq!(ada.request_lines().len(), 2);
}

#[tokio::test]
async fn one_person_cannot_have_everything_open() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let bob = Recorder::listen(&world.enrol("bob"));
    let mut open = Vec::new();
    loop {
        let mut client = Connection::open(world.address).await;
        client.send(get("/user/ada/slow", &[])).await;
        let accepted = async {
            let mut server = ada.accept().await;
            server.head().await;
            server
        };
        tokio::select! {
            server = accepted => open.push((client, server)),
            answer = client.answer() => {
                assert_eq!(answer.status, 429);
                break;
            }
        }
    }
    assert_eq!(open.len(), 256);
    let mut client = Connection::open(world.address).await;
    assert_eq!(client.ask(request("GET", "/user/bob/x", "bob", &[])).await.status, 200);
    assert_eq!(bob.request_lines().len(), 1);

    let (mut finished, mut server) = open.pop().unwrap();
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(finished.answer().await.status, 200);
    client.send(get("/user/ada/again", &[])).await;
    assert!(server.head().await.starts_with("GET /user/ada/again "));
}

/// Far less than the kernel lets a socket grow to by itself; it counts what lies there as the hub's memory.
const MOST_IN_SOCKETS: usize = 1_600_000;
/// Whoever has taken nothing for so long takes nothing more.
const STILL: Duration = Duration::from_secs(2);

/// How many bytes `stream` takes until nobody takes any more.
async fn taken(stream: &mut (impl AsyncWrite + Unpin)) -> usize {
    let piece = vec![b'a'; 1 << 16];
    let mut taken = 0;
    while let Ok(written) = tokio::time::timeout(STILL, stream.write(&piece)).await {
        taken += written.unwrap();
    }
    taken
}

#[tokio::test]
async fn what_a_client_does_not_take_does_not_pile_up_in_sockets() {
    let world = world(|_| {}).await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = Connection::over(socket.connect(world.address).await.unwrap());
    client.send(get("/user/ada/x", &[])).await;
    let mut server = ada.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\n\r\n").await;
    let most = taken(&mut server.stream).await;
    assert!((1..MOST_IN_SOCKETS).contains(&most), "{most} bytes lie between a server and its client");
}

#[tokio::test]
async fn what_a_server_does_not_take_does_not_pile_up_in_sockets() {
    let world = world(|_| {}).await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    let mut client = Connection::over(socket.connect(world.address).await.unwrap());
    client.send(request("PUT", "/user/ada/x", "ada", &["Content-Length: 1000000000"])).await;
    let mut server = ada.accept().await;
    server.head().await;
    // A socket whose owner reads fast for a while is one that the kernel would make larger.
    let fast = 64 << 20;
    let ((), _) = tokio::join!(client.send(vec![b'a'; fast]), server.exactly(fast));
    let most = taken(&mut client.stream).await;
    assert!((1..MOST_IN_SOCKETS).contains(&most), "{most} bytes lie between a client and its server");
}
