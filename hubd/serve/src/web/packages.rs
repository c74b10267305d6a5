//! Packages for everybody, for administrators: what is there, more of it, how a change goes, and the way back. Each request goes
//! the way of `hubctl env`, which judges it by the role.

mod act;
mod build;
mod page;

pub(super) use act::submit;
pub(super) use build::{page as build, stream};
pub(super) use page::page;

use hub_core::control::environment::{EnvironmentReply, EnvironmentRequest};
use hub_core::control::{Reply, Request};

use super::Hub;
use super::error::Problem;
use super::staff::{Staff, unexpected};

/// What is answered to `ask` of this administrator.
///
/// # Errors
/// What the hub, or the launcher, refuses, in its words.
async fn ask(hub: &Hub, staff: &Staff, ask: EnvironmentRequest) -> Result<EnvironmentReply, Problem> {
    match staff.ask(hub, &Request::Environment { ask }).await? {
        Reply::Environment { answer } => Ok(*answer),
        _ => Err(unexpected()),
    }
}
