//! The hub's own pages: `/`, `/hub/*`, and the pages that say what went wrong. Rendered here, usable without scripts.

mod api;
mod apps;
mod ask;
mod assets;
mod clear;
mod csrf;
pub mod error;
mod events;
mod followed;
mod form;
mod frame;
mod health;
mod home;
mod installing;
mod kept_out;
mod key;
mod layers;
mod limits;
mod link;
mod login;
mod news;
mod next;
mod open;
mod outside;
mod packages;
mod pam;
mod password;
mod people;
mod problem_page;
mod progress;
mod provider;
mod router;
mod security_headers;
mod settings;
mod shared;
mod spawn;
mod staff;
mod state;
mod upload;

use std::sync::Arc;
use std::time::Instant;

use hub_core::config::Config;

pub use clear::expire_below;
pub use error::Problem;
pub use frame::Visitor;
pub use installing::{Installing, installing_router};
pub use key::PROBLEM_HEADER;
pub use news::{NEWS_HEADER, news_number};
pub use next::{app_location, ask_location, login_location, progress_location, spawn_location};
pub use open::{CHECK_TOKEN, Open, open_router};
pub use router::router;
pub use shared::shared_router;

use crate::apps::Apps;
use crate::auth::People;
use crate::control::ControlContext;
use crate::live::Live;
use crate::servers::Servers;

/// What the pages know and can do.
pub struct Hub {
    /// The administrator's decisions.
    pub config: Live<Config>,
    /// Who is enrolled, and who is logged in.
    pub people: People,
    /// Everybody's servers.
    pub servers: Arc<dyn Servers>,
    /// What people start beside Jupyter.
    pub apps: Apps,
    /// What people who look after others can have done.
    pub control: ControlContext,
    /// When this process began to serve.
    pub started: Instant,
}

#[cfg(test)]
mod tests;
