//! One HTTP request over a stream that is open already: enough to hear a server say that it is there.

use std::io::{Read, Write};

use anyhow::{Context, Result};

/// The most that is read of an answer.
const LARGEST_ANSWER: u64 = 256 * 1024;

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// `headers` are whole lines.
pub(super) fn get(mut stream: impl Read + Write, host: &str, path: &str, headers: &str) -> Result<Answer> {
    // The older version of the protocol ends the connection behind the answer, and cuts it into no chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n");
    // In one piece: a server may answer, and go, as soon as the first comes.
    stream.write_all(request.as_bytes()).context("sending a request")?;
    let mut answer = Vec::new();
    stream.take(LARGEST_ANSWER).read_to_end(&mut answer).context("waiting for the answer")?;
    parse(&String::from_utf8_lossy(&answer))
}

fn parse(answer: &str) -> Result<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let line = head.lines().next().unwrap_or_default();
    let status = line.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    let status = status.filter(|_| line.starts_with("HTTP/1.")).with_context(|| format!("the answer begins with `{line}`"))?;
    Ok(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_and_body() {
        let answer = parse("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n{\"version\": 1}").unwrap();
        assert_eq!(answer, Answer { status: 200, body: "{\"version\": 1}".into() });
        assert_eq!(parse("HTTP/1.0 403 Forbidden\r\n\r\n").unwrap().status, 403);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in ["", "SSH-2.0-OpenSSH", "HTTP/1.1\r\n\r\n", "220 200 ready\r\n"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
