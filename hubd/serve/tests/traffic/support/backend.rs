//! User servers, played. They keep every byte they receive.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// A server that hands its connections to the test.
pub struct Backend {
    connections: mpsc::UnboundedReceiver<UnixStream>,
    accepting: AbortHandle,
}

impl Backend {
    pub fn listen(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (sender, connections) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if sender.send(stream).is_err() {
                    return;
                }
            }
        })
        .abort_handle();
        Self { connections, accepting }
    }

    /// The next connection that the proxy makes.
    pub async fn accept(&mut self) -> Connection {
        let stream = super::soon("the proxy to connect", self.connections.recv()).await.unwrap();
        Connection { stream, unread: Vec::new() }
    }

    /// The next connection, whenever that is.
    pub async fn next(&mut self) -> Option<Connection> {
        Some(Connection { stream: self.connections.recv().await?, unread: Vec::new() })
    }

    /// Whether the proxy has connected again.
    pub fn has_more(&mut self) -> bool {
        !self.connections.is_empty()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection to a played server.
pub struct Connection {
    pub stream: UnixStream,
    unread: Vec<u8>,
}

impl Connection {
    /// Reads up to and with `end`.
    pub async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return self.unread.drain(..at + end.len()).collect();
            }
            let n = super::soon("bytes from the proxy", self.stream.read_buf(&mut self.unread)).await.unwrap();
            assert!(n > 0, "the proxy closed after {:?}", self.unread.escape_ascii().to_string());
        }
    }

    /// Reads a request's head.
    pub async fn head(&mut self) -> String {
        String::from_utf8(self.read_until(b"\r\n\r\n").await).unwrap()
    }

    /// Reads exactly so many bytes.
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            let n = super::soon("bytes from the proxy", self.stream.read_buf(&mut self.unread)).await.unwrap();
            assert!(n > 0, "the proxy closed after {} of {count} bytes", self.unread.len());
        }
        self.unread.drain(..count).collect()
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        super::soon("the proxy to read", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Waits until the proxy closes, and returns what came before.
    pub async fn closed(mut self) -> Vec<u8> {
        // A reset is an end as well.
        if let Err(error) = super::soon("the proxy to close", self.stream.read_to_end(&mut self.unread)).await {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        self.unread
    }
}

/// A server that answers everything by itself, with the number of bytes of the body it got, and records what it got.
#[derive(Clone, Default)]
pub struct Recorder {
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    pub fn listen(socket: &Path) -> Self {
        let recorder = Self::default();
        let mut backend = Backend::listen(socket);
        let clone = recorder.clone();
        tokio::spawn(async move {
            while let Some(stream) = backend.connections.recv().await {
                let index = {
                    let mut received = clone.received.lock().unwrap();
                    received.push(Vec::new());
                    received.len() - 1
                };
                tokio::spawn(clone.clone().serve(stream, index));
            }
        });
        recorder
    }

    /// Everything that came, connection by connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().clone()
    }

    /// The request lines that came: anything in the bytes that a lenient server could take for one.
    pub fn request_lines(&self) -> Vec<String> {
        let received = self.received.lock().unwrap();
        let lines = received.iter().flat_map(|bytes| bytes.split(|byte| *byte == b'\n'));
        lines
            .filter(|line| line.windows(7).any(|window| window == b"HTTP/1."))
            .map(|line| line.trim_ascii_end().escape_ascii().to_string())
            .collect()
    }

    async fn serve(self, mut stream: UnixStream, index: usize) {
        let mut unread: Vec<u8> = Vec::new();
        loop {
            let head = loop {
                if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
                    break unread.drain(..at + 4).collect::<Vec<_>>();
                }
                if !self.more(&mut stream, &mut unread, index).await {
                    return;
                }
            };
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")).map(str::to_owned);
            let end: &[u8] = if head.contains("\r\ntransfer-encoding: chunked\r\n") { b"0\r\n\r\n" } else { b"" };
            let length = length.map_or(0, |length| length.parse::<usize>().unwrap());
            while unread.len() < length || !end.is_empty() && !unread.windows(end.len()).any(|window| window == end) {
                if !self.more(&mut stream, &mut unread, index).await {
                    return;
                }
            }
            let body = match unread.windows(end.len().max(1)).position(|window| window == end) {
                Some(at) => at + end.len(),
                None => length,
            };
            unread.drain(..body);
            let text = format!("{body}");
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn more(&self, stream: &mut UnixStream, unread: &mut Vec<u8>, index: usize) -> bool {
        let before = unread.len();
        match stream.read_buf(unread).await {
            Ok(0) | Err(_) => false,
            Ok(_) => {
                self.received.lock().unwrap()[index].extend_from_slice(&unread[before..]);
                true
            }
        }
    }
}
