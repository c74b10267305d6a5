//! Reading a form: a short text, in time, in the one format that our pages send.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode;

use super::Hub;
use super::error::Problem;

/// Longest form: two passwords of 1024 bytes, all percent-encoded, an address, and some room.
const LONGEST: usize = 32 << 10;
/// Longest time a form may take to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);
/// More fields than any of our forms has.
const MOST_FIELDS: usize = 16;
/// Longest form about many people: a class list, or the names of ten thousand.
const LONGEST_LIST: usize = 3 << 20;
/// As many people as one list may have, and some more fields.
const MOST_PEOPLE: usize = 10_100;

/// The fields of a form.
#[derive(Default)]
pub(super) struct Form(HashMap<String, String>);

impl Form {
    /// Reads `application/x-www-form-urlencoded` text; `None`: too many fields, a field twice, or not UTF-8.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        Self::parse_within(text, MOST_FIELDS)
    }

    fn parse_within(text: &[u8], most: usize) -> Option<Self> {
        let mut fields = HashMap::new();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if fields.len() == most || fields.insert(name, value).is_some() {
                return None;
            }
        }
        Some(Self(fields))
    }

    /// These fields.
    pub(super) fn of(fields: HashMap<String, String>) -> Self {
        Self(fields)
    }

    /// What was filled in; nothing counts as an empty text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// What follows `prefix` in the names of fields that have it.
    pub(super) fn names_after(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(move |name| name.strip_prefix(prefix))
    }

    /// A name as people type it: with spaces around and capitals, which telephones add by themselves.
    pub(super) fn name(&self, name: &str) -> String {
        self.text(name).trim().to_ascii_lowercase()
    }
}

impl FromRequest<Arc<Hub>> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Hub>) -> Result<Self, Problem> {
        read(request, LONGEST, MOST_FIELDS).await
    }
}

/// A form about many people. Only for whoever looks after people: it takes more memory.
pub(super) struct LongForm(pub(super) Form);

impl FromRequest<Arc<Hub>> for LongForm {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Hub>) -> Result<Self, Problem> {
        read(request, LONGEST_LIST, MOST_PEOPLE).await.map(Self)
    }
}

/// `longest`: in bytes. `most`: fields.
async fn read(request: Request, longest: usize, most: usize) -> Result<Form, Problem> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    if !content_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Problem::wrong_format());
    }
    let body = Limited::new(request.into_body(), longest).collect();
    match tokio::time::timeout(ARRIVAL_TIMEOUT, body).await {
        Ok(Ok(body)) => {
            Form::parse_within(&body.to_bytes(), most).ok_or_else(|| Problem::bad_request("The form could not be read."))
        }
        Ok(Err(error)) if is_too_long(error.as_ref()) => Err(Problem::too_large()),
        Ok(Err(_)) | Err(_) => Err(Problem::too_slow()),
    }
}

fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<LengthLimitError>() || error.source().is_some_and(is_too_long)
}

fn decode(text: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_browsers_send() {
        let form = Form::parse(b"username=+Ada%0d%0a&password=a%2Bb+c%C3%A9%00%26&empty=&&lonely").unwrap();
        assert_eq!(form.name("username"), "ada");
        assert_eq!(form.text("password"), "a+b c\u{e9}\0&");
        assert_eq!((form.text("empty"), form.text("lonely"), form.text("absent")), ("", "", ""));
    }

    #[test]
    fn refuses_what_browsers_do_not_send() {
        let many: String = (0..17).map(|number| format!("a{number}=&")).collect();
        for text in [&b"a=1&a=2"[..], b"a=%ff", b"%ff=a", b"a=\xff", many.as_bytes()] {
            assert!(Form::parse(text).is_none(), "{:?} was accepted", String::from_utf8_lossy(text));
        }
    }
}
