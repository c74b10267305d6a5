//! However many people do whatever at the same time, nobody gets anything of anybody else.

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::support::World;
use crate::support::backend::{Backend, Connection as Server};
use crate::support::client::{Connection, request};

const PEOPLE: usize = 50;
const REQUESTS: usize = 40;

/// Answers requests with bodies full of the server's own name, in all the ways that end an answer.
async fn serve(name: String, mut server: Server) {
    loop {
        let head = match read_head(&mut server).await {
            Some(head) => head,
            None => return,
        };
        let number: usize = head.split(['/', ' ']).nth(4).unwrap().parse().unwrap();
        let body = format!("{name} {number};").repeat(1 + number * 37 % 500);
        let length = body.len();
        let (answer, closes) = match number % 7 {
            0 => (format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX-Name: {name}\r\n\r\n{body}"), false),
            1 => (format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"), false),
            2 => (format!("HTTP/1.1 200 OK\r\n\r\n{body}"), true),
            3 => (format!("HTTP/1.1 304 Not Modified\r\nETag: \"{name}\"\r\n\r\n"), false),
            4 => (
                format!(
                    "HTTP/1.1 103 Early Hints\r\nLink: </{name}>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
                ),
                false,
            ),
            5 => (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", length + 1), true),
            _ => (format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"), true),
        };
        // In two pieces, so that others get their turn in between.
        let (first, second) = answer.as_bytes().split_at(answer.len() / 2);
        for piece in [first, second] {
            if server.stream.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        if closes {
            return;
        }
    }
}

async fn read_head(server: &mut Server) -> Option<String> {
    let mut byte = [0];
    let n = server.stream.peek_one(&mut byte).await?;
    if n == 0 { None } else { Some(server.head().await) }
}

trait Peek {
    /// Waits until there is something to read; `None`: it never will be.
    async fn peek_one(&mut self, byte: &mut [u8; 1]) -> Option<usize>;
}

impl Peek for UnixStream {
    async fn peek_one(&mut self, byte: &mut [u8; 1]) -> Option<usize> {
        use std::os::fd::AsRawFd;
        self.readable().await.ok()?;
        let flags = nix::sys::socket::MsgFlags::MSG_PEEK | nix::sys::socket::MsgFlags::MSG_DONTWAIT;
        match nix::sys::socket::recv(self.as_raw_fd(), byte, flags) {
            Ok(n) => Some(n),
            Err(nix::errno::Errno::EAGAIN) => Some(1),
            Err(_) => None,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_gets_anybody_elses_answer() {
    let world = World::start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for person in 0..PEOPLE {
        let name = format!("person{person}");
        let mut backend = Backend::listen(&world.enrol(&name));
        let own = name.clone();
        tokio::spawn(async move {
            while let Some(server) = backend.next().await {
                tokio::spawn(serve(own.clone(), server));
            }
        });
        let address = world.address;
        tasks.spawn(async move {
            let mut client = Connection::open(address).await;
            let mut answered = 0;
            for number in 0..REQUESTS {
                let mixed = number * 31 + person;
                let method = if mixed % 11 == 0 { "HEAD" } else { "GET" };
                client.send(request(method, &format!("/user/{name}/{mixed}"), &name, &[])).await;
                let breaks_off = mixed % 7 == 5 && method == "GET";
                if mixed % 5 == 0 || breaks_off {
                    // Goes away before the answer, or in the middle of it.
                    client = Connection::open(address).await;
                    continue;
                }
                let answer = client.answer_to(method != "HEAD").await;
                let text = answer.text();
                let marker = format!("{name} {mixed};");
                assert_eq!(text.replace(&marker, ""), "", "{name} got something else: {answer:?}");
                for other in answer.all("x-name").into_iter().chain(answer.all("etag")) {
                    assert_eq!(other.trim_matches('"'), name);
                }
                answered += 1;
                if answer.all("connection") == ["close"] {
                    client = Connection::open(address).await;
                }
            }
            answered
        });
    }
    let answered: usize = tasks.join_all().await.into_iter().sum();
    assert!(answered > PEOPLE * REQUESTS / 2, "only {answered} answers were looked at");
}
