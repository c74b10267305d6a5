//! The conversation itself: who is heard, and what a peer that misbehaves can do.

use hub_system::systemd::fake::Fake;
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
    tokio::spawn(async move { converse(theirs, &launcher(), hub_uid, &Intake::default()).await });
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
        // As the version before asked about apps.
        "{\"request\":\"app\",\"app\":\"refine\",\"ask\":{\"verb\":\"stop\",\"name\":\"ada\"}}",
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

#[tokio::test]
async fn many_large_requests_at_once_are_not_all_in_the_memory_and_small_ones_are_answered() {
    let (launcher, intake) = (launcher(), Arc::new(Intake::default()));
    let begin = || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (launcher, intake) = (Arc::clone(&launcher), Arc::clone(&intake));
        tokio::spawn(async move { converse(theirs, &launcher, ourselves(), &intake).await });
        ours
    };
    let mut taken = Vec::new();
    let part = vec![b'0'; 1024 * 1024];
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = begin();
        stream.write_all(&u32::try_from(wire::LARGEST_FRAME).unwrap().to_be_bytes()).await.unwrap();
        // Whoever is read takes all of it; of the others the kernel keeps a little.
        let is_read = timeout(Duration::from_millis(100), stream.write_all(&part)).await.is_ok();
        taken.push(is_read);
        streams.push(stream);
    }
    assert!(taken.iter().filter(|is_read| **is_read).count() <= 2, "{taken:?}");
    let mut stream = begin();
    wire::send_async(&mut stream, &Request::Ping).await.unwrap();
    let reply: Reply = wire::receive_async(&mut stream).await.unwrap().unwrap();
    assert!(matches!(reply, Reply::Pong { .. }), "{reply:?}");
}
