use super::*;

/// What becomes of `input` when it comes whole and when it comes byte by byte: the number of good bytes before a
/// refusal, or the place where it ends.
fn read(input: &[u8]) -> Result<Place, usize> {
    let mut whole = Framing::default();
    let at_once = whole.advance(input).map(|()| whole.place()).map_err(|ambiguous| ambiguous.at);
    let mut framing = Framing::default();
    let mut bytewise = Ok(());
    for (index, byte) in input.iter().enumerate() {
        if let Err(Ambiguous { at: 0 }) = framing.advance(std::slice::from_ref(byte)) {
            bytewise = Err(index);
            break;
        }
    }
    let bytewise = bytewise.map(|()| framing.place());
    if let (Ok(_), _) | (_, Ok(_)) = (at_once, bytewise) {
        assert_eq!(at_once, bytewise, "{:?}", input.escape_ascii().to_string());
    }
    at_once
}

#[test]
fn plain_requests_pass() {
    for (input, place) in [
        (&b""[..], Place::Between),
        (b"GET", Place::Head),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", Place::Head),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Place::Between),
        (b"\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", Place::Between),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab\nc", Place::Body),
        (b"POST / HTTP/1.1\r\nContent-Length:  5 \r\n\r\nab\ncdGET", Place::Head),
        (b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n", Place::Between),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", Place::Body),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\n\n\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
            Place::Between,
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\nG", Place::Head),
    ] {
        assert_eq!(read(input), Ok(place), "{:?}", input.escape_ascii().to_string());
    }
}

#[test]
fn what_has_two_readings_stops_before_the_line_ends() {
    for head in [
        &b"GET / HTTP/1.1\n"[..],
        b"GET /#x HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: x\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\n",
        b"GET / HTTP/1.1\r\nHost: x\ry\r\n",
        b"GET / HTTP/1.1\r\nHost: x\0y\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n",
        b"GET / HTTP/1.1\r\n\tHost: x\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +3\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0x3\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3 3\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: \r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nX: y\r\nContent-Length: 4\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    ] {
        let more = [head, b"rest of the input\r\n"].concat();
        assert_eq!(read(&more), Err(head.len() - 1), "{:?}", head.escape_ascii().to_string());
    }
}

#[test]
fn chunks_are_read_strictly() {
    for chunks in [
        &b"3\nabc\r\n"[..],
        b"3;x\ny\r\nabc\r\n",
        b"+3\r\nabc\r\n",
        b"0x3\r\nabc\r\n",
        b" 3\r\nabc\r\n",
        b"3 \r\nabc\r\n",
        b"\r\nabc\r\n",
        b"ffffffffffffffff\r\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n",
        b"3\r\nabc0\r\n\r\n",
        b"0\r\nX y\r\n\r\n",
        b"0\r\n\n",
    ] {
        let input = [b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", chunks].concat();
        assert!(read(&input).is_err(), "{:?}", chunks.escape_ascii().to_string());
    }
}

#[test]
fn lines_without_end_do_not_fill_memory() {
    let mut framing = Framing::default();
    let endless = vec![b'a'; LARGEST_HEAD + 1];
    assert_eq!(framing.advance(&endless), Ok(()));
    assert_eq!((framing.state, framing.line.len()), (State::TooLarge, 0));

    for begin in ["", "3\r\nabc", "0\r\n", "0\r\nX: "] {
        let mut framing = Framing::default();
        framing.advance(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        framing.advance(begin.as_bytes()).unwrap();
        assert!(framing.advance(&endless).is_err(), "{begin:?}");
    }
}
