//! Size-capped JSON frames over a Unix socket: four bytes of big-endian length, then the document.
//!
//! Blocking and asynchronous ends share one format. A peer that announces more than the cap is not read any further.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Largest frame in bytes: a class list of thousands fits.
pub const LARGEST_FRAME: usize = 4 * 1024 * 1024;
/// Frames up to this many bytes are taken at once; nearly all requests are far smaller.
const SMALL_FRAME: usize = 64 * 1024;
/// Larger ones that are in the memory at the same time. What is read of one may take sixteen times its size.
const LARGE_PLACES: usize = 2;

fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(message).map_err(io::Error::other)?;
    let length = check_length(body.len())?;
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    serde_json::from_slice(body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn check_length(length: usize) -> io::Result<u32> {
    u32::try_from(length).ok().filter(|_| length <= LARGEST_FRAME).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes, at most {LARGEST_FRAME} are allowed"))
    })
}

/// Writes one message.
///
/// # Errors
/// When the stream fails or the message exceeds [`LARGEST_FRAME`].
pub fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)?;
    stream.flush()
}

/// Reads one message.
///
/// # Errors
/// When the stream ends or fails, the frame exceeds [`LARGEST_FRAME`], or it is not a `T`.
pub fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    check_length(length)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    decode(&body)
}

/// Sends one request to whoever listens on `socket` and waits for the reply, at most `patience` for each part of it.
///
/// # Errors
/// When nobody listens, the caller may not connect, the other end breaks off, or `patience` runs out (`TimedOut`).
pub fn ask<T: DeserializeOwned>(socket: &Path, request: &impl Serialize, patience: Duration) -> io::Result<T> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let sent = send(&mut stream, request);
    if let Err(error) = sent
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(late(error, "the request to be taken", patience));
    }
    // A peer that refuses before it has read the whole request closes early; what it said is still there to read.
    receive(&mut stream).map_err(|error| late(error, "an answer", patience))
}

/// A socket's timeout says "resource temporarily unavailable", which helps nobody.
fn late(error: io::Error, awaited: &str, patience: Duration) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::new(io::ErrorKind::TimedOut, format!("waited {} s for {awaited}", patience.as_secs()))
        }
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(io::ErrorKind::UnexpectedEof, format!("the other end hung up while waiting for {awaited}"))
        }
        _ => error,
    }
}

/// As [`send`], without blocking the thread.
///
/// # Errors
/// As [`send`].
pub async fn send_async(stream: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?).await?;
    stream.flush().await
}

/// As [`receive`], without blocking the thread. `None`: the peer closed the stream between messages.
///
/// # Errors
/// As [`receive`].
pub async fn receive_async<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let Some(length) = receive_length(stream).await? else { return Ok(None) };
    decode(&receive_body(stream, length).await?).map(Some)
}

async fn receive_length(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<usize>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length) as usize;
    check_length(length)?;
    Ok(Some(length))
}

async fn receive_body(stream: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

/// What a program reads of one account that asks it: however much that asks at once, the memory for it is bounded.
#[derive(Debug)]
pub struct Intake {
    large: Semaphore,
}

/// A request, and its place if it is a large one, which the next has when this is gone.
#[derive(Debug)]
pub struct Received<'intake, T> {
    /// The request itself.
    pub message: T,
    _place: Option<SemaphorePermit<'intake>>,
}

impl Default for Intake {
    fn default() -> Self {
        Self { large: Semaphore::new(LARGE_PLACES) }
    }
}

impl Intake {
    /// As [`receive_async`]; waits while there is no place for a large request.
    ///
    /// # Errors
    /// As [`receive`].
    pub async fn receive<T: DeserializeOwned>(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Option<Received<'_, T>>> {
        let Some(length) = receive_length(stream).await? else { return Ok(None) };
        let place = if length > SMALL_FRAME { Some(self.large.acquire().await.map_err(io::Error::other)?) } else { None };
        Ok(Some(Received { message: decode(&receive_body(stream, length).await?)?, _place: place }))
    }

    /// As [`Intake::receive`], for whoever obeys what it receives: a field that is not understood is an error, wherever it is.
    /// (serde passes over those beside the name of a variant without fields.) So a program of the version before refuses what is new, in
    /// words, and never does a part of it: who asks for the end of an app does not end Jupyter.
    ///
    /// # Errors
    /// As [`receive`].
    pub async fn receive_strictly<T: DeserializeOwned + Serialize>(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Option<Received<'_, T>>> {
        let Some(Received { message: received, _place }) = self.receive::<serde_json::Value>(stream).await? else {
            return Ok(None);
        };
        let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
        let understood: T = T::deserialize(&received).map_err(|error| invalid(error.to_string()))?;
        let known = serde_json::to_value(&understood).map_err(io::Error::other)?;
        match unknown_field(&received, &known) {
            Some(field) => Err(invalid(format!("unknown field `{field}`"))),
            None => Ok(Some(Received { message: understood, _place })),
        }
    }
}

/// A field of `received` that `known` has not.
fn unknown_field<'a>(received: &'a serde_json::Value, known: &serde_json::Value) -> Option<&'a str> {
    use serde_json::Value::{Array, Object};
    match (received, known) {
        (Object(received), Object(known)) => received.iter().find_map(|(name, value)| match known.get(name) {
            Some(known) => unknown_field(value, known),
            None => Some(name.as_str()),
        }),
        (Array(received), Array(known)) => {
            received.iter().zip(known).find_map(|(received, known)| unknown_field(received, known))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_trip() {
        let mut buffer = Vec::new();
        send(&mut buffer, &("ada", 3)).unwrap();
        assert_eq!(receive::<(String, u32)>(&mut buffer.as_slice()).unwrap(), ("ada".to_owned(), 3));
    }

    #[test]
    fn refuses_an_oversized_frame_before_reading_it() {
        let error = receive::<String>(&mut [0xff, 0xff, 0xff, 0xff].as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn refuses_what_is_not_the_expected_message() {
        let mut buffer = Vec::new();
        send(&mut buffer, &"text").unwrap();
        assert_eq!(receive::<u32>(&mut buffer.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
    #[test]
    fn hears_a_refusal_that_comes_before_the_request_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            send(&mut stream, &"no").unwrap();
        });
        let large = "x".repeat(LARGEST_FRAME - 100);
        assert_eq!(ask::<String>(&socket, &large, Duration::from_secs(30)).unwrap(), "no");
        peer.join().unwrap();
    }

    #[tokio::test]
    async fn large_requests_wait_for_a_place_and_small_ones_never() {
        let intake = Intake::default();
        let large = "x".repeat(SMALL_FRAME);
        let mut held = Vec::new();
        for _ in 0..LARGE_PLACES {
            let mut frame = &encode(&large).unwrap()[..];
            held.push(intake.receive::<String>(&mut frame).await.unwrap().unwrap());
        }
        let frame = encode(&large).unwrap();
        let mut stream = &frame[..];
        let mut next = std::pin::pin!(intake.receive_strictly::<String>(&mut stream));
        let is_waiting = std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context).is_pending())).await;
        assert!(is_waiting, "there is no place");
        let mut small = &encode(&"x").unwrap()[..];
        assert_eq!(intake.receive::<String>(&mut small).await.unwrap().unwrap().message, "x");
        held.pop();
        assert_eq!(next.await.unwrap().unwrap().message, large);
    }

    #[test]
    fn gives_up_on_a_peer_that_never_answers() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = ask::<String>(&socket, &"hello", Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
