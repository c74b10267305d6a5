//! What is the same for everybody in pages of people's servers: scripts, styles and fonts of JupyterLab, Notebook and their
//! extensions, out of sealed environments. The address names the content, so browsers keep it for ever, whoever uses them.
//!
//! Nobody is asked who they are, and nothing of the request but path, encodings and range has a part in the answer: whoever
//! shares a browser, or a proxy, with others can leave nothing there for them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use hub_core::generation;
use hub_core::paths::Paths;
use tower::ServiceExt;
use tower_http::services::ServeDir;

/// `/hub/shared/*`, for anybody.
pub fn shared_router(paths: Paths) -> Router {
    Router::new().route("/hub/shared/{name}/{*file}", get(file)).with_state(Arc::new(paths))
}

async fn file(
    State(paths): State<Arc<Paths>>,
    Path((name, file)): Path<(String, String)>,
    mut request: Request,
) -> Result<Response, StatusCode> {
    let wanted = name.clone();
    let found = tokio::task::spawn_blocking(move || generation::shared(&paths, &wanted)).await;
    let directory = found.ok().flatten().ok_or(StatusCode::NOT_FOUND)?;
    // Nothing on the way is hidden, so whoever asks for that asks for something else.
    if file.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return Err(StatusCode::NOT_FOUND);
    }
    let below = request.uri().path().splitn(5, '/').nth(4).unwrap_or_default();
    *request.uri_mut() = format!("/{below}").parse::<Uri>().map_err(|_| StatusCode::NOT_FOUND)?;
    let known = request.headers_mut().remove(IF_NONE_MATCH);
    forget_times(request.headers_mut());
    let files = ServeDir::new(directory).append_index_html_on_directories(false).precompressed_br().precompressed_gzip();
    let mut response = files.oneshot(request).await.map_err(|_| StatusCode::NOT_FOUND)?.into_response();
    if !response.status().is_success() {
        // Also for a range that the file does not have.
        return Err(response.status());
    }
    let encoding = response.headers().get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("plain");
    // The address stands for the content, so the tag only has to tell its encodings apart.
    let tag = format!("\"{name}-{encoding}\"");
    if response.status() == StatusCode::OK && known.is_some_and(|known| names(&known, &tag)) {
        response = StatusCode::NOT_MODIFIED.into_response();
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    describe(response.headers_mut(), &tag);
    Ok(response)
}

/// When a file was made says nothing: another machine, or a later generation, has the same at another time. A part is asked for
/// on condition by nobody who could not also take the whole.
fn forget_times(headers: &mut HeaderMap) {
    headers.remove(IF_MODIFIED_SINCE);
    headers.remove(IF_UNMODIFIED_SINCE);
    if headers.contains_key(IF_RANGE) {
        headers.remove(RANGE);
    }
}

/// Whether what a browser has is what `tag` stands for.
fn names(known: &HeaderValue, tag: &str) -> bool {
    let known = known.to_str().unwrap_or_default();
    known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}

