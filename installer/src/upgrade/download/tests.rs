use std::io::{BufRead, BufReader};
use std::net::TcpListener;

use super::*;

const CONTENT: &[u8] = b"0123456789";

/// Answers one request after the other: what it was asked for after that many bytes, and how many it gives before the
/// line breaks.
fn server(answers: &'static [(u64, usize)]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (from, count) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = 0;
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap().to_ascii_lowercase();
                if let Some(range) = line.strip_prefix("range: bytes=") {
                    asked = range.trim_end_matches('-').parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            assert_eq!(asked, *from, "asked for the wrong part");
            let rest = &CONTENT[usize::try_from(asked).unwrap()..];
            let status = match (asked, rest.len()) {
                (_, 0) => "416 Range Not Satisfiable",
                (0, _) => "200 OK",
                _ => "206 Partial Content",
            };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len()).unwrap();
            stream.write_all(&rest[..(*count).min(rest.len())]).unwrap();
        }
    });
    Server { client: client(&Network::default()).unwrap(), base, channel: Channel::Stable }
}

#[test]
fn a_broken_line_is_taken_up_where_it_broke() {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("hubd.tar.gz");
    server(&[(0, 4), (4, 3), (7, 3)]).large("hubd.tar.gz", &to, &|_| ()).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), CONTENT);
}

#[test]
fn what_an_earlier_run_got_is_not_asked_for_again() {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("hubd.tar.gz");
    std::fs::write(to.with_extension("part"), &CONTENT[..6]).unwrap();
    server(&[(6, 10)]).large("hubd.tar.gz", &to, &|_| ()).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), CONTENT);
    std::fs::rename(&to, to.with_extension("part")).unwrap();
    server(&[(10, 0)]).large("hubd.tar.gz", &to, &|_| ()).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), CONTENT);
}
