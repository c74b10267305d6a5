//! What is short on the machine, above the list.

use askama::Template;
use hub_core::accounts::Username;
use hub_core::config::Role;
use hub_core::control::usage::Shortage;
use hub_core::control::{Reply, Request};

use super::super::Hub;
use super::super::error::Problem;
use super::super::staff::{ask, unexpected};

/// The part of the page that says so, by itself: for pages that are open.
#[derive(Template)]
#[template(path = "short.html")]
struct Short<'page> {
    base: &'page str,
    shortages: &'page [Shortage],
}

/// What is short, as far as `name` may know.
///
/// # Errors
/// What the hub refuses, in its words.
pub(super) async fn shortages(hub: &Hub, name: &Username) -> Result<Vec<Shortage>, Problem> {
    if hub.config.get().role_of(name) < Role::Teacher {
        return Ok(Vec::new());
    }
    match ask(hub, name, &Request::Shortages).await? {
        Reply::Shortages { shortages } => Ok(shortages),
        _ => Err(unexpected()),
    }
}

/// The same as HTML.
///
/// # Errors
/// When the template can't be filled in.
pub(super) fn as_html(hub: &Hub, shortages: &[Shortage]) -> Result<String, Problem> {
    let config = hub.config.get();
    let part = Short { base: config.hub.base(), shortages };
    part.render().map_err(|error| Problem::internal(&error.into()))
}