fn describe(headers: &mut HeaderMap, tag: &str) {
    headers.remove(LAST_MODIFIED);
    headers.extend(HeaderValue::from_str(tag).map(|tag| (ETAG, tag)));
    for (name, value) in [
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (VARY, ACCEPT_ENCODING.as_str()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // What an extension has of pages is shown in pages of this site alone.
        (CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Method;
    use http_body_util::BodyExt;
    use hub_core::generation::SHARED;

    use super::*;

    const NAME: &str = "0123456789abcdef0123456789abcdef";

    struct Desk {
        _root: tempfile::TempDir,
        router: Router,
    }

    impl Desk {
        /// A script with both encodings, a font without any, and what must not get out.
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let paths = Paths::under(root.path());
            let shared = paths.environment(3).join(SHARED).join(NAME);
            std::fs::create_dir_all(shared.join("@scope/sub")).unwrap();
            std::fs::write(shared.join("index.json"), "{}").unwrap();
            for (name, content) in
                [("a.js", "plain script"), ("a.js.br", "brotli"), ("a.js.gz", "gzip"), ("@scope/sub/f.woff2", "font")]
            {
                std::fs::write(shared.join(name), content).unwrap();
            }
            std::fs::write(shared.join(".hidden"), "secret").unwrap();
            std::fs::write(paths.environment(3).join("secret.js"), "secret").unwrap();
            std::fs::write(paths.environment(3).join(SHARED).join("index.json"), "secret").unwrap();
            Self { _root: root, router: shared_router(paths) }
        }

        async fn ask(&self, method: Method, path: &str, headers: &[(&'static str, &str)]) -> (StatusCode, HeaderMap, String) {
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let (head, body) = answer.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
        }

        async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> (StatusCode, HeaderMap, String) {
            self.ask(Method::GET, &format!("/hub/shared/{NAME}/{path}"), headers).await
        }
    }

    #[tokio::test]
    async fn each_browser_gets_the_smallest_that_it_reads() {
        let desk = Desk::new();
        for (accepted, encoding, content) in [
            ("gzip, deflate, br, zstd", Some("br"), "brotli"),
            ("gzip, deflate", Some("gzip"), "gzip"),
            ("identity", None, "plain script"),
            ("br;q=0, gzip;q=0", None, "plain script"),
        ] {
            let (status, headers, body) = desk.get("a.js?v=1", &[("accept-encoding", accepted)]).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, content), "{accepted}");
            assert_eq!(headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap()), encoding, "{accepted}");
            assert_eq!(headers["content-type"], "text/javascript");
            assert_eq!(headers[CONTENT_LENGTH], content.len().to_string());
            assert_eq!(headers[VARY], "accept-encoding");
            assert_eq!(headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert!(!headers.contains_key(LAST_MODIFIED));
        }
        let (status, headers, body) = desk.get("@scope/sub/f.woff2", &[("accept-encoding", "br, gzip")]).await;
        assert_eq!(
            (status, body.as_str(), &headers["content-type"]),
            (StatusCode::OK, "font", &HeaderValue::from_static("font/woff2"))
        );
        assert!(!headers.contains_key(CONTENT_ENCODING));
    }

    #[tokio::test]
    async fn parts_heads_and_what_a_browser_has_already() {
        let desk = Desk::new();
        let (status, headers, body) = desk.ask(Method::HEAD, &format!("/hub/shared/{NAME}/a.js"), &[]).await;
        assert_eq!((status, body.as_str(), &headers[CONTENT_LENGTH]), (StatusCode::OK, "", &HeaderValue::from_static("12")));
        let tag = headers[ETAG].to_str().unwrap().to_owned();
        let (status, headers, body) = desk.get("a.js", &[("range", "bytes=6-")]).await;
        assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "script"));
        assert_eq!(headers["content-range"], "bytes 6-11/12");
        assert_eq!(desk.get("a.js", &[("range", "bytes=90-")]).await.0, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(desk.get("a.js", &[("range", "bytes=6-"), ("if-range", "\"other\"")]).await.2, "plain script");
        let (status, headers, body) = desk.get("a.js", &[("if-none-match", &format!("\"x\", W/{tag}"))]).await;
        assert_eq!((status, body.as_str(), headers[ETAG].to_str().unwrap()), (StatusCode::NOT_MODIFIED, "", tag.as_str()));
        assert!(headers.contains_key(CACHE_CONTROL) && headers.contains_key(VARY));
        for known in [("if-none-match", "\"other\""), ("if-modified-since", "Tue, 01 Jan 2999 00:00:00 GMT")] {
            assert_eq!(desk.get("a.js", &[known]).await.0, StatusCode::OK, "{known:?}");
        }
        let encoded = [("if-none-match", tag.as_str()), ("accept-encoding", "br")];
        assert_eq!(desk.get("a.js", &encoded).await.0, StatusCode::OK, "in another encoding it has not");
    }

    #[tokio::test]
    async fn nothing_else_gets_out() {
        let desk = Desk::new();
        for path in [
            "",
            ".hidden",
            "%2ehidden",
            "@scope",
            "@scope/",
            "@scope/sub",
            "../index.json",
            "%2e%2e/index.json",
            "..%2findex.json",
            "../../secret.js",
            "%2e%2e%2f%2e%2e%2fsecret.js",
            "sub/../a.js",
            "//a.js",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "a.js/",
            "a.js%00",
            "a.js%00.txt",
            "..%5cindex.json",
            "gone.js",
            "%ff",
        ] {
            let (status, headers, body) = desk.get(path, &[]).await;
            assert!(status.is_client_error() && body.len() < 100 && !body.contains("secret"), "{path}: {status} {body}");
            assert!(!headers.contains_key(CACHE_CONTROL), "{path}");
        }
        for path in ["/hub/shared/", "/hub/shared/x/a.js", "/hub/shared/../a.js", "/hub/shared/%2e%2e/index.json"] {
            assert_eq!(desk.ask(Method::GET, path, &[]).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(desk.ask(Method::POST, &format!("/hub/shared/{NAME}/a.js"), &[]).await.0, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn nothing_of_the_request_is_in_the_answer() {
        let desk = Desk::new();
        let sent =
            [("cookie", "hubd-session=mark"), ("origin", "https://mark"), ("user-agent", "mark"), ("referer", "http://mark/")];
        let (plain, marked) = (desk.get("a.js", &[]).await, desk.get("a.js?mark=mark", &sent).await);
        assert_eq!(plain, marked);
    }
}
