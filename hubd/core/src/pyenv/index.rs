//! Finding a file on a Python package index: pages in HTML (PEP 503) or JSON (PEP 691), pure.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use url::Url;

/// The index used when the administrator names none.
pub const DEFAULT: &str = "https://pypi.org/simple";
/// What to send as `Accept:` when asking for a project's page.
pub const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// The address of `project`'s page below the index at `index`.
///
/// # Errors
/// When `index` is not an http or https address.
pub fn project_page(index: &str, project: &str) -> Result<Url> {
    let mut url = Url::parse(index).with_context(|| format!("reading index address {:?}", without_secret(index)))?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!("index address {:?} starts with `{}:`, expected `https:` or `http:`", without_secret(index), url.scheme());
    }
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(project).push("");
    }
    Ok(url)
}

/// Where the page at `page` (its address after redirects) says that `filename` is.
///
/// # Errors
/// When the page can't be read or doesn't name the file.
pub fn find_file(page: &Url, content_type: &str, body: &str, filename: &str) -> Result<Url> {
    let found = if content_type.contains("json") { in_json(body, filename)? } else { in_html(body, filename) };
    let Some((base, link)) = found else {
        bail!(
            "`{filename}` is not on the page `{}`\nhint: the index must carry this very file; a mirror may need to be brought \
             up to date",
            without_secret(page.as_str())
        );
    };
    let base = match base {
        Some(base) => page.join(&base).with_context(|| format!("reading base address {base:?}"))?,
        None => page.clone(),
    };
    let mut url = base.join(&link).with_context(|| format!("reading link {link:?}"))?;
    url.set_fragment(None);
    if !matches!(url.scheme(), "http" | "https") {
        bail!("link {link:?} of `{filename}` leads to a `{}:` address, expected `https:` or `http:`", url.scheme());
    }
    Ok(url)
}

/// `address` without a user name and password in it, for messages.
pub fn without_secret(address: &str) -> String {
    match (address.split_once("://"), address.find('@')) {
        (Some((scheme, rest)), Some(_)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let host = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host);
            format!("{scheme}://{host}{}", &rest[end..])
        }
        _ => address.to_owned(),
    }
}

fn in_json(body: &str, filename: &str) -> Result<Option<(Option<String>, String)>> {
    #[derive(Deserialize)]
    struct Page {
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    struct File {
        filename: String,
        url: String,
    }
    let page: Page = serde_json::from_str(body).context("reading the index page as JSON")?;
    Ok(page.files.into_iter().find(|file| file.filename == filename).map(|file| (None, file.url)))
}

/// The base address, where the page sets one, and the link. Index pages are made by programs: tags and quoted attributes
/// are enough.
fn in_html(body: &str, filename: &str) -> Option<(Option<String>, String)> {
    let mut base = None;
    for tag in body.split('<').skip(1) {
        let (inside, _text) = tag.split_once('>')?;
        let name = inside.split_whitespace().next().unwrap_or_default();
        if name.eq_ignore_ascii_case("base") {
            base = attribute(inside, "href");
        } else if name.eq_ignore_ascii_case("a")
            && let Some(link) = attribute(inside, "href")
        {
            let path = link.split(['#', '?']).next().unwrap_or_default();
            let last = path.rsplit('/').next().unwrap_or_default();
            if percent_decoded(last) == filename {
                return Some((base, link));
            }
        }
    }
    None
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    while let Some(at) = rest.to_ascii_lowercase().find(name) {
        let before = rest[..at].chars().next_back();
        let after = rest[at + name.len()..].trim_start();
        rest = &rest[at + name.len()..];
        if before.is_some_and(char::is_whitespace)
            && let Some(value) = after.strip_prefix('=').map(str::trim_start)
            && let Some(quote) = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))
        {
            let value = value[1..].split(quote).next().unwrap_or_default();
            return Some(
                value
                    .replace("&#43;", "+")
                    .replace("&quot;", "\"")
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&amp;", "&"),
            );
        }
    }
    None
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "uv-1.0-py3-none-any.whl";

    fn page() -> Url {
        Url::parse("https://mirror.example.org/root/simple/uv/").unwrap()
    }

    #[test]
    fn page_address_keeps_the_path_of_the_index() {
        for index in ["https://mirror.example.org/root/simple", "https://mirror.example.org/root/simple/"] {
            assert_eq!(project_page(index, "uv").unwrap(), page());
        }
    }

    #[test]
    fn refuses_an_index_that_is_no_web_address() {
        let error = project_page("file:///srv/simple", "uv").unwrap_err().to_string();
        assert_eq!(error, "index address \"file:///srv/simple\" starts with `file:`, expected `https:` or `http:`");
        assert!(project_page("mirror", "uv").is_err());
    }

    #[test]
    fn finds_the_link_in_html_of_several_kinds() {
        let cases = [
            (
                "<a href=\"https://files.example.org/uv-1.0-py3-none-any.whl#sha256=ab\">x</a>",
                "https://files.example.org/uv-1.0-py3-none-any.whl",
            ),
            (
                "<A  data-x='1' HREF = '../../packages/uv-1.0-py3-none-any.whl?a=1&amp;b=2'>x</A>",
                "https://mirror.example.org/root/packages/uv-1.0-py3-none-any.whl?a=1&b=2",
            ),
            ("<a href=\"/p/uv%2D1.0-py3-none-any.whl\">x</a>", "https://mirror.example.org/p/uv%2D1.0-py3-none-any.whl"),
            (
                "<base href='https://cdn.example.org/f/'><a href='uv-1.0-py3-none-any.whl'>",
                "https://cdn.example.org/f/uv-1.0-py3-none-any.whl",
            ),
        ];
        for (body, expected) in cases {
            let body = format!("<!DOCTYPE html><html><a href=\"uv-1.0-py3-none-any.whl.metadata\">m</a>{body}</html>");
            assert_eq!(find_file(&page(), "text/html; charset=utf-8", &body, NAME).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn finds_the_link_in_json() {
        let body = r#"{"meta":{"api-version":"1.1"},"files":[{"filename":"uv-0.9.tar.gz","url":"x"},
            {"filename":"uv-1.0-py3-none-any.whl","url":"../../f/uv-1.0-py3-none-any.whl","hashes":{"sha256":"ab"}}]}"#;
        let found = find_file(&page(), "application/vnd.pypi.simple.v1+json", body, NAME).unwrap();
        assert_eq!(found.as_str(), "https://mirror.example.org/root/f/uv-1.0-py3-none-any.whl");
    }

    #[test]
    fn says_which_file_is_missing_and_keeps_the_password_to_itself() {
        let page = Url::parse("https://ada:secret@mirror.example.org/simple/uv/").unwrap();
        let error = find_file(&page, "text/html", "<a href='uv-1.1.whl'>", NAME).unwrap_err().to_string();
        assert!(
            error.starts_with("`uv-1.0-py3-none-any.whl` is not on the page `https://mirror.example.org/simple/uv/`"),
            "{error}"
        );
    }

    #[test]
    fn refuses_a_link_that_leaves_the_web() {
        assert!(find_file(&page(), "text/html", "<a href='file:///etc/uv-1.0-py3-none-any.whl'>", NAME).is_err());
    }
}
