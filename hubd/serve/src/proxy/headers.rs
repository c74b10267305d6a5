//! What changes in the headers on their way through: pure, and everything not named here passes untouched.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Version, response};
use hub_core::accounts::Username;

use super::cookies::{self, Kept};
use crate::listen::Client;

/// Says to a user server who is there. Clients cannot set it.
pub const USER_HEADER: HeaderName = HeaderName::from_static("x-hubd-user");

/// Says to a user server which key its page has to use. Clients cannot set it.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-hubd-key");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// What a user server decides by.
const END_TO_END: [&str; 8] =
    ["authorization", "content-length", "content-type", "cookie", "host", "origin", "referer", "x-xsrftoken"];

/// The protocols a request asks to change to, or `None` when it stays with HTTP: no `Upgrade`, an old version, or an
/// offer of HTTP/2, which nobody has to take.
pub(super) fn requested_upgrade(head: &Parts) -> Option<HeaderValue> {
    if head.version != Version::HTTP_11 || !has_token(&head.headers, &header::CONNECTION, "upgrade") {
        return None;
    }
    let mut values = head.headers.get_all(header::UPGRADE).iter();
    let value = values.next()?;
    let is_http2 = value.as_bytes().split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(b"h2c"));
    (values.next().is_none() && !is_http2).then(|| value.clone())
}

/// The protocol that an answer chose, if it is one of those `offered`.
pub(super) fn chosen_upgrade(offered: &HeaderValue, answer: &HeaderMap) -> Option<HeaderValue> {
    let chosen = answer.get(header::UPGRADE)?;
    let mut offered = offered.as_bytes().split(|byte| *byte == b',');
    offered.any(|one| one.trim_ascii().eq_ignore_ascii_case(chosen.as_bytes())).then(|| chosen.clone())
}

/// Makes a client's request head ready for the server of `user`; the target stays as it came.
pub(super) fn prepare_request(head: &mut Parts, user: &Username, client: Client, upgrade: Option<HeaderValue>) {
    head.version = Version::HTTP_11;
    head.extensions.clear();
    let headers = &mut head.headers;
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    remove_if(headers, |name| is_hop_by_hop(name) || is_claim(name) || name == "expect");
    remove_hub_cookies(headers);
    if is_chunked {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    let host = headers.get(header::HOST).cloned();
    headers.insert(FORWARDED_PORT, forwarded_port(host.as_ref(), client.https));
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if client.https { "https" } else { "http" }));
    if let Some(address) = address_value(client.address) {
        headers.insert(FORWARDED_FOR, address);
    }
    if let Ok(name) = HeaderValue::from_str(user.as_str()) {
        headers.insert(USER_HEADER, name);
    }
}

/// Tells the server of the page that is asked for which key its requests must have.
pub(super) fn tell_key(headers: &mut HeaderMap, key: Option<&str>) {
    if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
        headers.insert(KEY_HEADER, key);
    }
}

/// Tells an app which part of its address it is not asked for.
pub(super) fn tell_prefix(headers: &mut HeaderMap, prefix: Option<&str>) {
    if let Some(prefix) = prefix.and_then(|prefix| HeaderValue::from_str(prefix).ok()) {
        headers.insert(FORWARDED_PREFIX, prefix);
    }
}

/// Why an answer cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// HTTP leaves open where such an answer ends.
    #[error("its answer has a `Transfer-Encoding` other than `chunked`")]
    TransferEncoding,
    /// HTTP leaves open where such an answer ends.
    #[error("its answer has two different `Content-Length`")]
    ContentLength,
}

