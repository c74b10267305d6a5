//! Asks the machine's name servers for CAA records, which no function of the system's library does.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use hub_core::sys::name_servers;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE};

use super::caa::Record;

const PORT: u16 = 53;
/// The answer to one question; a packet may get lost.
const ASK_PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
/// More than a name server sends over UDP to whoever does not ask for more.
const LARGEST_DATAGRAM: usize = 4096;

/// The name servers in the text of a `resolv.conf`.
pub(super) fn servers(resolv_conf: &str) -> Vec<SocketAddr> {
    let found = name_servers::parse(resolv_conf).into_iter();
    let mut found: Vec<SocketAddr> = found.map(|address| SocketAddr::new(address, PORT)).collect();
    if found.is_empty() {
        found.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    found
}

/// The CAA records of `name` itself, from the first of `servers` that answers; none when there is no such name.
///
/// # Errors
/// When nobody answers until `deadline`, or all say that they can't; a sentence.
pub(super) fn caa(name: &str, servers: &[SocketAddr], deadline: Instant) -> Result<Vec<Record>, String> {
    let mut last = "there is no name server to ask".to_owned();
    for server in (0..ROUNDS).flat_map(|_| servers) {
        let left = deadline.saturating_duration_since(Instant::now()).min(ASK_PATIENCE);
        if left.is_zero() {
            break;
        }
        match ask(name, *server, left) {
            Ok(records) => return Ok(records),
            Err(reason) => last = format!("the name server {} {reason}", server.ip()),
        }
    }
    Err(last)
}

fn ask(name: &str, server: SocketAddr, patience: Duration) -> Result<Vec<Record>, String> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(|error| format!("was not asked: {error}"))?;
    let id = u16::from_be_bytes(bytes);
    let question = question(id, name).map_err(|error| format!("was not asked for {name:?}: {error}"))?;
    let silent = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => "does not answer".to_owned(),
        _ => format!("can't be asked: {error}"),
    };
    match over_udp(&question, id, server, patience).map_err(silent)? {
        Some(answer) => records(&answer),
        // Too much for a datagram.
        None => records(&over_tcp(&question, server, patience).map_err(silent)?),
    }
}

fn question(id: u16, name: &str) -> simple_dns::Result<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(Name::new(name)?, QTYPE::TYPE(TYPE::CAA), CLASS::IN.into(), false));
    packet.build_bytes_vec()
}

/// The answer; `None`: it was cut short.
fn over_udp(question: &[u8], id: u16, server: SocketAddr, patience: Duration) -> std::io::Result<Option<Vec<u8>>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    socket.send(question)?;
    let deadline = Instant::now() + patience;
    let mut answer = vec![0; LARGEST_DATAGRAM];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut answer)?;
        // Anything else is the answer to another question.
        let Some(Ok(packet)) = answer.get(..length).map(Packet::parse) else { continue };
        if packet.id() == id && packet.has_flags(PacketFlag::RESPONSE) {
            let is_short = packet.has_flags(PacketFlag::TRUNCATION);
            answer.truncate(length);
            return Ok((!is_short).then_some(answer));
        }
    }
}

fn over_tcp(question: &[u8], server: SocketAddr, patience: Duration) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let length = u16::try_from(question.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn records(answer: &[u8]) -> Result<Vec<Record>, String> {
    let packet = Packet::parse(answer).map_err(|error| format!("gave an answer that makes no sense: {error}"))?;
    match packet.rcode() {
        // There is no such name, so there is nothing at it.
        RCODE::NameError => return Ok(Vec::new()),
        RCODE::NoError => {}
        other => return Err(format!("answers {other:?}")),
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let records = packet.answers.iter().filter_map(|record| match &record.rdata {
        RData::CAA(caa) => {
            Some(Record { is_critical: caa.flag & 0x80 != 0, property: caa.tag.to_string(), value: text(&caa.value) })
        }
        _ => None,
    });
    Ok(records.collect())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What a name server says to a question for `name`: a CAA record of 0 issue "ca.example", or `code`, or a part.
    fn answer(question: &[u8], code: RCODE, is_short: bool) -> Vec<u8> {
        let asked = Packet::parse(question).unwrap();
        let mut packet = Packet::new_reply(asked.id());
        packet.questions = asked.questions.clone();
        *packet.rcode_mut() = code;
        if is_short {
            packet.set_flags(PacketFlag::TRUNCATION);
        } else if code == RCODE::NoError {
            let caa = simple_dns::rdata::CAA {
                flag: 128,
                tag: simple_dns::CharacterString::new(b"issue").unwrap(),
                value: b"ca.example"[..].into(),
            };
            let name = asked.questions[0].qname.clone();
            packet.answers.push(simple_dns::ResourceRecord::new(name, CLASS::IN, 60, RData::CAA(caa)));
        }
        packet.build_bytes_vec().unwrap()
    }

    /// A name server for one question over UDP, and one more over TCP.
    fn server(code: RCODE, is_short: bool) -> SocketAddr {
        let (socket, listener) = loop {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()) {
                break (socket, listener);
            }
        };
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut question = [0; 512];
            let (length, from) = socket.recv_from(&mut question).unwrap();
            // Somebody else's answer is not taken for this one.
            let mut other = answer(&question[..length], RCODE::Refused, false);
            other[0] ^= 1;
            socket.send_to(&other, from).unwrap();
            socket.send_to(&answer(&question[..length], code, is_short), from).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).unwrap();
            let answer = answer(&question, code, false);
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        });
        address
    }

    fn asked(servers: &[SocketAddr]) -> Result<Vec<Record>, String> {
        caa("hub.example.org", servers, Instant::now() + Duration::from_secs(10))
    }

    #[test]
    fn records_come_whole_also_when_they_are_too_long_for_a_datagram() {
        let record = Record { is_critical: true, property: "issue".to_owned(), value: "ca.example".to_owned() };
        for is_short in [false, true] {
            assert_eq!(asked(&[server(RCODE::NoError, is_short)]), Ok(vec![record.clone()]), "{is_short}");
        }
        assert_eq!(asked(&[server(RCODE::NameError, false)]), Ok(Vec::new()));
    }

    #[test]
    fn the_next_server_is_asked_and_the_last_reason_told() {
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(asked(&[closed, server(RCODE::NameError, false)]), Ok(Vec::new()));
        let reason = asked(&[closed]).unwrap_err();
        assert!(reason.starts_with("the name server 127.0.0.1 can't be asked: "), "{reason}");
        assert_eq!(asked(&[]).unwrap_err(), "there is no name server to ask");
        let deadline = Instant::now() + Duration::from_secs(10);
        let failing = ask("hub.example.org", server(RCODE::ServerFailure, false), deadline - Instant::now());
        assert_eq!(failing, Err("answers ServerFailure".to_owned()));
    }

    #[test]
    fn name_servers_are_read_as_the_system_reads_them() {
        let text =
            "# by hand\nsearch example.org\nnameserver 127.0.0.53\nnameserver\t2001:db8::1 # b\noptions edns0\nnameserver x\n";
        let expected: Vec<SocketAddr> = vec!["127.0.0.53:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()];
        assert_eq!(servers(text), expected);
        assert_eq!(servers(""), ["127.0.0.1:53".parse().unwrap()]);
    }
}
