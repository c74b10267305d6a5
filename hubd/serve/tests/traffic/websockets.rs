//! Connections that stop being HTTP.

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixListener};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::backend::{self, Backend};
use crate::support::client::{Connection, get};
use crate::support::{World, descriptors, soon, until};

const UPGRADE: [&str; 4] = [
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// Both ends of a connection through the hub that is no longer HTTP.
async fn switched(world: &World, ada: &mut Backend) -> (Connection, backend::Connection) {
    let mut client = Connection::open(world.address).await;
    client.send(get("/user/ada/ws", &UPGRADE)).await;
    let mut server = ada.accept().await;
    let head = server.head().await;
    assert!(head.contains("\r\nupgrade: websocket\r\n") && head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "{head}");
    server.write(SWITCH).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.all("upgrade"), answer.all("connection")), (101, vec!["websocket"], vec!["upgrade"]));
    (client, server)
}

/// A WebSocket through the hub to a server that sends everything back.
async fn echo(world: &World) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let request = http::Request::builder()
        .uri("ws://hub/user/ada/ws")
        .header("host", "hub")
        .header("cookie", "hubd-session=ada")
        .header("origin", "http://hub")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    soon("the WebSocket to open", tokio_tungstenite::client_async(request.body(()).unwrap(), stream)).await.unwrap().0
}

fn listen_echo(world: &World) {
    let listener = UnixListener::bind(world.enrol("ada")).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
}

#[tokio::test]
async fn messages_of_all_sizes_come_back() {
    let world = World::start().await;
    listen_echo(&world);
    let mut socket = echo(&world).await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 5 << 20] {
        let message = Message::text("x".repeat(size));
        soon("a message to go", socket.send(message.clone())).await.unwrap();
        assert_eq!(soon("a message to come back", socket.next()).await.unwrap().unwrap(), message);
    }
    soon("the WebSocket to close", socket.close(None)).await.unwrap();
    while let Some(message) = soon("the WebSocket to close", socket.next()).await {
        assert!(message.unwrap().is_close());
    }
}

#[tokio::test]
async fn single_bytes_pass_in_both_directions() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let (mut client, mut server) = switched(&world, &mut ada).await;
    for byte in 0..=255_u8 {
        client.send([byte]).await;
        assert_eq!(server.exactly(1).await, [byte]);
        server.write([byte]).await;
        assert_eq!(client.exactly(1).await, [byte]);
    }
}

#[tokio::test]
async fn what_comes_together_with_the_switch_is_not_lost() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    client.send(get("/user/ada/ws", &UPGRADE)).await;
    let mut server = ada.accept().await;
    server.head().await;
    server.write(format!("{SWITCH}hello")).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.exactly(5).await, b"hello");
}

#[tokio::test]
async fn much_passes_both_ways_at_once() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let (mut client, mut server) = switched(&world, &mut ada).await;
    let much: Vec<u8> = (0..8 << 20).map(|index| (index % 253) as u8).collect();
    let (mut from_client, mut to_client) = tokio::io::split(&mut client.stream);
    let (mut from_server, mut to_server) = tokio::io::split(&mut server.stream);
    let read = async |reader: &mut (dyn tokio::io::AsyncRead + Unpin + Send)| {
        let mut buffer = vec![0; much.len()];
        tokio::io::AsyncReadExt::read_exact(reader, &mut buffer).await.unwrap();
        buffer
    };
    let (sent, returned, one, other) = soon("16 MB to pass", async {
        tokio::join!(to_client.write_all(&much), to_server.write_all(&much), read(&mut from_client), read(&mut from_server))
    })
    .await;
    sent.unwrap();
    returned.unwrap();
    assert!(one == much && other == much);
}

