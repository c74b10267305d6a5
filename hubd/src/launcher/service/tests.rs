//! The conversation itself: who is heard, and what a peer that misbehaves can do.

use hub_core::systemd::fake::Fake;
use nix::unistd::Uid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::accounts::fake::FakeMachine;
use super::*;

/// A uid that is neither root's nor ours.
const SOMEBODY: u32 = 4_000_000_000;

fn launcher() -> Arc<Launcher<FakeMachine>> {
    Arc::new(Launcher::new(Paths::under("/nonexistent"), Fake::default().manager(), FakeMachine::default(), 990))
}

/// Our end of a conversation with a launcher that takes `hub_uid` for the hub's.
fn conversation(hub_uid: u32) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    tokio::spawn(async move { converse(theirs, &launcher(), hub_uid).await });
    ours
}

async fn ask(hub_uid: u32, request: &Request) -> Reply {
    let mut stream = conversation(hub_uid);
    wire::send_async(&mut stream, request).await.unwrap();
    wire::receive_async(&mut stream).await.unwrap().unwrap()
}

fn kind(reply: &Reply) -> Option<RefusalKind> {
    match reply {
        Reply::Refused(refusal) => Some(refusal.kind),
        _ => None,
    }
}

fn ourselves() -> u32 {
    Uid::current().as_raw()
}

#[tokio::test]
async fn the_hub_and_root_are_answered() {
    let reply = ask(ourselves(), &Request::Ping).await;
    assert!(matches!(reply, Reply::Pong { .. }), "{reply:?}");
}

#[tokio::test]
async fn everybody_else_is_refused_and_told_so() {
    // Whoever runs this is neither root nor the hub, or is root.
    let reply = ask(SOMEBODY, &Request::Ping).await;
    let expected = if Uid::current().is_root() { None } else { Some(RefusalKind::NotAllowed) };
    assert_eq!(kind(&reply), expected);
    let reply = answer(Request::Ping, Peer::Other, SOMEBODY, &launcher()).await;
    assert_eq!(kind(&reply), Some(RefusalKind::NotAllowed));
}

#[tokio::test]
async fn what_a_peer_may_is_decided_before_anything_is_done() {
    let remove = Request::Remove { name: "ada".parse().unwrap(), home: true };
    let reply = answer(remove, Peer::Hub, 990, &launcher()).await;
    assert_eq!(kind(&reply), Some(RefusalKind::NotAllowed));
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    for text in [
        "{}",
        "{\"request\":\"run\",\"command\":\"id\"}",
        "{\"request\":\"start\",\"name\":\"../ada\"}",
        "{\"request\":\"start\",\"name\":\"ada\",\"uid\":0}",
        "{\"request\":\"ping\",\"uid\":0}",
        "{\"request\":\"list\",\"uid\":null}",
        "{\"request\":\"environment\",\"asker\":{\"from\":\"timer\",\"uid\":0},\"ask\":{\"ask\":\"status\"}}",
        "{\"request\":\"environment\",\"asker\":{\"from\":\"timer\"},\"ask\":{\"ask\":\"status\",\"uid\":0}}",
        "\"ping\"",
    ] {
        let mut stream = conversation(ourselves());
        stream.write_all(&u32::try_from(text.len()).unwrap().to_be_bytes()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let reply: Reply = wire::receive_async(&mut stream).await.unwrap().unwrap();
        let Reply::Refused(refusal) = reply else { panic!("{text}: {reply:?}") };
        assert!(refusal.message.starts_with("this is not a request that the launcher knows"), "{refusal}");
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_not_read() {
    let mut stream = conversation(ourselves());
    stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    let reply: Reply = wire::receive_async(&mut stream).await.unwrap().unwrap();
    let Reply::Refused(refusal) = reply else { panic!("{reply:?}") };
    assert!(refusal.message.contains("at most"), "{refusal}");
}

#[tokio::test]
async fn one_request_per_connection() {
    let mut stream = conversation(ourselves());
    for _ in 0..2 {
        wire::send_async(&mut stream, &Request::Ping).await.unwrap();
    }
    assert!(wire::receive_async::<Reply>(&mut stream).await.unwrap().is_some());
    let mut rest = Vec::new();
    // Closed, with or without complaint about what was never read.
    if let Ok(count) = stream.read_to_end(&mut rest).await {
        assert_eq!(count, 0);
    }
}
