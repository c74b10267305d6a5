//! What an open JupyterLab has to be told: what is announced, that something was ended for want of memory, that the server stops
//! soon because nobody uses it. The hub's answers to such a page carry a number that changes with it; our script there then asks for the words.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName};
use http::request::Parts;
use hub_core::config;
use serde::Serialize;

use super::error::Problem;
use super::{Hub, key, state};
use crate::servers::View;

/// The number of the news, in answers to pages of a server.
pub const NEWS_HEADER: HeaderName = HeaderName::from_static("x-hubd-news");

/// One thing to tell.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Item {
    /// Another for other news, so that what was read is not told again.
    id: String,
    text: String,
    /// Whether the server stops unless its owner wants it to be kept.
    keep: bool,
}

#[derive(Debug, Serialize)]
struct News {
    items: Vec<Item>,
}

/// Changes whenever there is something else to tell the owner of the server; 0: there is nothing.
pub fn news_number(hub: &config::Hub, view: &View) -> u64 {
    match (&hub.announcement, killed(view), seconds(view.stops_at)) {
        (None, None, None) => 0,
        news => hash(&news).max(1),
    }
}

/// `GET /hub/news`: the words, for a page that has the key of the session.
pub(super) async fn show(State(hub): State<Arc<Hub>>, parts: Parts) -> Result<Response, Problem> {
    let session = match key::owner(&hub, &parts)? {
        Ok(session) => session,
        Err(refused) => return Ok(refused),
    };
    let view = hub.servers.watch(&session.user).borrow().clone();
    let news = News { items: items(&hub.config.get().hub, &view) };
    let said = serde_json::to_string(&news).map_err(|error| Problem::internal(&error.into()))?;
    Ok(([(CONTENT_TYPE, "application/json")], said).into_response())
}

fn items(hub: &config::Hub, view: &View) -> Vec<Item> {
    let announced = hub.announcement.iter().map(|text| item("announced", hash(text), text.clone()));
    let ended = killed(view).map(|when| item("ended", when, state::ended(view)));
    let unused = seconds(view.stops_at).map(|when| Item { keep: true, ..item("unused", when, state::unused(view)) });
    announced.chain(ended).chain(unused).collect()
}

fn item(kind: &str, which: u64, text: String) -> Item {
    Item { id: format!("{kind}-{which}"), text, keep: false }
}

/// When the kernel last ended something for want of memory, as far as this hub saw it.
fn killed(view: &View) -> Option<u64> {
    seconds(view.memory_kills.latest)
}

/// Since 1970.
fn seconds(time: Option<SystemTime>) -> Option<u64> {
    Some(time?.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
