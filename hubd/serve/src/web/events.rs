//! The visitor's own server as it changes, for pages that are open.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;

use super::Hub;
use super::csrf::Visitor;
use super::error::Problem;
use super::form::Form;
use super::state;
use crate::servers::View;

/// A stream ends after this time; the page opens it again.
const LONGEST_STREAM: Duration = Duration::from_secs(3600);
/// Changes that follow faster are told together.
const PAUSE: Duration = Duration::from_millis(150);

struct Stream {
    view: watch::Receiver<View>,
    ended: watch::Receiver<bool>,
    until: tokio::time::Instant,
    told: Option<state::State>,
    over: bool,
}

/// `GET /hub/events?token=TOKEN`. Scripts of other pages on this host could ask, too: only the person's own page has the token.
pub(super) async fn stream(
    State(hub): State<Arc<Hub>>,
    visitor: Option<Visitor>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let visitor = own_page(visitor, query)?;
    Ok(of(hub.servers.watch(&visitor.session.user), visitor.session.ended))
}

/// Whoever asks from one of their own pages.
pub(super) fn own_page(visitor: Option<Visitor>, query: Option<String>) -> Result<Visitor, Problem> {
    let visitor = visitor.ok_or_else(Problem::not_logged_in)?;
    visitor.check(&Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default())?;
    Ok(visitor)
}

/// One server as it changes, until access has `ended`.
pub(super) fn of(view: watch::Receiver<View>, ended: watch::Receiver<bool>) -> Response {
    let until = tokio::time::Instant::now() + LONGEST_STREAM;
    let first = Stream { view, ended, until, told: None, over: false };
    Sse::new(stream::unfold(first, next)).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))).into_response()
}

async fn next(mut stream: Stream) -> Option<(Result<Event, Infallible>, Stream)> {
    if stream.over {
        return None;
    }
    loop {
        let now = state::State::of(&stream.view.borrow_and_update());
        if stream.told.as_ref() != Some(&now) {
            let event = match serde_json::to_string(&now) {
                Ok(text) => Event::default().data(text),
                Err(_) => Event::default().comment("a state that can't be told"),
            };
            stream.told = Some(now);
            return Some((Ok(event), stream));
        }
        let changed = async {
            tokio::time::sleep(PAUSE).await;
            stream.view.changed().await
        };
        let access_ended = async { drop(stream.ended.wait_for(|ended| *ended).await) };
        tokio::select! {
            // True, or nobody left to say so: access ends now.
            () = access_ended => stream.over = true,
            changed = changed => if changed.is_err() { return None },
            () = tokio::time::sleep_until(stream.until) => return None,
        }
        if stream.over {
            return Some((Ok(over()), stream));
        }
    }
}

/// Tells a page to load itself again. Browsers pass over an event without data.
pub(super) fn over() -> Event {
    Event::default().event("over").data("over")
}
