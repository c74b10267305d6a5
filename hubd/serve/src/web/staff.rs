//! Who looks after others: the visitor of the pages for that and their role at this moment.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use hub_core::accounts::Username;
use hub_core::config::Role;
use hub_core::control::{Reply, Request};

use super::Hub;
use super::csrf::Visitor;
use super::error::Problem;
use super::frame::Frame;
use crate::control;

/// A helper, teacher or administrator who is logged in. As an extractor it answers everybody else.
pub(super) struct Staff {
    pub(super) visitor: Visitor,
    pub(super) role: Role,
    /// Of the page that they ask for.
    path: String,
}

impl Staff {
    /// What the hub says to `request` of this person.
    ///
    /// # Errors
    /// What it refuses, in its words.
    pub(super) async fn ask(&self, hub: &Hub, request: &Request) -> Result<Reply, Problem> {
        ask(hub, &self.visitor.session.user, request).await
    }

    pub(super) fn is_teacher(&self) -> bool {
        self.role >= Role::Teacher
    }

    pub(super) fn frame(&self, hub: &Hub) -> Frame {
        Frame::for_session(&hub.config.get().hub, &self.visitor.session).with_ways(self.role, &self.path)
    }

    pub(super) fn token(&self) -> String {
        self.visitor.session.form_token()
    }
}

/// What the hub says to `request` of `name`.
///
/// # Errors
/// What it refuses, in its words.
pub(super) async fn ask(hub: &Hub, name: &Username, request: &Request) -> Result<Reply, Problem> {
    match control::ask_as(&hub.control, name, request).await {
        Reply::Refused(refusal) => Err(Problem::refused(refusal.kind, &refusal.message)),
        reply => Ok(reply),
    }
}

/// An answer to another question than the one that was asked: a mistake of ours.
pub(super) fn unexpected() -> Problem {
    Problem::internal(&anyhow::anyhow!("the hub gave itself the answer to another question"))
}

impl FromRequestParts<Arc<Hub>> for Staff {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Response> {
        let visitor = <Visitor as FromRequestParts<Arc<Hub>>>::from_request_parts(parts, hub).await?;
        let role = hub.config.get().role_of(&visitor.session.user);
        match role {
            Role::Student => Err(Problem::staff_only().into_response()),
            Role::Helper | Role::Teacher | Role::Admin => Ok(Self { visitor, role, path: parts.uri.path().to_owned() }),
        }
    }
}
