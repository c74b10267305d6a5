use super::*;

const CLIENT: Client = Client { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), https: false };

fn head(lines: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::new(());
    for (name, value) in lines {
        request
            .headers_mut()
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.into_parts().0
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii())).collect();
    lines.sort();
    lines
}

/// What is left of a client's headers when `lines` come with a `Host`, without what we always add.
fn passed(lines_in: &[(&str, &str)]) -> Vec<String> {
    let mut head = head(&[&[("Host", "hub:8000")], lines_in].concat());
    let upgrade = requested_upgrade(&head);
    prepare_request(&mut head, &"ada".parse().unwrap(), CLIENT, upgrade);
    let all = lines(&head.headers);
    let ours = [
        "host: hub:8000",
        "x-forwarded-for: 192.0.2.7",
        "x-forwarded-host: hub:8000",
        "x-forwarded-port: 8000",
        "x-forwarded-proto: http",
        "x-hubd-user: ada",
    ];
    for line in ours {
        assert_eq!(all.iter().filter(|found| *found == line).count(), 1, "{line} in {all:#?}");
    }
    all.into_iter().filter(|line| !ours.contains(&line.as_str())).collect()
}

#[test]
fn what_means_nothing_to_us_passes_untouched() {
    for (name, value) in [
        ("accept", "*/*"),
        ("authorization", "token abc"),
        ("content-type", "text/plain"),
        ("cookie", "_xsrf=2|a|b; a=\"1\""),
        ("origin", "null"),
        ("referer", "http://hub:8000/user/ada/lab"),
        ("sec-fetch-site", "same-origin"),
        ("sec-websocket-protocol", "v1.kernel.websocket.jupyter.org"),
        ("x-xsrftoken", "abc"),
        ("x-my_own", "1"),
        ("x-funny", "caf\u{e9} \u{1F600}"),
    ] {
        let value_out = value.as_bytes().escape_ascii();
        assert_eq!(passed(&[(name, value)]), [format!("{name}: {value_out}")]);
    }
}

#[test]
fn what_only_a_proxy_may_say_is_removed_in_every_spelling() {
    for name in [
        "X-Hubd-User",
        "x-hubd-user",
        "X_Hubd_User",
        "x-hubd_user",
        "X-Hubd-Admin",
        "Forwarded",
        "X-Forwarded",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "x_forwarded-for",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-User",
        "X_Forwarded_User",
        "X-Forwarded-Prefix",
        "X-Real-IP",
        "X_Real_IP",
        "X-Scheme",
        "X-Client-IP",
        "Content_Length",
        "Transfer_Encoding",
        "X_XSRFToken",
    ] {
        assert_eq!(passed(&[(name, "127.0.0.1"), (name, "root")]), [""; 0], "{name}");
    }
}

