//! What anybody may have, encrypted or not: answers to an authority, and the local authority for people to trust.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use hub_core::config::{Config, HttpsMethod};
use hub_core::paths::Paths;
use hub_core::sys::entrusted;
use hub_tls::description::fingerprint;
use hub_tls::{LARGEST, is_token};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::{Problem, wants_html};
use super::frame::{Frame, Look, render};
use super::security_headers::harden;
use crate::live::Live;

/// Asked for in place of a token, gives [`Open::check`].
pub const CHECK_TOKEN: &str = "hubd-check";

/// What anybody may have.
#[derive(Debug, Clone)]
pub struct Open {
    /// Says whether there is a local authority.
    pub config: Live<Config>,
    /// Where that and answers to an authority are.
    pub paths: Paths,
    /// By this word somebody who asks a name or an address sees that this very process answers there.
    pub check: String,
}

#[derive(Template)]
#[template(path = "ca.html")]
struct Page {
    look: Look,
    frame: Frame,
    fingerprint: String,
}

impl Open {
    fn authority(&self) -> Option<PathBuf> {
        let method = self.config.get().https.as_ref().map(|https| https.method.clone());
        matches!(method, Some(HttpsMethod::Lan { .. })).then(|| self.paths.certificate_authority())
    }
}

/// `/.well-known/acme-challenge/*` and `/hub/ca`.
pub fn open_router(open: Open) -> Router {
    let open = Arc::new(open);
    Router::new()
        .route("/.well-known/acme-challenge/{token}", get(answer))
        .route("/hub/ca", get(page))
        .route("/hub/ca.crt", get(file))
        .layer(from_fn_with_state(Arc::clone(&open), around))
        .with_state(open)
}

async fn answer(State(open): State<Arc<Open>>, Path(token): Path<String>) -> Result<Response, Problem> {
    let content = match token.as_str() {
        CHECK_TOKEN => open.check.clone().into_bytes(),
        token if is_token(token) => read(&open, open.paths.http_answers().join(token)).await?,
        _ => return Err(Problem::not_found()),
    };
    Ok(([(CONTENT_TYPE, "text/plain")], content).into_response())
}

async fn page(State(open): State<Arc<Open>>) -> Result<Response, Problem> {
    let pem = read(&open, open.authority().ok_or_else(Problem::not_found)?).await?;
    let der = CertificateDer::from_pem_slice(&pem).map_err(|error| Problem::internal(&error.into()))?;
    let (look, frame) = (Look::Wide, Frame::without_visitor(&open.config.get().hub));
    render(StatusCode::OK, &Page { look, frame, fingerprint: fingerprint(&der) })
}

async fn file(State(open): State<Arc<Open>>) -> Result<Response, Problem> {
    let pem = read(&open, open.authority().ok_or_else(Problem::not_found)?).await?;
    let headers =
        [(CONTENT_TYPE, "application/x-x509-ca-cert"), (CONTENT_DISPOSITION, "attachment; filename=\"hub-authority.crt\"")];
    Ok((headers, pem).into_response())
}

/// What `hubd-certificates` put there, whoever has taken it over: anybody gets it, so it must be no other file of the hub's.
async fn read(open: &Open, path: PathBuf) -> Result<Vec<u8>, Problem> {
    let (directory, file) = (open.paths.certificates(), path.clone());
    let read = tokio::task::spawn_blocking(move || entrusted::read(&directory, &file, LARGEST)).await;
    match read.map_err(std::io::Error::other).flatten() {
        Ok(content) => Ok(content),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Problem::not_found()),
        Err(error) => Err(Problem::internal(&anyhow::Error::new(error).context(format!("reading `{}`", path.display())))),
    }
}

async fn around(State(open): State<Arc<Open>>, request: Request, next: Next) -> Response {
    let html = wants_html(request.headers());
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return problem.answer(&open.config.get().hub, None, html);
    }
    harden(response.headers_mut());
    response.headers_mut().insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(open: &Open, path: &str) -> (u16, String) {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = open_router(open.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    fn open(root: &std::path::Path, config: &str) -> Open {
        let config = Live::new(hub_core::config::parse(config, "test").unwrap());
        Open { config, paths: Paths::under(root), check: "word".to_owned() }
    }

    #[tokio::test]
    async fn answers_an_authority_and_nothing_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let open = open(root.path(), "");
        let answers = open.paths.http_answers();
        std::fs::create_dir_all(&answers).unwrap();
        std::fs::write(answers.join("token-1"), "token-1.thumb").unwrap();
        std::fs::write(open.paths.acme_certificate(), "secret").unwrap();
        let ask = async |token: &str| ask(&open, &format!("/.well-known/acme-challenge/{token}")).await;
        assert_eq!(ask("token-1").await, (200, "token-1.thumb".to_owned()));
        assert_eq!(ask("hubd-check").await, (200, "word".to_owned()));
        std::fs::create_dir_all(open.paths.state()).unwrap();
        std::fs::write(open.paths.database(), "secret").unwrap();
        std::os::unix::fs::symlink(open.paths.database(), answers.join("link")).unwrap();
        assert_eq!(ask("link").await.0, 500, "a link in place of an answer");
        for token in ["token-2", "..%2Facme.pem", "%2E%2E%2Facme.pem", "token-1%00", "."] {
            assert_eq!(ask(token).await.0, 404, "{token}");
        }
    }

    #[tokio::test]
    async fn shows_the_local_authority_only_where_there_is_one() {
        let root = tempfile::tempdir().unwrap();
        let pem = include_str!("../../../tls/fixtures/first.pem").to_owned();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let lan = open(root.path(), "[https]\nmethod = \"lan\"\n");
        std::fs::create_dir_all(lan.paths.certificates()).unwrap();
        assert_eq!(ask(&lan, "/hub/ca").await.0, 404);
        std::fs::write(lan.paths.certificate_authority(), &pem).unwrap();
        let (status, page) = ask(&lan, "/hub/ca").await;
        assert!(status == 200 && page.contains(&fingerprint(&der)) && page.contains("/hub/ca.crt"), "{status} {page}");
        assert_eq!(ask(&lan, "/hub/ca.crt").await, (200, pem));
        let plain = open(root.path(), "");
        for path in ["/hub/ca", "/hub/ca.crt"] {
            assert_eq!(ask(&plain, path).await.0, 404);
        }
    }
}