/// Makes a user server's response head ready for the browser. `switched` is the new protocol of a 101.
pub(super) fn prepare_response(head: &mut response::Parts, switched: Option<HeaderValue>) -> Result<(), BadAnswer> {
    head.version = Version::HTTP_11;
    let (headers, status) = (&mut head.headers, head.status);
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        if encodings.next().is_some() || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(BadAnswer::TransferEncoding);
        }
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(first) = lengths.next().cloned()
        && let Some(second) = lengths.next()
    {
        if first != *second || lengths.any(|other| first != *other) {
            return Err(BadAnswer::ContentLength);
        }
        headers.insert(header::CONTENT_LENGTH, first);
    }
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        headers.remove(header::CONTENT_LENGTH);
    }
    remove_if(headers, |name| is_hop_by_hop(name) || is_origin_wide(name));
    if headers.get_all(header::SET_COOKIE).iter().any(cookies::sets_ours) {
        let kept: Vec<HeaderValue> =
            headers.get_all(header::SET_COOKIE).iter().filter(|value| !cookies::sets_ours(value)).cloned().collect();
        headers.remove(header::SET_COOKIE);
        for value in kept {
            headers.append(header::SET_COOKIE, value);
        }
    }
    if let Some(protocol) = switched {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    Ok(())
}

/// Whether asking twice does no more than asking once, so that an unanswered request may be asked again.
pub(super) fn is_repeatable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether the comma-separated header `name` has `token` in it, in any case.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|one| one.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Removes the headers that `is_unwanted` names, and those that `Connection:` lists.
fn remove_if(headers: &mut HeaderMap, is_unwanted: impl Fn(&str) -> bool) {
    let is_listed = |name: &str| has_token(headers, &header::CONNECTION, name) && !is_end_to_end(name);
    let unwanted: Vec<HeaderName> =
        headers.keys().filter(|name| is_unwanted(name.as_str()) || is_listed(name.as_str())).cloned().collect();
    for name in unwanted {
        headers.remove(name);
    }
}

/// Whether `name` is meant for the next hop only (RFC 9110, section 7.6.1, and what came before it).
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether the user server decides by `name`, so that `Connection:` may not make us drop it.
fn is_end_to_end(name: &str) -> bool {
    END_TO_END.contains(&name) || name.starts_with("sec-")
}

/// Whether a user server may not say this, because it shares its origin with the hub and with everybody else.
fn is_origin_wide(name: &str) -> bool {
    matches!(name, "alt-svc" | "clear-site-data" | "nel" | "report-to" | "service-worker-allowed" | "strict-transport-security")
}

/// Whether only we may send `name`. Programs behind a gateway interface see `X_Forwarded_For` and `X-Forwarded-For` as
/// one header, so the spelling with underscores is the same name, and a second spelling of any header that frames or
/// identifies a request is refused a passage as well.
fn is_claim(name: &str) -> bool {
    let is = |name: &str| {
        matches!(name, "forwarded" | "x-client-ip" | "x-forwarded" | "x-real-ip" | "x-scheme")
            || name.starts_with("x-forwarded-")
            || name.starts_with("x-hubd-")
    };
    if !name.contains('_') {
        return is(name);
    }
    let name = name.replace('_', "-");
    is(&name) || is_end_to_end(&name) || is_hop_by_hop(&name)
}

fn remove_hub_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().all(|value| matches!(cookies::keep_foreign(value), Kept::All)) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| match cookies::keep_foreign(value) {
            Kept::All => Some(value.clone()),
            Kept::Some(rest) => Some(rest),
            Kept::Nothing => None,
        })
        .collect();
    headers.remove(header::COOKIE);
    for value in kept {
        headers.append(header::COOKIE, value);
    }
}

fn forwarded_port(host: Option<&HeaderValue>, https: bool) -> HeaderValue {
    let standard = HeaderValue::from_static(if https { "443" } else { "80" });
    let port = host.and_then(|host| host.to_str().ok()).and_then(|host| host.rsplit_once(':')).map(|(_, port)| port);
    match port {
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            HeaderValue::from_str(port).unwrap_or(standard)
        }
        _ => standard,
    }
}

fn address_value(address: IpAddr) -> Option<HeaderValue> {
    HeaderValue::from_str(&address.to_canonical().to_string()).ok()
}

#[cfg(test)]
mod tests;
