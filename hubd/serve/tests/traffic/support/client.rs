//! A client that sends bytes as they are and reads answers strictly.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// A connection to the hub.
pub struct Connection<S = TcpStream> {
    pub stream: S,
    unread: Vec<u8>,
}

/// An answer, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// `GET path` as ada, with more header lines.
pub fn get(path: &str, lines: &[&str]) -> String {
    request("GET", path, "ada", lines)
}

pub fn request(method: &str, path: &str, user: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: hub\r\nCookie: hubd-session={user}\r\n{lines}\r\n")
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon("the hub to read", self.stream.write_all(bytes.as_ref())).await.unwrap();
        soon("the hub to read", self.stream.flush()).await.unwrap();
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes).await;
        self.answer().await
    }

    /// Reads the next answer.
    pub async fn answer(&mut self) -> Answer {
        self.answer_to(true).await
    }

    /// Reads the next answer, which has no body if the request was a `HEAD`.
    pub async fn answer_to(&mut self, has_body: bool) -> Answer {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.all("content-length").first().map(|length| length.parse::<usize>().unwrap());
        if !has_body || matches!(status, 100..=199 | 204 | 304) {
            return answer;
        }
        if answer.all("transfer-encoding") == ["chunked"] {
            assert_eq!(length, None, "an answer with two lengths: {}", answer.head);
            answer.body = self.chunks().await;
        } else if let Some(length) = length {
            answer.body = self.exactly(length).await;
        } else {
            answer.body = self.rest().await;
        }
        answer
    }

    pub async fn head(&mut self) -> String {
        String::from_utf8(self.until(b"\r\n\r\n").await).unwrap()
    }

    /// Reads up to and with `end`.
    pub async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return self.unread.drain(..at + end.len()).collect();
            }
            assert!(self.more().await, "the hub closed after {:?}", self.unread.escape_ascii().to_string());
        }
    }

    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.more().await, "the hub closed after {} of {count} bytes", self.unread.len());
        }
        self.unread.drain(..count).collect()
    }

    /// Reads until the hub closes the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.unread)
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.until(b"\r\n").await).unwrap();
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            let chunk = self.exactly(size + 2).await;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return body;
            }
        }
    }

    /// Reads something; `false`: the connection is closed, or reset.
    async fn more(&mut self) -> bool {
        match soon("bytes from the hub", self.stream.read_buf(&mut self.unread)).await {
            Ok(n) => n > 0,
            Err(error) => {
                assert!(
                    matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::UnexpectedEof),
                    "{error}"
                );
                false
            }
        }
    }
}
