//! Large uploads and downloads take no memory. One test alone in its process, for it looks at the whole process.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where something is wrong")]

#[path = "../traffic"]
#[expect(unreachable_pub, dead_code, reason = "shared with other tests, which use the rest of it")]
mod traffic {
    pub mod support;
}

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use traffic::support::backend::Backend;
use traffic::support::client::{Connection, get, request};
use traffic::support::{World, soon};

const BODY: usize = 256 << 20;

/// What the hub may take on top of what it had, with everything that the test itself holds.
const ALLOWED_KIB: u64 = 8 * 1024;

/// The most memory the process has had since [`reset_peak`], KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_take_no_memory() {
    let world = World::start().await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    let piece = vec![b'a'; 64 * 1024];
    let mut client = Connection::open(world.address).await;
    // The first round is small, so that everything that is allocated once is there.
    for size in [1 << 20, BODY] {
        reset_peak();
        let start = peak();
        client.send(request("PUT", "/user/ada/x", "ada", &[&format!("Content-Length: {size}")])).await;
        let mut server = ada.accept().await;
        server.head().await;
        let upload = async {
            for _ in 0..size / piece.len() {
                client.stream.write_all(&piece).await.unwrap();
            }
        };
        let (received, ()) = soon("an upload", async { tokio::join!(swallow(&mut server.stream, size), upload) }).await;
        assert_eq!(received, size);
        server.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);

        client.send(get("/user/ada/x", &[])).await;
        let mut server = ada.accept().await;
        server.head().await;
        server.write(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n")).await;
        client.head().await;
        let download = async {
            for _ in 0..size / piece.len() {
                server.stream.write_all(&piece).await.unwrap();
            }
        };
        let (received, ()) = soon("a download", async { tokio::join!(swallow(&mut client.stream, size), download) }).await;
        assert_eq!(received, size);
        let most = peak();
        assert!(size < BODY || most <= start + ALLOWED_KIB, "{start} KiB at the start, {most} KiB at most");
    }
}

/// Reads and forgets so many bytes.
async fn swallow(reader: &mut (impl AsyncReadExt + Unpin), count: usize) -> usize {
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    while total < count {
        match reader.read(&mut buffer).await.unwrap() {
            0 => break,
            n => total += n,
        }
    }
    total
}
