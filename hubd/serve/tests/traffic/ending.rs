//! How the hub stops: what is under way finishes, everything else ends at once.

use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::client::{Connection, get};
use crate::support::{Differences, World, soon};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

#[tokio::test]
async fn requests_under_way_finish_and_the_rest_ends() {
    let mut differences = Differences::default();
    differences.settings.farewell = Duration::from_secs(60);
    let world = World::with(differences).await;
    let mut ada = Backend::listen(&world.enrol("ada"));

    let mut idle = Connection::open(world.address).await;
    assert_eq!(idle.ask(get("/hub/", &[])).await.status, 200);
    let mut silent = Connection::open(world.address).await;
    let mut tunnel = Connection::open(world.address).await;
    tunnel.send(get("/user/ada/ws", &["Connection: Upgrade", "Upgrade: websocket"])).await;
    let mut tunnel_server = ada.accept().await;
    tunnel_server.head().await;
    tunnel_server.write(SWITCH).await;
    assert_eq!(tunnel.answer().await.status, 101);
    let mut busy = Connection::open(world.address).await;
    busy.send(get("/user/ada/slow", &[])).await;
    let mut busy_server = ada.accept().await;
    busy_server.head().await;

    let address = world.address;
    let stopping = tokio::spawn(world.stop());
    assert_eq!(idle.rest().await, b"");
    assert_eq!(silent.rest().await, b"");
    assert_eq!(tunnel.rest().await, b"");
    assert_eq!(tunnel_server.closed().await, b"");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    busy_server.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
    let answer = busy.answer().await;
    assert_eq!((answer.text(), answer.all("connection")), ("done", vec!["close"]));
    assert_eq!(busy.rest().await, b"");
    soon("the listeners to stop", stopping).await.unwrap();
}

#[tokio::test]
async fn what_does_not_finish_is_cut_off() {
    let mut differences = Differences::default();
    differences.settings.farewell = Duration::from_millis(100);
    let world = World::with(differences).await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let mut client = Connection::open(world.address).await;
    client.send(get("/user/ada/slow", &[])).await;
    let mut server = ada.accept().await;
    server.head().await;
    world.stop().await;
    assert_eq!(client.rest().await, b"");
    assert_eq!(server.closed().await, b"");
}