#[test]
fn what_is_meant_for_us_alone_is_removed() {
    for lines in [
        &[("Connection", "keep-alive")][..],
        &[("Connection", "close")],
        &[("Keep-Alive", "timeout=5")],
        &[("Proxy-Connection", "keep-alive")],
        &[("Proxy-Authorization", "Basic x")],
        &[("TE", "trailers"), ("Connection", "TE")],
        &[("Trailer", "X-Sum")],
        &[("Expect", "100-continue")],
        &[("Connection", "X-Secret, close"), ("X-Secret", "1"), ("x-secret", "2")],
        &[("Connection", "x-one"), ("Connection", ",, X-Two"), ("X-One", "1"), ("X-Two", "2")],
        // An upgrade that nobody announced, or that we do not pass on.
        &[("Upgrade", "websocket")],
        &[("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMA")],
        &[("Connection", "Upgrade"), ("Upgrade", "websocket, H2C")],
        &[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Upgrade", "other")],
    ] {
        assert_eq!(passed(lines), [""; 0], "{lines:?}");
    }
}

#[test]
fn connection_cannot_take_away_what_decides() {
    let listed = "Host, Origin, Cookie, Content-Length, X-Hubd-User, X-Forwarded-For, Sec-Fetch-Site, X-XSRFToken, X-Other";
    assert_eq!(
        passed(&[
            ("Connection", listed),
            ("Origin", "http://evil"),
            ("Cookie", "a=1"),
            ("Content-Length", "3"),
            ("Sec-Fetch-Site", "cross-site"),
            ("X-XSRFToken", "t"),
            ("X-Other", "gone"),
            ("X-Hubd-User", "root"),
        ]),
        ["content-length: 3", "cookie: a=1", "origin: http://evil", "sec-fetch-site: cross-site", "x-xsrftoken: t"]
    );
}

#[test]
fn hub_cookies_are_removed_from_every_line() {
    assert_eq!(
        passed(&[("Cookie", "hubd-session=s"), ("Cookie", "a=1; __Host-hubd-session=s; b=2"), ("Cookie", "c=3"),]),
        ["cookie: a=1; b=2", "cookie: c=3"]
    );
}

#[test]
fn an_upgrade_that_was_asked_for_is_passed_on() {
    assert_eq!(
        passed(&[("Connection", "keep-alive, Upgrade"), ("Upgrade", "WebSocket"), ("Sec-WebSocket-Key", "k")]),
        ["connection: upgrade", "sec-websocket-key: k", "upgrade: WebSocket"]
    );
    let mut old = head(&[("Connection", "Upgrade"), ("Upgrade", "websocket")]);
    old.version = Version::HTTP_10;
    assert_eq!(requested_upgrade(&old), None);
}

#[test]
fn chosen_protocols_are_among_the_offered() {
    for (offered, chosen, expected) in [
        ("websocket", Some("websocket"), true),
        ("websocket", Some("WebSocket"), true),
        ("foo, websocket", Some("websocket"), true),
        ("websocket", Some("foo"), false),
        ("websocket", Some("foo, websocket"), false),
        ("websocket", None, false),
    ] {
        let answer = head(&chosen.map(|chosen| ("upgrade", chosen)).into_iter().collect::<Vec<_>>()).headers;
        let found = chosen_upgrade(&HeaderValue::from_static(offered), &answer);
        assert_eq!(found.is_some(), expected, "{offered} {chosen:?}");
    }
}

#[test]
fn a_chunked_body_stays_chunked() {
    assert_eq!(passed(&[("Transfer-Encoding", "chunked")]), ["transfer-encoding: chunked"]);
}

#[test]
fn clients_are_described_by_us() {
    for (host, https, address, expected) in [
        ("hub", false, "192.0.2.7", ["192.0.2.7", "hub", "80", "http"]),
        ("hub", true, "2001:db8::1", ["2001:db8::1", "hub", "443", "https"]),
        ("hub:8443", true, "::ffff:192.0.2.7", ["192.0.2.7", "hub:8443", "8443", "https"]),
        ("[::1]:8000", false, "::1", ["::1", "[::1]:8000", "8000", "http"]),
        ("[::1]", false, "::1", ["::1", "[::1]", "80", "http"]),
    ] {
        let mut head = head(&[("host", host)]);
        let client = Client { address: address.parse().unwrap(), https };
        prepare_request(&mut head, &"ada".parse().unwrap(), client, None);
        let found = [FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PORT, FORWARDED_PROTO]
            .map(|name| head.headers.get(name).unwrap().to_str().unwrap().to_owned());
        assert_eq!(found, expected);
    }
}

/// What is left of a server's headers.
fn answered(status: u16, lines_in: &[(&str, &str)]) -> Result<Vec<String>, BadAnswer> {
    let mut response = http::Response::builder().status(status).body(()).unwrap();
    *response.headers_mut() = head(lines_in).headers;
    let mut head = response.into_parts().0;
    prepare_response(&mut head, None)?;
    Ok(lines(&head.headers))
}

#[test]
fn servers_cannot_speak_for_the_whole_origin() {
    for name in [
        "Service-Worker-Allowed",
        "Clear-Site-Data",
        "Strict-Transport-Security",
        "Alt-Svc",
        "NEL",
        "Report-To",
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Upgrade",
        "Trailer",
    ] {
        assert_eq!(answered(200, &[(name, "x"), (name, "y")]), Ok(vec![]), "{name}");
    }
    assert_eq!(answered(200, &[("Connection", "X-Hop"), ("X-Hop", "1"), ("X-End", "2")]), Ok(vec!["x-end: 2".to_owned()]));
}

#[test]
fn servers_cannot_set_the_hubs_cookies() {
    let own = "username-127=\"x\"; Path=/user/ada/; HttpOnly";
    assert_eq!(
        answered(
            200,
            &[
                ("Set-Cookie", "hubd-session=evil; Path=/"),
                ("Set-Cookie", own),
                ("Set-Cookie", "__Host-hubd-session=evil; Path=/; Secure"),
                ("Set-Cookie", "=hubd-session=evil; Path=/"),
                ("Set-Cookie", "_xsrf=1; Path=/user/ada/"),
            ]
        ),
        Ok(vec!["set-cookie: _xsrf=1; Path=/user/ada/".to_owned(), format!("set-cookie: {}", own.as_bytes().escape_ascii())])
    );
}

#[test]
fn answers_without_a_clear_end_are_refused() {
    for (lines_in, expected) in [
        (&[("Content-Length", "3"), ("Content-Length", "3")][..], Ok(vec!["content-length: 3".to_owned()])),
        (&[("Content-Length", "3"), ("Content-Length", "4")], Err(BadAnswer::ContentLength)),
        (&[("Content-Length", "3"), ("Transfer-Encoding", "chunked")], Ok(vec![])),
        (&[("Transfer-Encoding", "gzip, chunked")], Err(BadAnswer::TransferEncoding)),
        (&[("Transfer-Encoding", "identity")], Err(BadAnswer::TransferEncoding)),
        (&[("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")], Err(BadAnswer::TransferEncoding)),
    ] {
        assert_eq!(answered(200, lines_in), expected, "{lines_in:?}");
    }
    assert_eq!(answered(304, &[("Content-Length", "3"), ("ETag", "\"a\"")]), Ok(vec!["etag: \\\"a\\\"".to_owned()]));
}