#[tokio::test]
async fn each_side_can_say_its_last_while_the_other_goes_on() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let (mut client, mut server) = switched(&world, &mut ada).await;
    client.send("last").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(server.read_until(b"last").await, b"last");
    server.write("still here").await;
    assert_eq!(client.exactly(10).await, b"still here");
    assert_eq!(server.closed().await, b"");
    assert_eq!(client.rest().await, b"");

    let (mut client, mut server) = switched(&world, &mut ada).await;
    server.write("last").await;
    server.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, b"last");
    client.send("still here").await;
    assert_eq!(server.exactly(10).await, b"still here");
    drop(client);
    assert_eq!(server.closed().await, b"");
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_of_a_frame_closes_the_client() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let (mut client, mut server) = switched(&world, &mut ada).await;
    server.write(b"\x81\x7e\x10\x00half a frame").await;
    client.until(b"half a frame").await;
    drop(server);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_switch_to_something_else_is_not_passed_on() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
    ] {
        let mut client = Connection::open(world.address).await;
        client.send(get("/user/ada/ws", &UPGRADE)).await;
        let mut server = ada.accept().await;
        server.head().await;
        server.write(answer).await;
        assert_eq!(client.answer().await.status, 502);
        assert_eq!(server.closed().await, b"");
    }
}

#[tokio::test]
async fn a_refused_switch_is_an_answer_like_any_other() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    client.send(get("/user/ada/ws", &UPGRADE)).await;
    let mut server = ada.accept().await;
    server.head().await;
    server.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    assert_eq!(client.answer().await.text(), "no");
    client.send(get("/user/ada/next", &[])).await;
    assert!(server.head().await.starts_with("GET /user/ada/next "));
}

#[tokio::test]
async fn whoever_speaks_before_the_switch_is_cut_off() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    for early in ["\u{1}\u{2}frame", "GET /user/ada/second HTTP/1.1\r\nHost: hub\r\n\r\n"] {
        let mut client = Connection::open(world.address).await;
        client.send(get("/user/ada/ws", &UPGRADE) + early).await;
        let mut server = ada.accept().await;
        server.head().await;
        server.write(SWITCH).await;
        assert_eq!(server.closed().await, b"", "{early:?}");
        client.rest().await;
    }
}

#[tokio::test]
async fn access_that_ends_ends_everything_open() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut bob = Backend::listen(&world.enrol("bob"));
    for is_logout in [true, false] {
        world.people.log_in("ada");
        let (mut client, server) = switched(&world, &mut ada).await;
        // A stream in the middle, a request without an answer yet, an upload under way, and somebody else's.
        let mut opened = Vec::new();
        for (answer, lines) in [("HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n", &[][..]), ("", &[]), ("", &["Transfer-Encoding: chunked"])]
        {
            let mut stream = Connection::open(world.address).await;
            stream.send(get("/user/ada/stream", lines)).await;
            let mut server = ada.accept().await;
            server.head().await;
            server.write(answer).await;
            if !answer.is_empty() {
                stream.until(b"data: 1\n\n").await;
            }
            opened.push((stream, server));
        }
        let mut other = Connection::open(world.address).await;
        other.send(get("/user/bob/stream", &[]).replace("=ada", "=bob")).await;
        let mut bobs = bob.accept().await;
        bobs.head().await;
        bobs.write("HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n").await;
        other.until(b"data: 1\n\n").await;

        if is_logout {
            world.people.log_out("ada");
        } else {
            world.proxy.forget(&"ada".parse().unwrap());
        }
        assert_eq!(client.rest().await, b"");
        assert_eq!(server.closed().await, b"");
        for (index, (mut stream, server)) in opened.into_iter().enumerate() {
            if index == 0 {
                let rest = stream.rest().await;
                assert!(!rest.ends_with(b"0\r\n\r\n"), "the client must see that the stream broke off");
            } else {
                // Not logged in any more, or no server any more.
                assert_eq!(stream.answer().await.status, if is_logout { 403 } else { 424 });
            }
            let received = server.closed().await;
            assert_eq!(received, b"", "stream {index}");
        }
        bobs.write("data: 2\n\n").await;
        other.until(b"data: 2\n\n").await;
    }
}

#[tokio::test]
async fn a_thousand_sockets_leave_nothing_behind() {
    let world = World::start().await;
    listen_echo(&world);
    let before = descriptors(&world);
    for _ in 0..4 {
        let mut sockets = Vec::new();
        for number in 0..250 {
            let mut socket = echo(&world).await;
            socket.send(Message::text(format!("{number}"))).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(format!("{number}")));
            sockets.push(socket);
        }
        assert!(descriptors(&world) >= before + 2 * sockets.len());
        drop(sockets);
        until("all sockets to be closed", || descriptors(&world) <= before).await;
    }
}
