//! `GET /hub/people/events`: the list as it changes, for pages that are open. Each round asks as the page did, so that whoever
//! has lost the role sees no more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hub_core::accounts::Username;
use hub_core::control::usage::Shortage;
use serde_json::json;
use tokio::sync::watch;

use super::super::Hub;
use super::super::error::Problem;
use super::super::events::over;
use super::super::form::Form;
use super::super::staff::Staff;
use super::rows::{Row, everybody};
use super::short::{as_html, shortages};

/// A stream ends after this time; the page opens it again.
const LONGEST_STREAM: Duration = Duration::from_secs(3600);
/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(1500);

struct Stream {
    hub: Arc<Hub>,
    name: Username,
    ended: watch::Receiver<bool>,
    until: tokio::time::Instant,
    told: Option<(BTreeMap<Username, Row>, Vec<Shortage>)>,
    over: bool,
}

/// `GET /hub/people/events?token=TOKEN`. Scripts of other pages on this host could ask, too: only the page has the token.
pub(in super::super) async fn stream(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    staff.visitor.check(&Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default())?;
    let session = staff.visitor.session;
    let until = tokio::time::Instant::now() + LONGEST_STREAM;
    let first = Stream { hub, name: session.user.clone(), ended: session.ended, until, told: None, over: false };
    Ok(Sse::new(stream::unfold(first, next)).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))).into_response())
}

async fn next(mut stream: Stream) -> Option<(Result<Event, Infallible>, Stream)> {
    if stream.over {
        return None;
    }
    loop {
        if stream.told.is_some() {
            let access_ended = async { drop(stream.ended.wait_for(|ended| *ended).await) };
            tokio::select! {
                // True, or nobody left to say so: access ends now.
                () = access_ended => {
                    stream.over = true;
                    return Some((Ok(over()), stream));
                }
                () = tokio::time::sleep(PAUSE) => {}
                () = tokio::time::sleep_until(stream.until) => return None,
            }
        }
        let asked = (everybody(&stream.hub, &stream.name).await, shortages(&stream.hub, &stream.name).await);
        let (Ok(rows), Ok(shortages)) = asked else {
            stream.over = true;
            return Some((Ok(over()), stream));
        };
        let rows: BTreeMap<Username, Row> = rows.into_iter().map(|row| (row.name.clone(), row)).collect();
        let is_new = stream.told.is_none();
        let (told, shortages_before) = stream.told.take().unwrap_or_default();
        let changed: Vec<&Row> = rows.values().filter(|row| told.get(&row.name) != Some(row)).collect();
        if is_new || !changed.is_empty() || told.len() != rows.len() || shortages != shortages_before {
            let Ok(short) = as_html(&stream.hub, &shortages) else { return None };
            let event = Event::default().data(json!({ "total": rows.len(), "rows": changed, "short": short }).to_string());
            stream.told = Some((rows, shortages));
            return Some((Ok(event), stream));
        }
        stream.told = Some((rows, shortages));
    }
}
