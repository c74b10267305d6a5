//! The session cookie: its names, how it is set, and how it is found among whatever else a browser sends.

use http::HeaderMap;
use http::header::COOKIE;

use crate::auth::token::Token;

/// The cookie over plain http.
pub const SESSION_COOKIE: &str = "hubd-session";
/// The cookie over https: browsers let nobody but this very host set it.
pub const SECURE_COOKIE: &str = "__Host-hubd-session";

/// Cookies of our name that are tried; pages of a user's server can plant more.
const MOST_CANDIDATES: usize = 8;

/// The server decides when a session ends; the browser just keeps its cookie for as long as browsers do.
const COOKIE_SECONDS: u32 = 400 * 86_400;

/// What the request's cookies may be: well-formed tokens under our name, a bounded number.
pub fn candidates(headers: &HeaderMap, https: bool) -> impl Iterator<Item = Token> {
    values(headers, name(https)).filter_map(Token::parse).take(MOST_CANDIDATES)
}

/// The values of all cookies of that name. What others set beside them may be no text at all.
pub fn values<'a>(headers: &'a HeaderMap, wanted: &'static str) -> impl Iterator<Item = &'a str> {
    headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';')).filter_map(move |pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.trim_ascii().split_once('=')?;
        (name == wanted).then_some(value)
    })
}

/// The value of a `Set-Cookie` header that gives `token` to the browser, or takes it back.
pub fn cookie_value(token: Option<&Token>, https: bool) -> String {
    let name = name(https);
    let secure = if https { "; Secure" } else { "" };
    match token {
        Some(token) => format!("{name}={}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}", token.as_str()),
        None => format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}"),
    }
}

fn name(https: bool) -> &'static str {
    if https { SECURE_COOKIE } else { SESSION_COOKIE }
}
