//! For pages of a person's server that stay open over a login: whether they may go on, and with which key. Asked by our
//! script in those pages while they wait.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use hub_core::control::ServerPhase;
use serde_json::json;

use super::Hub;
use super::csrf::client;
use super::error::{Problem, Word};
use crate::auth::Session;

/// Why a request of a page is refused, for our script in it.
pub const PROBLEM_HEADER: HeaderName = HeaderName::from_static("x-hubd-problem");

/// `GET /hub/key`: the key of this session for a page that had one of the same person's, and whether the server runs.
/// Nobody else's page is told it.
pub(super) async fn show(State(hub): State<Arc<Hub>>, parts: Parts) -> Result<Response, Problem> {
    let session = match owner(&hub, &parts)? {
        Ok(session) => session,
        Err(refused) => return Ok(refused),
    };
    let running = hub.servers.watch(&session.user).borrow().phase == ServerPhase::Running;
    let said = json!({ "key": session.page_key(), "running": running }).to_string();
    Ok(([(CONTENT_TYPE, "application/json")], said).into_response())
}

/// The session of a request whose page had a key of the same person's; else the answer that says why not.
pub(super) fn owner(hub: &Hub, parts: &Parts) -> Result<Result<Session, Response>, Problem> {
    let sessions = hub.people.sessions();
    let Some(session) = sessions.find(&parts.headers, client(parts)?.https) else { return Ok(Err(refused(Word::LoggedOut))) };
    Ok(match given(&parts.headers).and_then(|key| sessions.owner_of_page(key)) {
        Some(owner) if owner == session.user => Ok(session),
        Some(_) => Err(refused(Word::SomebodyElse)),
        None => Err(refused(Word::StalePage)),
    })
}

fn given(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("token ")
}

fn refused(word: Word) -> Response {
    let mut response = Problem::no_key().into_response();
    response.headers_mut().insert(PROBLEM_HEADER, HeaderValue::from_static(word.text()));
    response
}
