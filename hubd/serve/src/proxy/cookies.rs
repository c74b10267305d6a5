//! Which cookies are the hub's own: a user server neither sees them nor sets them.

use http::HeaderValue;

/// Every cookie of the hub starts with one of these. Compared without case: browsers treat `__HOST-` like `__Host-`.
const OURS: [&[u8]; 3] = [b"hubd-", b"__host-hubd-", b"__secure-hubd-"];

/// `Cookie:` without the hub's cookies. What is left is byte for byte what came.
pub(super) enum Kept {
    /// Nothing of ours in it.
    All,
    /// Only ours in it.
    Nothing,
    /// The rest.
    Some(HeaderValue),
}

/// Removes the hub's cookies from one `Cookie:` value.
pub(super) fn keep_foreign(value: &HeaderValue) -> Kept {
    let bytes = value.as_bytes();
    if !bytes.split(|byte| *byte == b';').any(is_ours) {
        return Kept::All;
    }
    let mut kept = Vec::with_capacity(bytes.len());
    for pair in bytes.split(|byte| *byte == b';').filter(|pair| !is_ours(pair)) {
        if kept.is_empty() {
            kept.extend_from_slice(pair.trim_ascii_start());
        } else {
            kept.push(b';');
            kept.extend_from_slice(pair);
        }
    }
    match HeaderValue::from_bytes(&kept) {
        Ok(value) if !kept.is_empty() => Kept::Some(value),
        _ => Kept::Nothing,
    }
}

/// Whether a `Set-Cookie:` value would set one of the hub's cookies.
pub(super) fn sets_ours(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b';').next().is_some_and(is_ours)
}

/// Whether `pair`, a `name=value`, is one of ours. A browser sends a nameless cookie (`=hubd-session=x`) as
/// `hubd-session=x`, so leading `=` do not count.
fn is_ours(pair: &[u8]) -> bool {
    let start = pair.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b'=').unwrap_or(pair.len());
    let name = &pair[start..];
    OURS.iter().any(|ours| name.get(..ours.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(ours)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cookies: &str) -> Option<String> {
        let value = HeaderValue::from_str(cookies).unwrap();
        match keep_foreign(&value) {
            Kept::All => Some(cookies.to_owned()),
            Kept::Nothing => None,
            Kept::Some(value) => Some(value.to_str().unwrap().to_owned()),
        }
    }

    #[test]
    fn hub_cookies_go_and_the_rest_stays_as_it_was() {
        for (cookies, left) in [
            ("a=1", Some("a=1")),
            ("hubd-session=x", None),
            ("__Host-hubd-session=x", None),
            ("__Secure-hubd-x=1", None),
            ("__HOST-HUBD-session=x", None),
            ("HUBD-SESSION=x; a=1", Some("a=1")),
            ("a=1; hubd-session=x; b=2", Some("a=1; b=2")),
            ("hubd-session=x;a=1;hubd-session=y;  b = \"2\" ", Some("a=1;  b = \"2\" ")),
            ("=hubd-session=x; a=1", Some("a=1")),
            ("==hubd-session=x", None),
            ("hubd-session", None),
            ("\thubd-session=x; a", Some("a")),
            ("hubd-session=x; ", None),
            ("_xsrf=2|a|b; username-hubd-session=\"v\"", Some("_xsrf=2|a|b; username-hubd-session=\"v\"")),
            ("xhubd-session=1; ;a==", Some("xhubd-session=1; ;a==")),
        ] {
            assert_eq!(kept(cookies).as_deref().map(str::trim_end), left.map(str::trim_end), "{cookies:?}");
        }
    }

    #[test]
    fn set_cookie_is_known_by_its_name_alone() {
        for (value, ours) in [
            ("hubd-session=evil; Path=/", true),
            ("__Host-hubd-session=evil; Path=/; Secure", true),
            ("__host-HUBD-session=evil", true),
            (" hubd-session = evil", true),
            ("=hubd-session=evil", true),
            (" = =hubd-session=evil", true),
            ("hubd-session", true),
            ("a=hubd-session=evil", false),
            ("a=1; hubd-session=2", false),
            ("jupyter-hubd-session=1", false),
            ("", false),
        ] {
            assert_eq!(sets_ours(&HeaderValue::from_str(value).unwrap()), ours, "{value:?}");
        }
    }
}
